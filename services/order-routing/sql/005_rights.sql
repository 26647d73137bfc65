-- The service's login reads and writes its own schema only; the journal, movements and decisions are never changed. The operators' login reads.
DO $$
DECLARE
	t text;
BEGIN
	IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'karwan_routing') THEN
		EXECUTE format('GRANT USAGE ON SCHEMA %I TO karwan_routing', current_schema());
		EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO karwan_routing', current_schema());
		EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA %I TO karwan_routing', current_schema());
		EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %I TO karwan_routing', current_schema());
		FOREACH t IN ARRAY ARRAY['journal', 'stock_movements', 'allocations', 'decisions', 'order_payments', 'cancel_requests', 'order_messages'] LOOP
			EXECUTE format('REVOKE UPDATE, DELETE ON %I FROM karwan_routing', t);
		END LOOP;
		REVOKE INSERT, UPDATE, DELETE ON rules, migrations FROM karwan_routing;
		FOR t IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'journal'::regclass LOOP
			EXECUTE format('REVOKE ALL ON %I FROM karwan_routing', t);
		END LOOP;
	END IF;
	IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'karwan_operator') THEN
		EXECUTE format('GRANT USAGE ON SCHEMA %I TO karwan_operator', current_schema());
		EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO karwan_operator', current_schema());
		GRANT INSERT, UPDATE, DELETE ON rules TO karwan_operator;
	END IF;
END $$;
