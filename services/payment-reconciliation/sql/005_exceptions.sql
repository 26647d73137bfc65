-- One form of exceptions for all services: what an exception is about, in columns of its own.
CREATE OR REPLACE VIEW exception_list AS
	SELECT exception_id, kind, state, version, owner, reason, order_id, payment_id,
		concat_ws(' ', 'expected', expected::text, expected_currency, 'received', received::text, received_currency) AS about,
		NULL::text AS body, opened_at, changed_at, resolution, resolved_by, note,
		NULL::uuid AS parcel_id, NULL::text AS channel, NULL::text AS external_id, NULL::text AS courier, NULL::text AS entity_kind,
		NULL::text AS entity_id, NULL::bigint AS source_version, NULL::text AS field, expected, expected_currency, received,
		received_currency, NULL::bigint AS occurrences
	FROM exceptions;
