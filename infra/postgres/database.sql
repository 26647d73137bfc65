-- The one database. Run by a superuser at set-up after roles.sql, any number of times.
\set ON_ERROR_STOP on
SET client_min_messages = warning;

SELECT 'CREATE DATABASE karwan OWNER karwan_owner'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'karwan')
\gexec

REVOKE ALL ON DATABASE karwan FROM PUBLIC;
GRANT CONNECT ON DATABASE karwan
   TO karwan_admin, karwan_operator, karwan_listing, karwan_routing, karwan_payment, karwan_dispatch;
