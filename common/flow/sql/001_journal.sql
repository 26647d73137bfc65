-- Found by a key as a whole: an index on its hash costs an event far less than one on its text (docs/performance.md).
DROP INDEX journal_key;
CREATE INDEX journal_key ON journal USING hash (key);

-- When Kafka appended the message of the in topic that an event comes from: how long it took is shown. NULL: it comes from no such message.
ALTER TABLE journal ADD COLUMN caused_at timestamptz;

-- Last statement of a batch: numbers without a gap. _seqs: 1, 2, … in each partition, in the order of the batch. The one of 000 stays for
-- programs of the release before.
CREATE FUNCTION journal_append(_topic text, _partitions int[], _seqs int[], _ids uuid[], _keys text[], _types text[], _entities uuid[],
	_versions bigint[], _time timestamptz, _traces text[], _payloads text[], _caused timestamptz[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	moved int;
BEGIN
	PERFORM 1 FROM head WHERE partition = ANY (_partitions) ORDER BY partition FOR UPDATE;
	INSERT INTO journal (partition, number, epoch, id, topic, key, type, entity, version, time, trace, payload, caused_at)
		SELECT e.partition, h.number + e.seq, h.epoch, e.id, _topic, e.key, e.type, e.entity, e.version, _time, e.trace, e.payload, e.caused
		FROM unnest(_partitions, _seqs, _ids, _keys, _types, _entities, _versions, _traces, _payloads, _caused)
			AS e(partition, seq, id, key, type, entity, version, trace, payload, caused)
		JOIN head h ON h.partition = e.partition;
	UPDATE head h SET number = h.number + c.n
		FROM (SELECT p, count(*) AS n, min(s) AS first, max(s) AS last FROM unnest(_partitions, _seqs) AS u(p, s) GROUP BY p) c
		WHERE h.partition = c.p AND c.first = 1 AND c.last = c.n;
	GET DIAGNOSTICS moved = ROW_COUNT;
	IF moved <> (SELECT count(DISTINCT p) FROM unnest(_partitions) p) THEN
		RAISE EXCEPTION 'only % partitions have a head row and numbers without a gap', moved;
	END IF;
END $$;
