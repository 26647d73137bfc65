-- What karwanctl check reads: every row of drift is a thing that must not be.
CREATE VIEW drift AS
	SELECT 'RECORD_VERSION' AS rule, r.kind || '/' || r.id AS entity, 'version' AS part, coalesce(max(j.version), 0)::numeric AS should,
			r.version::numeric AS is
		FROM records r LEFT JOIN journal j ON j.entity = r.entity GROUP BY r.kind, r.id, r.version
		HAVING coalesce(max(j.version), 0) <> r.version
UNION ALL
	SELECT 'NATIONAL_ID_OF_MAKER', n.maker_id, 'record', 1, 0 FROM national_ids n
		WHERE NOT EXISTS (SELECT FROM records r WHERE r.kind = 'maker' AND r.id = n.maker_id)
UNION ALL -- 13 digits in a row, or 5-7-1, are a national id where none may be
	SELECT 'NATIONAL_ID_IN_CLEAR', kind || '/' || id, 'body', 0, 1 FROM records
		WHERE body ~ '"national_id":"' OR body ~ '[0-9]{5}-[0-9]{7}-[0-9]';
