-- What every service's schema holds for its flow: where it reads, what it has emitted, what is sent, what could not be done.
-- Rules 3 to 8 of the design. Order of locks: offsets, the service's tables, head.

-- Where the service reads each partition, moved in the transaction of the batch.
CREATE TABLE offsets (
	grp text NOT NULL,
	topic text NOT NULL,
	partition int NOT NULL,
	next_offset bigint NOT NULL CHECK (next_offset >= 0),
	cluster_id text NOT NULL,
	last_hash bigint,
	last_time timestamptz,
	place_epoch int NOT NULL DEFAULT 0,
	place_number bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (grp, topic, partition)
) WITH (fillfactor = 40);

-- First statement of a batch: raises unless every row is where the batch expects it.
CREATE FUNCTION move_offsets(_grp text, _topics text[], _partitions int[], _expected bigint[], _next bigint[], _hashes bigint[],
	_times timestamptz[], _epochs int[], _numbers bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	moved int;
BEGIN
	PERFORM 1 FROM offsets o JOIN unnest(_topics, _partitions) AS i(topic, partition) USING (topic, partition)
		WHERE o.grp = _grp ORDER BY o.topic, o.partition FOR UPDATE OF o;
	UPDATE offsets o SET next_offset = i.next, last_hash = i.hash, last_time = i.time, place_epoch = i.epoch, place_number = i.number
		FROM unnest(_topics, _partitions, _expected, _next, _hashes, _times, _epochs, _numbers)
			AS i(topic, partition, expected, next, hash, time, epoch, number)
		WHERE o.grp = _grp AND o.topic = i.topic AND o.partition = i.partition AND o.next_offset = i.expected;
	GET DIAGNOSTICS moved = ROW_COUNT;
	IF moved <> cardinality(_topics) THEN
		RAISE EXCEPTION 'only % of % offset rows are where the batch expects them', moved, cardinality(_topics) USING ERRCODE = 'KW001';
	END IF;
END $$;

-- How often the process began to run what lies at an offset: "tries" as the first of a batch, "alone" by itself.
CREATE TABLE attempts (
	grp text NOT NULL,
	topic text NOT NULL,
	partition int NOT NULL,
	at_offset bigint NOT NULL,
	tries int NOT NULL DEFAULT 0,
	alone int NOT NULL DEFAULT 0,
	PRIMARY KEY (grp, topic, partition, at_offset)
);

-- One row per committed batch: its inputs and its clock, for audit.
CREATE TABLE batches (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	now timestamptz NOT NULL,
	messages int NOT NULL,
	events int NOT NULL,
	ranges text NOT NULL
);

CREATE TABLE dead_letters (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	grp text NOT NULL,
	topic text NOT NULL,
	partition int NOT NULL,
	at_offset bigint NOT NULL,
	appended_at timestamptz NOT NULL,
	key bytea NOT NULL,
	value bytea NOT NULL,
	headers text NOT NULL,
	reason text NOT NULL,
	pointer text NOT NULL,
	code text NOT NULL,
	attempts int NOT NULL,
	dead_at timestamptz NOT NULL,
	requested text CHECK (requested IN ('REPLAY', 'DRY_RUN')), -- by an operator; the service does it
	requested_by text,
	replays int NOT NULL DEFAULT 0,
	replayed_at timestamptz,
	outcome text,
	UNIQUE (grp, topic, partition, at_offset)
);
CREATE INDEX dead_letters_requested ON dead_letters (id) WHERE requested IS NOT NULL;

-- The last number given out in each partition of the events topic; locked last, until the commit is visible.
CREATE TABLE head (
	partition int PRIMARY KEY,
	number bigint NOT NULL DEFAULT 0,
	epoch int NOT NULL DEFAULT 1
) WITH (fillfactor = 20);
INSERT INTO head (partition) SELECT generate_series(0, 11);

-- The outbox, the history and the proof. Insert-only; ranges are made ahead and dropped whole.
-- What the broker could refuse is refused here: size, empty key.
CREATE TABLE journal (
	partition int NOT NULL,
	number bigint NOT NULL CHECK (number > 0),
	epoch int NOT NULL,
	id uuid NOT NULL,
	topic text NOT NULL,
	key text NOT NULL CHECK (key <> '' AND octet_length(key) <= 200),
	type text NOT NULL CHECK (type <> ''),
	entity uuid NOT NULL,
	version bigint NOT NULL CHECK (version > 0),
	time timestamptz NOT NULL,
	trace text NOT NULL,
	payload text NOT NULL CHECK (octet_length(payload) <= 900000),
	PRIMARY KEY (partition, number)
) PARTITION BY RANGE (number);
CREATE INDEX journal_key ON journal (key);

-- Ranges of a million numbers, so that at least one whole range lies ahead of every partition's head.
CREATE FUNCTION journal_make_ranges() RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
	size constant bigint := 1000000;
	last bigint := (SELECT coalesce(max(number), 0) / size + 1 FROM head);
	made int := 0;
	r bigint;
	name text;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('journal_make_ranges ' || current_schema()));
	FOR r IN 0 .. last LOOP
		name := 'journal_' || lpad(r::text, 6, '0');
		IF to_regclass(format('%I.%I', current_schema(), name)) IS NULL
			AND r >= (SELECT coalesce(min(number), 0) / size FROM head) THEN
			EXECUTE format('CREATE TABLE %I (LIKE journal INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
			EXECUTE format('ALTER TABLE journal ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name, r * size, (r + 1) * size);
			made := made + 1;
		END IF;
	END LOOP;
	RETURN made;
END $$;
SELECT journal_make_ranges();

-- Drops the ranges that all heads have left and whose newest row is older than _keep.
CREATE FUNCTION journal_drop_ranges(_keep interval) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
	size constant bigint := 1000000;
	full_below bigint := (SELECT min(number) / size FROM head);
	dropped int := 0;
	r record;
	newest timestamptz;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('journal_make_ranges ' || current_schema()));
	FOR r IN SELECT c.relname, substring(c.relname FROM 9)::bigint AS n FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'journal'::regclass ORDER BY 2 LOOP
		EXIT WHEN r.n >= full_below;
		EXECUTE format('SELECT max(time) FROM %I', r.relname) INTO newest;
		EXIT WHEN newest > now() - _keep;
		EXECUTE format('DROP TABLE %I', r.relname);
		dropped := dropped + 1;
	END LOOP;
	RETURN dropped;
END $$;

-- Last statement of a batch: numbers without a gap, in the order of the arrays.
CREATE FUNCTION journal_append(_topic text, _partitions int[], _ids uuid[], _keys text[], _types text[], _entities uuid[], _versions bigint[],
	_time timestamptz, _traces text[], _payloads text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	locked int;
	wanted int := (SELECT count(DISTINCT p) FROM unnest(_partitions) p);
BEGIN
	PERFORM 1 FROM head WHERE partition = ANY (_partitions) ORDER BY partition FOR UPDATE;
	GET DIAGNOSTICS locked = ROW_COUNT;
	IF locked <> wanted THEN
		RAISE EXCEPTION 'only % of % head rows exist', locked, wanted;
	END IF;
	INSERT INTO journal (partition, number, epoch, id, topic, key, type, entity, version, time, trace, payload)
		SELECT e.partition, h.number + row_number() OVER (PARTITION BY e.partition ORDER BY e.ord), h.epoch, e.id, _topic, e.key, e.type,
			e.entity, e.version, _time, e.trace, e.payload
		FROM unnest(_partitions, _ids, _keys, _types, _entities, _versions, _traces, _payloads) WITH ORDINALITY
			AS e(partition, id, key, type, entity, version, trace, payload, ord)
		JOIN head h ON h.partition = e.partition;
	UPDATE head h SET number = h.number + c.n
		FROM (SELECT p, count(*) AS n FROM unnest(_partitions) p GROUP BY p) c WHERE h.partition = c.p;
END $$;

-- What the publisher knows to be acknowledged: never beyond that. Written only under the lease's token.
CREATE TABLE published (
	partition int PRIMARY KEY,
	number bigint NOT NULL DEFAULT 0,
	kafka_offset bigint NOT NULL DEFAULT -1
) WITH (fillfactor = 20);
INSERT INTO published (partition) SELECT generate_series(0, 11);

CREATE SEQUENCE lease_tokens;
CREATE TABLE leases (
	name text PRIMARY KEY,
	token bigint NOT NULL,
	holder text NOT NULL,
	until timestamptz NOT NULL
) WITH (fillfactor = 20);
INSERT INTO leases VALUES ('publisher', 0, '', '-infinity');

CREATE FUNCTION save_published(_token bigint, _partitions int[], _numbers bigint[], _offsets bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM 1 FROM leases WHERE name = 'publisher' AND token = _token FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'the publisher''s lease is not ours any more' USING ERRCODE = 'KW002';
	END IF;
	UPDATE published p SET number = i.number, kafka_offset = i.kafka_offset
		FROM unnest(_partitions, _numbers, _offsets) AS i(partition, number, kafka_offset) WHERE p.partition = i.partition;
END $$;

-- Side effects on other systems, to be made by leased jobs.
CREATE TABLE intents (
	id uuid PRIMARY KEY,
	kind text NOT NULL,
	entity uuid NOT NULL,
	payload text NOT NULL,
	trace text NOT NULL,
	state text NOT NULL DEFAULT 'PENDING' CHECK (state IN ('PENDING', 'DONE', 'FAILED')),
	due timestamptz NOT NULL,
	leased boolean NOT NULL DEFAULT false,
	token bigint NOT NULL DEFAULT 0,
	attempts int NOT NULL DEFAULT 0,
	detail text,
	created_at timestamptz NOT NULL,
	ended_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX intents_due ON intents (kind, due) WHERE state = 'PENDING';

-- Epochs of this journal, and of the journals that this service reads: events of an older epoch beyond last_good_number are void.
CREATE TABLE epochs (
	topic text NOT NULL,
	partition int NOT NULL,
	epoch int NOT NULL,
	last_good_number bigint NOT NULL,
	started_at timestamptz NOT NULL,
	PRIMARY KEY (topic, partition, epoch)
);

-- The database that was last accepted. Another one means that it may have gone back: nothing runs until an operator says what happened.
CREATE TABLE identity (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	system_identifier text NOT NULL,
	timeline int NOT NULL,
	accepted_at timestamptz NOT NULL
);
CREATE FUNCTION current_identity(OUT system_identifier text, OUT timeline int) LANGUAGE sql SECURITY DEFINER AS $$
	SELECT s.system_identifier::text, ('x' || substring(pg_walfile_name(pg_current_wal_lsn()) FOR 8))::bit(32)::int FROM pg_control_system() s
$$;
INSERT INTO identity SELECT true, i.system_identifier, i.timeline, now() FROM current_identity() i;

-- karwanctl epoch: the database went back. Every partition gets the next epoch, the last good number and a barrier event as its next row.
CREATE FUNCTION start_epoch(_topic text, _entities uuid[], _ids uuid[], OUT partition int, OUT epoch int, OUT last_good_number bigint)
	RETURNS SETOF record LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
	h record;
BEGIN
	PERFORM journal_make_ranges();
	FOR h IN SELECT partition, number, epoch FROM head ORDER BY partition FOR UPDATE LOOP
		INSERT INTO epochs VALUES (_topic, h.partition, h.epoch + 1, h.number, now());
		INSERT INTO journal (partition, number, epoch, id, topic, key, type, entity, version, time, trace, payload)
			VALUES (h.partition, h.number + 1, h.epoch + 1, _ids[h.partition + 1], _topic, 'epoch', 'karwan.epoch.started.v1',
				_entities[h.partition + 1], h.epoch + 1, now(), '',
				json_build_object('epoch', h.epoch + 1, 'last_good_number', h.number)::text);
		UPDATE head SET number = h.number + 1, epoch = h.epoch + 1 WHERE head.partition = h.partition;
	END LOOP;
	RETURN QUERY SELECT e.partition, e.epoch, e.last_good_number FROM epochs e JOIN head USING (partition)
		WHERE e.topic = _topic AND e.epoch = head.epoch ORDER BY e.partition;
END $$;

-- The same epoch, told to the readers of that journal before they start.
CREATE FUNCTION learn_epoch(_topic text, _partitions int[], _epochs int[], _last_good_numbers bigint[]) RETURNS void
	LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
	INSERT INTO epochs SELECT _topic, i.partition, i.epoch, i.last_good_number, now()
		FROM unnest(_partitions, _epochs, _last_good_numbers) AS i(partition, epoch, last_good_number) ON CONFLICT DO NOTHING
$$;

-- karwanctl accept: this database is the right one.
CREATE FUNCTION accept_identity() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
	UPDATE identity SET (system_identifier, timeline, accepted_at) = (SELECT i.system_identifier, i.timeline, now() FROM current_identity() i)
$$;

-- karwanctl accept --topic: forgets where a partition was read; the service begins at the log's start (rows are repeats there).
CREATE FUNCTION accept_topic(_topic text) RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
	WITH gone AS (DELETE FROM offsets WHERE topic = _topic RETURNING 1) SELECT count(*) FROM gone
$$;

-- karwanctl dlq replay: the service itself does it.
CREATE FUNCTION request_replay(_id bigint, _dry_run boolean, _by text) RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
	WITH asked AS (UPDATE dead_letters SET requested = CASE WHEN _dry_run THEN 'DRY_RUN' ELSE 'REPLAY' END, requested_by = _by, outcome = NULL
		WHERE id = _id AND requested IS NULL AND replayed_at IS NULL RETURNING 1) SELECT EXISTS (SELECT FROM asked)
$$;

-- What a service's login may do with these tables; its own migrations grant their own.
CREATE PROCEDURE grant_flow(_role text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I, karwan_operator', current_schema(), _role);
	EXECUTE format('GRANT SELECT, INSERT, UPDATE ON offsets, dead_letters, intents TO %I', _role);
	EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON attempts TO %I', _role);
	EXECUTE format('GRANT SELECT, INSERT ON batches, journal TO %I', _role);
	EXECUTE format('GRANT SELECT, UPDATE ON head, published, leases TO %I', _role);
	EXECUTE format('GRANT SELECT ON epochs, identity TO %I', _role);
	EXECUTE format('GRANT USAGE ON SEQUENCE lease_tokens TO %I', _role);
	EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO karwan_operator', current_schema());
	REVOKE EXECUTE ON FUNCTION start_epoch, learn_epoch, accept_identity, accept_topic, request_replay FROM PUBLIC;
	GRANT EXECUTE ON FUNCTION start_epoch, learn_epoch, accept_identity, accept_topic, request_replay TO karwan_operator;
END $$;
