-- Money of no order, found by indexes that hold little else: looking for it costs the same whatever is stored. Where much is stored they are
-- built by hand before (docs/changes.md).
CREATE INDEX IF NOT EXISTS payments_of_no_order ON payments (opened_at) WHERE order_id IS NULL;
CREATE INDEX IF NOT EXISTS expectations_with_other_money ON expectations (order_id) WHERE foreign_payments > 0 OR held_payments > 0;

CREATE VIEW suspense AS
	SELECT payment_id, currency, captured - refunded AS net, opened_at FROM payments WHERE order_id IS NULL AND captured > refunded
UNION ALL -- its order has not come
	SELECT p.payment_id, p.currency, p.captured - p.refunded, p.opened_at FROM expectations e JOIN payments p USING (order_id)
		WHERE e.channel IS NULL AND p.captured > p.refunded
UNION ALL -- its order is a test, or in another currency
	SELECT p.payment_id, p.currency, p.captured - p.refunded, p.opened_at FROM expectations e JOIN payments p USING (order_id)
		WHERE (e.foreign_payments > 0 OR e.held_payments > 0) AND e.channel IS NOT NULL AND (e.test OR e.currency <> p.currency)
			AND p.captured > p.refunded;
GRANT SELECT ON suspense TO karwan_payment, karwan_operator;

-- The list is whole, and has nothing else.
DO $$
BEGIN
	EXECUTE 'CREATE OR REPLACE VIEW drift AS ' || rtrim(pg_get_viewdef('drift'::regclass), E' \n;') || $x$
		UNION ALL
		SELECT 'SUSPENSE_LISTED', coalesce(n.payment_id, s.payment_id)::text, coalesce(n.currency, s.currency), coalesce(n.net, 0)::text, coalesce(s.net, 0)::text
			FROM (SELECT * FROM payment_nets WHERE NOT matched AND net > 0) n FULL JOIN suspense s USING (payment_id)
			WHERE n.net IS DISTINCT FROM s.net$x$;
END $$;
