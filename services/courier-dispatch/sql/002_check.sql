-- What karwanctl check reads: every row of drift is a thing that must not be.

CREATE VIEW drift AS
	WITH history AS (
		SELECT entity, max(version) AS version FROM journal WHERE key <> 'epoch' GROUP BY entity),
	last_word AS (
		SELECT j.entity, j.payload::json AS data FROM journal j JOIN history h ON h.entity = j.entity AND h.version = j.version),
	answers AS (
		SELECT entity AS parcel_id, payload::json ->> 'courier' AS courier, detail FROM intents WHERE kind = 'book' AND state = 'DONE')
	-- an entity's last event is what its row says
	SELECT 'PARCEL_VERSION' AS rule, p.parcel_id::text AS entity, 'version' AS part, p.version::text AS should,
			coalesce(h.version, 0)::text AS is
		FROM parcels p LEFT JOIN history h ON h.entity = p.parcel_id
		WHERE p.version <> coalesce(h.version, 0) AND (h.version IS NOT NULL OR NOT EXISTS (SELECT FROM head WHERE number > 1000000))
UNION ALL
	SELECT 'PARCEL_EVENT', p.parcel_id::text, m.part, m.should, m."is"
		FROM parcels p JOIN last_word w ON w.entity = p.parcel_id
		CROSS JOIN LATERAL (VALUES ('state', p.state, w.data ->> 'state'), ('courier', p.courier, w.data ->> 'courier'),
			('tracking_number', p.tracking_number, w.data ->> 'tracking_number'), ('label_url', p.label_url, w.data ->> 'label_url'),
			('reason', p.reason, w.data ->> 'reason'), ('carrier', nullif(p.carrier_status, 'NONE'), w.data #>> '{carrier,status}'),
			('weight_g', p.weight_g::text, w.data ->> 'weight_g')) AS m(part, should, "is")
		WHERE m.should IS DISTINCT FROM m."is"
UNION ALL -- an event without its row
	SELECT 'EVENT_ALONE', h.entity::text, 'parcel', '1', '0' FROM history h LEFT JOIN parcels p ON p.parcel_id = h.entity WHERE p.parcel_id IS NULL
UNION ALL -- one courier at a time: at most one has accepted, and it is the parcel's
	SELECT 'ACCEPTED_ONCE', parcel_id::text, 'couriers', '1', count(*)::text
		FROM answers WHERE detail LIKE 'ACCEPTED %' GROUP BY parcel_id HAVING count(*) > 1
UNION ALL
	SELECT 'ACCEPTED', p.parcel_id::text, 'tracking_number', a.detail, coalesce('ACCEPTED ' || p.tracking_number, '')
		FROM answers a JOIN parcels p USING (parcel_id)
		WHERE a.detail LIKE 'ACCEPTED %' AND p.tracking_number IS NOT NULL
			AND (a.detail <> 'ACCEPTED ' || p.tracking_number OR a.courier <> p.courier)
UNION ALL -- a booked parcel has an accepted answer
	SELECT 'BOOKED', p.parcel_id::text, p.state, 'an accepted booking', 'none'
		FROM parcels p WHERE p.tracking_number IS NOT NULL
			AND NOT EXISTS (SELECT FROM answers a WHERE a.parcel_id = p.parcel_id AND a.courier = p.courier AND a.detail LIKE 'ACCEPTED %')
UNION ALL -- a parcel that waits is asked for, or a person knows of it
	SELECT 'READY_FORGOTTEN', p.parcel_id::text, coalesce(p.courier, 'NO_COURIER'), 'a pending booking, or an exception', 'neither'
		FROM parcels p WHERE p.state = 'READY'
			AND NOT EXISTS (SELECT FROM intents i WHERE i.entity = p.parcel_id AND i.kind = 'book' AND i.state = 'PENDING')
			AND NOT EXISTS (SELECT FROM exceptions x WHERE x.parcel_id = p.parcel_id AND x.kind = 'NO_COURIER' AND x.state = 'OPEN')
UNION ALL -- what is paid is not kept waiting, what is not paid does not leave
	SELECT 'CLEARED', p.parcel_id::text, p.state, 'not PLANNED', p.state
		FROM parcels p JOIN orders o USING (order_id) WHERE o.cleared AND p.state = 'PLANNED'
UNION ALL
	SELECT 'ORDER_MISSING', p.parcel_id::text, 'order', coalesce(p.order_id::text, ''), 'none'
		FROM parcels p LEFT JOIN orders o USING (order_id) WHERE p.state <> 'EXPECTED' AND o.order_id IS NULL
UNION ALL -- what is collected on delivery is never more than the order's total
	SELECT 'AMOUNT_DUE', o.order_id::text, o.currency, o.due_given::text, coalesce(sum(p.amount_due), 0)::text
		FROM orders o LEFT JOIN parcels p ON p.order_id = o.order_id AND p.due_currency IS NOT NULL
		WHERE o.routings > 0 GROUP BY o.order_id
		HAVING coalesce(sum(p.amount_due), 0) <> o.due_given OR o.due_given > greatest(o.total, 0) OR (o.due_given <> 0 AND NOT o.cod)
UNION ALL -- failed deliveries are counted once for each scan
	SELECT 'ATTEMPTS', p.parcel_id::text, 'attempts', 'at most ' || count(s.event_id), p.attempts::text
		FROM parcels p LEFT JOIN scans s ON s.parcel_id = p.parcel_id AND s.standing = 'APPLIED' AND s.status = 'ATTEMPT_FAILED'
		GROUP BY p.parcel_id HAVING p.attempts > count(s.event_id)
UNION ALL -- a scan of a booked parcel does not wait
	SELECT 'SCAN_PENDING', s.courier || ' ' || s.event_id, p.state, 'APPLIED or FOREIGN', 'PENDING'
		FROM scans s JOIN parcels p USING (parcel_id) WHERE s.standing = 'PENDING' AND p.tracking_number IS NOT NULL;
