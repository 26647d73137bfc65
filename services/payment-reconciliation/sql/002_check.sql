-- What karwanctl check reads: every row of drift is a thing that must not be.

CREATE VIEW balances AS
	SELECT account, party, currency, sum(minor)::bigint AS minor, count(*) AS postings FROM postings GROUP BY account, party, currency;

CREATE VIEW order_balances AS
	SELECT entity_id AS order_id,
		coalesce(sum(minor) FILTER (WHERE account = 'RECEIVABLE'), 0)::bigint AS receivable,
		coalesce(sum(minor) FILTER (WHERE account = 'UNEARNED'), 0)::bigint AS unearned,
		coalesce(sum(minor) FILTER (WHERE account = 'REFUND_DUE'), 0)::bigint AS refund_due,
		coalesce(sum(minor) FILTER (WHERE account = 'SURPLUS'), 0)::bigint AS surplus,
		coalesce(sum(minor) FILTER (WHERE account IN ('MAKER', 'FEE', 'SHIPPING', 'TAX', 'DIFFERENCE')), 0)::bigint AS released
	FROM postings GROUP BY entity_id;

-- What a payment holds: captured less refunded, nothing while only its refund is known.
CREATE VIEW payment_nets AS
	SELECT p.*, greatest(p.captured - p.refunded, 0) AS net,
		coalesce(e.channel IS NOT NULL AND NOT e.test AND e.currency = p.currency, false) AS matched
	FROM payments p LEFT JOIN expectations e ON e.order_id = p.order_id;

CREATE VIEW drift AS
	SELECT 'LEDGER_ZERO' AS rule, format('%s/%s', entity_id, revision) AS entity, currency AS part, 0::numeric AS should, sum(minor) AS is
		FROM postings GROUP BY entity_id, revision, currency HAVING sum(minor) <> 0
UNION ALL
	SELECT 'LEDGER_TOTAL', 'ledger', currency, 0, sum(minor) FROM postings GROUP BY currency HAVING sum(minor) <> 0
UNION ALL -- a transaction without postings, or the other way round
	SELECT 'LEDGER_WHOLE', format('%s/%s', coalesce(t.entity_id, p.entity_id), coalesce(t.revision, p.revision)), 'postings', 1, 0
		FROM transactions t FULL JOIN (SELECT DISTINCT entity_id, revision FROM postings) p USING (entity_id, revision)
		WHERE t.entity_id IS NULL OR p.entity_id IS NULL
UNION ALL -- transactions of an order or payment are numbered 1, 2, 3 …
	SELECT 'LEDGER_NUMBERS', t.entity_id::text, 'revision', coalesce(e.revision, p.revision), max(t.revision)
		FROM transactions t LEFT JOIN expectations e ON e.order_id = t.entity_id LEFT JOIN payments p ON p.payment_id = t.entity_id
		GROUP BY t.entity_id, e.revision, p.revision
		HAVING max(t.revision) <> count(*) OR max(t.revision) IS DISTINCT FROM coalesce(e.revision, p.revision)
UNION ALL
	SELECT 'RECEIVED', e.order_id::text, e.currency, coalesce(sum(p.net), 0), e.received
		FROM expectations e LEFT JOIN payment_nets p ON p.order_id = e.order_id AND p.matched
		WHERE e.channel IS NOT NULL GROUP BY e.order_id HAVING coalesce(sum(p.net), 0) <> e.received
UNION ALL
	SELECT 'EXPECTED', order_id::text, currency, total - cancelled, expected
		FROM expectations WHERE channel IS NOT NULL AND expected <> total - cancelled
UNION ALL -- the state is what the money says
	SELECT 'STATE', order_id::text, state, expected, received FROM expectations
		WHERE (state = 'POSTED' AND received <> expected) OR (state = 'OVER' AND received <= expected)
			OR (state IN ('UNDER', 'PARTLY', 'CURRENCY_MISMATCH') AND received >= expected)
			OR (state = 'EXPECTED' AND NOT test AND received <> 0) OR (state = 'VOID' AND expected <> 0)
			OR (NOT test AND cleared IS DISTINCT FROM (state IN ('POSTED', 'OVER') OR (cod AND state <> 'VOID')))
UNION ALL
	SELECT 'RECEIVABLE', e.order_id::text, e.currency, greatest(e.expected - e.received, 0), coalesce(b.receivable, 0)
		FROM expectations e LEFT JOIN order_balances b USING (order_id)
		WHERE NOT e.test AND coalesce(b.receivable, 0) <> greatest(e.expected - e.received, 0)
UNION ALL
	SELECT 'UNEARNED', e.order_id::text, e.currency, e.released - e.expected, coalesce(b.unearned, 0)
		FROM expectations e LEFT JOIN order_balances b USING (order_id)
		WHERE NOT e.test AND coalesce(b.unearned, 0) <> e.released - e.expected
