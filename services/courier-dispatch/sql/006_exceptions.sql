-- One form of exceptions for all services: what an exception is about, in columns of its own.
CREATE OR REPLACE VIEW exception_list AS
	SELECT exception_id, kind, state, version, 'fulfilment'::text AS owner, reason, order_id, NULL::uuid AS payment_id,
		concat_ws(' ', 'parcel ' || parcel_id, courier, occurrences || ' times') AS about, NULL::text AS body, opened_at,
		greatest(changed_at, updated_at) AS changed_at, resolution, resolved_by, note,
		parcel_id, NULL::text AS channel, NULL::text AS external_id, courier, NULL::text AS entity_kind, NULL::text AS entity_id,
		NULL::bigint AS source_version, NULL::text AS field, NULL::bigint AS expected, NULL::text AS expected_currency,
		NULL::bigint AS received, NULL::text AS received_currency, occurrences
	FROM exceptions;
CREATE INDEX exceptions_list ON exceptions (opened_at, exception_id);
