-- The last events of each partition of order-routing's journal once more, under new ids and numbers: something to publish. Nobody reads it.
SET search_path TO routing;
SET synchronous_commit = off;
BEGIN;
INSERT INTO journal (partition, number, epoch, id, topic, key, type, entity, version, time, trace, payload)
	SELECT j.partition, h.number + row_number() OVER (PARTITION BY j.partition ORDER BY j.number), h.epoch, gen_random_uuid(), j.topic, j.key,
		j.type, j.entity, j.version, j.time, j.trace, j.payload
	FROM journal j JOIN head h USING (partition) WHERE j.number > h.number - :copies;
UPDATE head h SET number = (SELECT max(j.number) FROM journal j WHERE j.partition = h.partition);
COMMIT;
CHECKPOINT;