UNION ALL
	SELECT 'TOO_MUCH', e.order_id::text, e.currency, -greatest(e.received - e.expected, 0), coalesce(b.refund_due + b.surplus, 0)
		FROM expectations e LEFT JOIN order_balances b USING (order_id)
		WHERE NOT e.test AND coalesce(b.refund_due + b.surplus, 0) <> -greatest(e.received - e.expected, 0)
UNION ALL -- released is the sum of the earnings, and of the postings
	SELECT 'RELEASED', e.order_id::text, e.currency, coalesce(r.released, 0), e.released
		FROM expectations e LEFT JOIN (SELECT order_id, sum(amount + fee + shipping + tax + difference) AS released FROM earnings GROUP BY order_id) r
		USING (order_id) LEFT JOIN order_balances b USING (order_id)
		WHERE coalesce(r.released, 0) <> e.released OR coalesce(b.released, 0) <> -e.released
UNION ALL
	SELECT 'NOT_RELEASED_TWICE', order_id::text, currency, total, released FROM expectations
		WHERE released > total AND NOT test
UNION ALL
	SELECT 'MAKER', coalesce(m.maker_id, b.party), coalesce(m.currency, b.currency), -coalesce(m.amount, 0), coalesce(b.minor, 0)
		FROM (SELECT maker_id, currency, sum(amount) AS amount FROM earnings GROUP BY maker_id, currency) m
		FULL JOIN (SELECT * FROM balances WHERE account = 'MAKER') b ON b.party = m.maker_id AND b.currency = m.currency
		WHERE coalesce(b.minor, 0) <> -coalesce(m.amount, 0)
UNION ALL
	SELECT 'CLEARING', coalesce(p.provider, b.party), coalesce(p.currency, b.currency), coalesce(p.net, 0), coalesce(b.minor, 0)
		FROM (SELECT provider, currency, sum(net) AS net FROM payment_nets GROUP BY provider, currency) p
		FULL JOIN (SELECT * FROM balances WHERE account = 'CLEARING') b ON b.party = p.provider AND b.currency = p.currency
		WHERE coalesce(b.minor, 0) <> coalesce(p.net, 0)
UNION ALL -- each captured payment belongs to one order or to suspense
	SELECT 'SUSPENSE', coalesce(p.provider, b.party), coalesce(p.currency, b.currency), -coalesce(p.net, 0), coalesce(b.minor, 0)
		FROM (SELECT provider, currency, sum(net) AS net FROM payment_nets WHERE NOT matched GROUP BY provider, currency) p
		FULL JOIN (SELECT * FROM balances WHERE account = 'SUSPENSE') b ON b.party = p.provider AND b.currency = p.currency
		WHERE coalesce(b.minor, 0) <> -coalesce(p.net, 0)
UNION ALL -- a payment is what its provider's events say, each counted once
	SELECT 'PROVIDER_EVENTS', p.payment_id::text, 'captured', coalesce(v.captured, 0), p.captured
		FROM payments p LEFT JOIN (SELECT payment_id, max(amount) FILTER (WHERE kind = 'SUCCEEDED' AND applied) AS captured,
			max(amount) FILTER (WHERE kind = 'REFUNDED' AND applied) AS refunded FROM provider_events GROUP BY payment_id) v USING (payment_id)
		WHERE p.captured <> coalesce(v.captured, 0) OR p.refunded <> coalesce(v.refunded, 0)
UNION ALL -- earned means delivered and routed, in a share of this order
	SELECT 'EARNED_DELIVERED', n.earning_id::text, n.line_id, 1, 0 FROM earnings n LEFT JOIN shares s USING (order_id, fulfilment_id, line_id)
		WHERE s.delivered_at IS NULL OR NOT s.routed OR s.maker_id <> n.maker_id OR n.quantity > s.quantity
UNION ALL -- nothing delivered and paid waits
	SELECT 'EARNED_MISSING', s.fulfilment_id::text, s.line_id, 1, 0
		FROM shares s JOIN expectations e USING (order_id) LEFT JOIN earnings n USING (order_id, fulfilment_id, line_id)
		WHERE e.state IN ('POSTED', 'OVER') AND s.routed AND NOT s.cancelled AND s.delivered_at IS NOT NULL AND n.earning_id IS NULL
			AND e.faults & 128 = 0 -- ALLOCATION_MISMATCH: it has no piece of its line
UNION ALL
	SELECT 'LINE_EARNED_TWICE', n.order_id::text, n.line_id, l.quantity, sum(n.quantity)
		FROM earnings n LEFT JOIN order_lines l USING (order_id, line_id) GROUP BY n.order_id, n.line_id, l.quantity
		HAVING sum(n.quantity) > coalesce(l.quantity, 0)
UNION ALL -- the bits of the row are the exceptions that are open
	SELECT 'EXCEPTIONS', e.order_id::text, 'faults', bit_count(e.faults::bit(64)), count(x.exception_id)
		FROM expectations e LEFT JOIN exceptions x ON x.order_id = e.order_id AND x.payment_id IS NULL AND x.state = 'OPEN'
		GROUP BY e.order_id HAVING count(x.exception_id) <> bit_count(e.faults::bit(64));
