-- One form of exceptions for all services: what an exception is about, in columns of its own.
CREATE OR REPLACE VIEW exception_list AS
	SELECT exception_id, kind, state, version, owner, reason, NULL::uuid AS order_id, NULL::uuid AS payment_id,
		concat_ws(' ', entity_kind, entity_id, 'version', source_version) AS about, body, opened_at,
		coalesce(changed_at, opened_at) AS changed_at, resolution, resolved_by, note,
		NULL::uuid AS parcel_id, NULL::text AS channel, NULL::text AS external_id, NULL::text AS courier, entity_kind, entity_id,
		source_version, NULL::text AS field, NULL::bigint AS expected, NULL::text AS expected_currency, NULL::bigint AS received,
		NULL::text AS received_currency, NULL::bigint AS occurrences
	FROM exceptions;
