-- When Kafka appended the remembered event. After a log lost its tail another record can have come to the same offset, even a late repeat of the
-- same number: only with this time is it the remembered one. NULL: written by the release before, or the broker told none.
ALTER TABLE published ADD COLUMN appended_at timestamptz;

CREATE FUNCTION save_published(_token bigint, _partitions int[], _numbers bigint[], _offsets bigint[], _times timestamptz[]) RETURNS void
	LANGUAGE plpgsql AS $$
BEGIN
	PERFORM 1 FROM leases WHERE name = 'publisher' AND token = _token FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'the publisher''s lease is not ours any more' USING ERRCODE = 'KW002';
	END IF;
	UPDATE published p SET number = i.number, kafka_offset = i.kafka_offset, appended_at = i.appended_at
		FROM unnest(_partitions, _numbers, _offsets, _times) AS i(partition, number, kafka_offset, appended_at) WHERE p.partition = i.partition;
END $$;

-- For programs of the release before.
CREATE OR REPLACE FUNCTION save_published(_token bigint, _partitions int[], _numbers bigint[], _offsets bigint[]) RETURNS void LANGUAGE sql AS $$
	SELECT save_published(_token, _partitions, _numbers, _offsets, array_fill(NULL::timestamptz, ARRAY[cardinality(_partitions)]))
$$;

-- As the one of 000, which stays for a karwanctl of the release before; but which epoch is said: never one that a reader may know already. Where an
-- older copy was restored before, the topics have events of epochs that this database never saw.
CREATE FUNCTION begin_epoch(_topic text, _epoch int, _entities uuid[], _ids uuid[], OUT partition int, OUT epoch int, OUT last_good_number bigint)
	RETURNS SETOF record LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
	h record;
BEGIN
	PERFORM journal_make_ranges();
	FOR h IN SELECT partition, number, epoch FROM head ORDER BY partition FOR UPDATE LOOP
		IF h.epoch >= _epoch THEN
			RAISE EXCEPTION 'partition % of % is in epoch % already', h.partition, _topic, h.epoch;
		END IF;
		INSERT INTO epochs VALUES (_topic, h.partition, _epoch, h.number, now());
		INSERT INTO journal (partition, number, epoch, id, topic, key, type, entity, version, time, trace, payload)
			VALUES (h.partition, h.number + 1, _epoch, _ids[h.partition + 1], _topic, 'epoch', 'karwan.epoch.started.v1',
				_entities[h.partition + 1], _epoch, now(), '',
				json_build_object('epoch', _epoch, 'last_good_number', h.number)::text);
		UPDATE head SET number = h.number + 1, epoch = _epoch WHERE head.partition = h.partition;
	END LOOP;
	RETURN QUERY SELECT e.partition, e.epoch, e.last_good_number FROM epochs e WHERE e.topic = _topic AND e.epoch = _epoch ORDER BY e.partition;
END $$;
REVOKE EXECUTE ON FUNCTION begin_epoch(text, int, uuid[], uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_epoch(text, int, uuid[], uuid[]) TO karwan_operator;
