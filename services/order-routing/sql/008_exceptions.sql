-- One form of exceptions for all services: what an exception is about, in columns of its own.
CREATE OR REPLACE VIEW exception_list AS
	SELECT exception_id, kind, state, version, owner, coalesce(detail, kind) AS reason, order_id, NULL::uuid AS payment_id,
		concat_ws(' ', channel, external_id, field) AS about, body, opened_at, coalesce(changed_at, opened_at) AS changed_at,
		resolution, resolved_by, note,
		NULL::uuid AS parcel_id, channel, external_id, NULL::text AS courier, NULL::text AS entity_kind, NULL::text AS entity_id,
		NULL::bigint AS source_version, field, NULL::bigint AS expected, NULL::text AS expected_currency, NULL::bigint AS received,
		NULL::text AS received_currency, NULL::bigint AS occurrences
	FROM exceptions;
CREATE INDEX exceptions_list ON exceptions (opened_at, exception_id);
