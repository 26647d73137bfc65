-- As many orders as are wanted, by copies of those that are there: what an order has in the tables that only grow, under ids of its own. Not copied are
-- journals (their ranges are dropped), and stock, which belongs to listings. Services stand still meanwhile.
SET session_replication_role = replica; -- no triggers: each copy of a transaction sums to zero, too
SET synchronous_commit = off;

-- Ids of one copy meet no others: numbers begin above all that there are, the rest depends on how many there were.
CREATE FUNCTION pg_temp.copied(_column name, _type name, _above bigint, _salt text) RETURNS text LANGUAGE sql AS $$
	SELECT CASE
		WHEN _type = 'uuid' THEN format('md5(%I::text || %L || k)::uuid', _column, _salt)
		WHEN _column IN ('external_id', 'provider_event_id', 'provider_payment_id', 'tracking_number')
			THEN format('%I || %L || k', _column, '-' || _salt || '-')
		WHEN _column = 'order_no' THEN format('%I + k * %s::bigint', _column, _above)
		ELSE quote_ident(_column) END
$$;

CREATE FUNCTION pg_temp.clone(_tables regclass[], _wanted bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	have bigint := (SELECT count(*) FROM routing.orders);
	-- services go on giving numbers below it
	above bigint := (SELECT greatest(max(order_no), 100000000) FROM routing.orders);
	t regclass;
	into_columns text;
	from_columns text;
BEGIN
	FOREACH t IN ARRAY _tables LOOP
		SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum),
			string_agg(pg_temp.copied(attname, y.typname, above, have::text), ', ' ORDER BY attnum) INTO into_columns, from_columns
			FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid WHERE attrelid = t AND attnum > 0 AND NOT attisdropped;
		EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s, generate_series(1, %s) k',
			t, into_columns, from_columns, t, _wanted / have - 1);
	END LOOP;
END $$;

SELECT pg_temp.clone(ARRAY['routing.orders', 'routing.order_lines', 'routing.fulfilments', 'routing.allocations', 'payment.expectations',
	'payment.order_lines', 'payment.shares', 'payment.provider_events', 'payment.payments', 'payment.transactions', 'payment.postings',
	'dispatch.orders', 'dispatch.parcels', 'dispatch.intents']::regclass[], :orders);
ANALYZE;
CHECKPOINT;
