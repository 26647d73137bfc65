-- For karwanctl: why each line is where it is, and what does not add up.

CREATE VIEW decision_log AS
	SELECT d.order_id, d.version, d.line_no, d.rule, d.reason, NULL::int AS quantity,
			NULL::text AS maker_id, NULL::uuid AS fulfilment_id
		FROM decisions d
	UNION ALL
	SELECT o.order_id, a.version, a.line_no, a.rule,
			CASE a.week WHEN 0 THEN 'IN_STOCK' ELSE 'CAPACITY' END, a.quantity,
			f.maker_id, f.fulfilment_id
		FROM orders o JOIN allocations a USING (order_no) JOIN fulfilments f USING (order_no, n);

-- The order's state as a function of its lines; the same function is order_state_of in states.c,
-- and a test compares them.
CREATE FUNCTION order_state_of(_allocated bigint, _parked bigint, _shipped bigint,
	_delivered bigint, _incomplete bigint, _cancelled bigint, _expired bigint)
	RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN _allocated + _parked + _shipped = 0 AND _expired > 0 AND _expired = _cancelled
			THEN 'EXPIRED'
		WHEN _allocated + _parked + _shipped = 0 THEN 'CANCELLED'
		WHEN _shipped = 0 AND _parked = 0 THEN 'ROUTED'
		WHEN _shipped = 0 AND _allocated = 0 THEN 'PARKED'
		WHEN _shipped = 0 THEN 'PARTLY_ROUTED'
		WHEN _allocated + _parked > 0 THEN 'IN_PROGRESS'
		WHEN _delivered + _incomplete < _shipped THEN 'SHIPPED'
		WHEN _incomplete = 0 THEN 'DELIVERED'
		ELSE 'CLOSED' END
$$;

-- What fulfilments hold of each line.
CREATE VIEW held AS
	SELECT a.order_no, a.line_no, a.listing_id, a.week, f.maker_id,
			sum(a.quantity) FILTER (WHERE f.state IN ('OPEN', 'ON_HOLD')) AS open,
			sum(a.quantity) FILTER (WHERE f.state IN ('IN_PROGRESS', 'CLOSED', 'INCOMPLETE'))
				AS gone,
			sum(a.quantity) FILTER (WHERE f.state = 'CLOSED') AS closed,
			sum(a.quantity) FILTER (WHERE f.state = 'INCOMPLETE') AS incomplete,
			sum(a.quantity) FILTER (WHERE f.state <> 'CANCELLED') AS live
		FROM allocations a LEFT JOIN fulfilments f USING (order_no, n)
		GROUP BY 1, 2, 3, 4, 5;

