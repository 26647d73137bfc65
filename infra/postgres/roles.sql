-- The logins of the running system, each with rights on its own schema only (the migrations grant them), and the
-- owner of the schemas, as whom nobody logs in. Run by a superuser at set-up, any number of times; the psql
-- variables hold the passwords. None of these is a superuser or may replicate.
\set ON_ERROR_STOP on
SET client_min_messages = warning;

SELECT format('CREATE ROLE %I', name)
  FROM unnest(ARRAY['karwan_owner', 'karwan_admin', 'karwan_operator', 'karwan_listing', 'karwan_routing',
                    'karwan_payment', 'karwan_dispatch']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

ALTER ROLE karwan_owner    NOLOGIN NOINHERIT;
ALTER ROLE karwan_admin    LOGIN PASSWORD :'karwan_admin';
ALTER ROLE karwan_operator LOGIN PASSWORD :'karwan_operator';
ALTER ROLE karwan_listing  LOGIN PASSWORD :'karwan_listing';
ALTER ROLE karwan_routing  LOGIN PASSWORD :'karwan_routing';
ALTER ROLE karwan_payment  LOGIN PASSWORD :'karwan_payment';
ALTER ROLE karwan_dispatch LOGIN PASSWORD :'karwan_dispatch';

-- Migrations: what karwan_admin makes belongs to karwan_owner.
GRANT karwan_owner TO karwan_admin;
ALTER ROLE karwan_admin SET role = 'karwan_owner';

-- A reader that forgets its transaction must not keep old row versions alive.
ALTER ROLE karwan_operator SET statement_timeout = '5min';
ALTER ROLE karwan_operator SET idle_in_transaction_session_timeout = '1min';
