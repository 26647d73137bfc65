-- What a courier's unknown word means, as a person says it: insert-only, the last version counts for what comes later. Scans that
-- have the word take its status on by a job. Order of locks: orders, scans without a parcel, parcels, all others.
CREATE TABLE carrier_words (
	courier text NOT NULL,
	word text NOT NULL,
	version bigint NOT NULL CHECK (version > 0),
	status text NOT NULL CHECK (status IN ('CREATED', 'PICKED_UP', 'IN_TRANSIT', 'OUT_FOR_DELIVERY', 'ATTEMPT_FAILED',
		'AVAILABLE_FOR_PICKUP', 'DELIVERED', 'RETURNING', 'RETURNED', 'LOST', 'EXCEPTION', 'CANCELLED')),
	exception_id uuid NOT NULL,
	mapped_by text NOT NULL,
	reason text NOT NULL,
	mapped_at timestamptz NOT NULL,
	PRIMARY KEY (courier, word, version)
);
CREATE VIEW carrier_meanings AS
	SELECT DISTINCT ON (courier, word) courier, word, version, status, exception_id, mapped_by, reason, mapped_at
	FROM carrier_words ORDER BY courier, word, version DESC;
CREATE INDEX scans_unknown ON scans (courier, word) WHERE status = 'UNKNOWN';

-- word: that nobody had mapped. mapping: the version of the word that ended it.
ALTER TABLE exceptions
	ADD COLUMN word text,
	ADD COLUMN mapping bigint,
	DROP CONSTRAINT exceptions_resolution_check,
	ADD CONSTRAINT exceptions_resolution_check CHECK (resolution IN ('KEEP', 'MAP')),
	ADD CHECK ((resolution IS NOT DISTINCT FROM 'MAP') = (mapping IS NOT NULL));
UPDATE exceptions SET word = substr(reason, length('nobody has mapped the status ') + 1) WHERE kind = 'UNKNOWN_STATUS';
ALTER TABLE exceptions ADD CHECK (kind <> 'UNKNOWN_STATUS' OR (courier IS NOT NULL AND word IS NOT NULL));
CREATE INDEX exceptions_word ON exceptions (courier, word) WHERE kind = 'UNKNOWN_STATUS';

CREATE OR REPLACE FUNCTION exception_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.version := OLD.version + 1;
	IF NEW.state = 'OPEN' THEN
		NEW.resolution := NULL;
		NEW.mapping := NULL;
		NEW.resolved_by := NULL;
		NEW.note := NULL;
	END IF;
	RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER version BEFORE UPDATE ON exceptions FOR EACH ROW
	WHEN (OLD.state <> NEW.state OR OLD.mapping IS DISTINCT FROM NEW.mapping) EXECUTE FUNCTION exception_version();

CREATE OR REPLACE VIEW exception_list AS
	SELECT x.exception_id, x.kind, x.state, x.version, 'fulfilment'::text AS owner, x.reason, x.order_id, NULL::uuid AS payment_id,
		concat_ws(' ', 'parcel ' || x.parcel_id, x.courier, x.occurrences || ' times', 'means ' || w.status) AS about,
		NULL::text AS body, x.opened_at, greatest(x.changed_at, x.updated_at) AS changed_at, x.resolution, x.resolved_by, x.note,
		x.parcel_id, NULL::text AS channel, NULL::text AS external_id, x.courier, NULL::text AS entity_kind, NULL::text AS entity_id,
		NULL::bigint AS source_version, NULL::text AS field, NULL::bigint AS expected, NULL::text AS expected_currency,
		NULL::bigint AS received, NULL::text AS received_currency, x.occurrences
	FROM exceptions x LEFT JOIN carrier_words w ON w.courier = x.courier AND w.word = x.word AND w.version = x.mapping;

ALTER VIEW drift RENAME TO drift_of_numbers;
CREATE VIEW drift AS
	SELECT * FROM drift_of_numbers
UNION ALL
	SELECT 'WORD_VERSION', courier || ' ' || word, 'versions', max(version)::text, count(*)::text
		FROM carrier_words GROUP BY courier, word HAVING count(*) <> max(version)
UNION ALL -- who ended an exception by a word's meaning said so of that word
	SELECT 'WORD_MAPPED', x.exception_id::text, x.courier || ' ' || x.word,
			concat_ws(' ', 'version', x.mapping, 'by', x.resolved_by || ':', x.note),
			coalesce(concat_ws(' ', 'version', w.version, 'by', w.mapped_by || ':', w.reason), 'none')
		FROM exceptions x LEFT JOIN carrier_words w ON w.exception_id = x.exception_id AND w.courier = x.courier
			AND w.word = x.word AND w.version = x.mapping
		WHERE x.resolution = 'MAP' AND (w.version IS NULL OR w.mapped_by <> x.resolved_by OR w.reason <> x.note)
UNION ALL -- what has a meaning does not wait for it; the job has ten minutes
	SELECT 'WORD_WAITS', s.courier || ' ' || s.event_id, s.word, w.status, s.status
		FROM carrier_meanings w JOIN scans s USING (courier, word)
		WHERE s.status = 'UNKNOWN' AND greatest(w.mapped_at, s.arrived_at) < now() - interval '10 minutes';

GRANT SELECT, INSERT ON carrier_words TO karwan_dispatch;
GRANT SELECT ON carrier_meanings TO karwan_dispatch;
GRANT SELECT ON drift, carrier_words TO karwan_operator;
