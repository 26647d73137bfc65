-- An order that was paid too little may go all the same: a person waives the rest (RELEASE), and the house bears it (SHORTFALL).
-- waived: how much may be missing. A later payment of the rest takes it back by itself.
ALTER TABLE expectations
	ADD COLUMN waived bigint NOT NULL DEFAULT 0,
	ADD CONSTRAINT expectations_waived_check CHECK (waived >= 0 AND (waived > 0 OR state <> 'WAIVED')) NOT VALID,
	DROP CONSTRAINT expectations_state_check,
	ADD CONSTRAINT expectations_state_check CHECK (state IN ('WAITING_ORDER', 'EXPECTED', 'POSTED', 'OVER', 'UNDER', 'CURRENCY_MISMATCH',
		'PARTLY', 'WAIVED', 'VOID')) NOT VALID;
ALTER TABLE transactions
	DROP CONSTRAINT transactions_kind_check,
	ADD CONSTRAINT transactions_kind_check CHECK (kind IN ('SALE', 'MONEY', 'EARNING', 'CANCELLATION', 'RELEASE')) NOT VALID;
ALTER TABLE postings
	DROP CONSTRAINT postings_account_check,
	ADD CONSTRAINT postings_account_check CHECK (account IN ('RECEIVABLE', 'CLEARING', 'SUSPENSE', 'UNEARNED', 'MAKER', 'FEE', 'SHIPPING',
		'TAX', 'DIFFERENCE', 'REFUND_DUE', 'SURPLUS', 'SHORTFALL')) NOT VALID;
ALTER TABLE exceptions
	DROP CONSTRAINT exceptions_resolution_check,
	ADD CONSTRAINT exceptions_resolution_check CHECK (resolution IN ('KEEP', 'ASSIGN_ORDER', 'RELEASE')) NOT VALID;

CREATE VIEW order_shortfalls AS
	SELECT entity_id AS order_id, sum(minor)::bigint AS minor FROM postings WHERE account = 'SHORTFALL' GROUP BY entity_id;
GRANT SELECT ON order_shortfalls TO karwan_payment, karwan_operator;

-- What is waived is not owed any more; an order whose rest is waived is paid.
DO $$
DECLARE
	was text := pg_get_viewdef('drift_of_rows'::regclass);
	owed constant text := '(e.expected - e.received), (0)::bigint)';
	paid constant text := $x$ARRAY['POSTED'::text, 'OVER'::text]$x$;
	now text := replace(replace(was, owed, '((e.expected - e.received) - e.waived), (0)::bigint)'), paid,
		$x$ARRAY['POSTED'::text, 'OVER'::text, 'WAIVED'::text]$x$);
BEGIN
	ASSERT (length(was) - length(replace(was, owed, ''))) / length(owed) = 2 AND (length(was) - length(replace(was, paid, ''))) / length(paid) = 2,
		'the view drift_of_rows is not the one that is to be changed';
	EXECUTE 'CREATE OR REPLACE VIEW drift_of_rows AS ' || now;
END $$;

CREATE OR REPLACE VIEW drift AS
	SELECT rule, entity, part, should::text AS should, "is"::text AS "is" FROM drift_of_rows
UNION ALL -- what is missing, as far as it is waived
	SELECT 'SHORTFALL', e.order_id::text, e.currency, least(greatest(e.expected - e.received, 0), e.waived)::text, coalesce(s.minor, 0)::text
		FROM expectations e LEFT JOIN order_shortfalls s USING (order_id)
		WHERE NOT e.test AND coalesce(s.minor, 0) <> least(greatest(e.expected - e.received, 0), e.waived)
UNION ALL
	SELECT 'STATE', order_id::text, state, expected::text, received::text FROM expectations
		WHERE state = 'WAIVED' AND (received >= expected OR received + waived < expected);