-- One row per thing that drifts; none when all is well.
CREATE VIEW drift AS
	WITH held_line AS (
		SELECT order_no, line_no, coalesce(sum(open), 0) AS open,
				coalesce(sum(gone), 0) AS gone, coalesce(sum(closed), 0) AS closed,
				coalesce(sum(incomplete), 0) AS incomplete
			FROM held GROUP BY 1, 2),
	lines AS (
		SELECT order_no, order_state_of(sum(allocated), sum(parked), sum(shipped),
				sum(delivered), sum(incomplete), sum(cancelled), sum(expired)) AS state
			FROM order_lines GROUP BY 1),
	moved AS (
		SELECT listing_id, sum(on_hand) AS on_hand, sum(allocated) AS allocated,
				count(*) AS n, max(version) AS last
			FROM stock_movements GROUP BY 1)
	SELECT 'order_twice' AS invariant, channel || ' ' || external_id AS subject,
			count(*) || ' orders' AS detail
		FROM orders GROUP BY channel, external_id HAVING count(*) > 1
	UNION ALL
	SELECT 'order_state', o.order_id::text,
			format('%s, but its lines say %s', o.state, coalesce(l.state, 'nothing'))
		FROM orders o LEFT JOIN lines l USING (order_no)
		WHERE o.state IS DISTINCT FROM l.state
	UNION ALL
	SELECT 'line_sum', o.order_id || '/' || l.line_id,
			format('ordered %s, allocated %s, parked %s, shipped %s, cancelled %s',
				l.quantity, l.allocated, l.parked, l.shipped, l.cancelled)
		FROM order_lines l LEFT JOIN orders o USING (order_no)
		WHERE l.quantity <> l.allocated + l.parked + l.shipped + l.cancelled
	UNION ALL
	SELECT 'line_allocation', o.order_id || '/' || l.line_id,
			format('allocated %s, shipped %s, delivered %s, incomplete %s; held %s, %s, %s, %s',
				l.allocated, l.shipped, l.delivered, l.incomplete, coalesce(h.open, 0),
				coalesce(h.gone, 0), coalesce(h.closed, 0), coalesce(h.incomplete, 0))
		FROM order_lines l LEFT JOIN held_line h USING (order_no, line_no)
		LEFT JOIN orders o USING (order_no)
		WHERE l.allocated <> coalesce(h.open, 0) OR l.shipped <> coalesce(h.gone, 0)
			OR l.delivered <> coalesce(h.closed, 0)
			OR l.incomplete <> coalesce(h.incomplete, 0)
	UNION ALL
	SELECT 'allocation_alone', format('order number %s/%s', a.order_no, a.line_no),
			'without order, line or fulfilment'
		FROM allocations a LEFT JOIN fulfilments f USING (order_no, n)
		LEFT JOIN order_lines l USING (order_no, line_no) LEFT JOIN orders o USING (order_no)
		WHERE f.order_no IS NULL OR l.order_no IS NULL OR o.order_no IS NULL
			OR f.order_id <> o.order_id
	UNION ALL
	SELECT 'parked_row', coalesce(l.order_id, p.order_id) || '/' || coalesce(l.line_no, p.line_no),
			format('the line has %s parked, the list of parked lines %s it',
				coalesce(l.parked, 0), CASE WHEN p.order_id IS NULL THEN 'lacks' ELSE 'has' END)
		FROM (SELECT order_id, line_no, parked FROM order_lines JOIN orders USING (order_no)
			WHERE parked > 0) l
		FULL JOIN parked p USING (order_id, line_no)
		WHERE l.order_id IS NULL OR p.order_id IS NULL
	UNION ALL
	SELECT 'stock_sum', coalesce(s.listing_id, m.listing_id),
			format('stock %s/%s at %s; %s movements up to %s make %s/%s', s.on_hand, s.allocated,
				s.version, m.n, m.last, m.on_hand, m.allocated)
		FROM stock s FULL JOIN moved m USING (listing_id)
		WHERE s.listing_id IS NULL OR s.on_hand <> coalesce(m.on_hand, 0)
			OR s.allocated <> coalesce(m.allocated, 0)
			OR s.version <> coalesce(m.n, 0) OR s.version <> coalesce(m.last, 0)
	UNION ALL
	SELECT 'stock_negative', listing_id, format('on hand %s, allocated %s', on_hand, allocated)
		FROM stock WHERE allocated < 0 OR on_hand < allocated
	UNION ALL
	SELECT 'stock_allocated', s.listing_id,
			format('allocated %s; open orders hold %s, sold and not booked %s', s.allocated,
				coalesce(h.open, 0), coalesce(q.quantity, 0))
		FROM stock s
		LEFT JOIN (SELECT listing_id, sum(open) AS open FROM held WHERE week = 0 GROUP BY 1) h
			USING (listing_id)
		LEFT JOIN (SELECT listing_id, sum(quantity) AS quantity FROM sales GROUP BY 1) q
			USING (listing_id)
		WHERE s.allocated <> coalesce(h.open, 0) + coalesce(q.quantity, 0)
	UNION ALL
	SELECT 'capacity_used', format('%s week %s', coalesce(c.maker_id, h.maker_id),
				coalesce(c.week, h.week)),
			format('used %s, orders hold %s', c.used, coalesce(h.live, 0))
		FROM capacity c
		FULL JOIN (SELECT maker_id, week, sum(live) AS live FROM held WHERE week > 0
			GROUP BY 1, 2) h USING (maker_id, week)
		WHERE coalesce(c.used, 0) <> coalesce(h.live, 0);
