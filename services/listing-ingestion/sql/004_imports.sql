-- Files: what became of each row. Order of locks: records, national_ids, availability, exceptions, imports, import_parts,
-- import_outcomes, import_problems; head last.

ALTER TABLE records
	ADD COLUMN as_of timestamptz,      -- what the put's source knew then; NULL: as of changed_at
	ADD COLUMN import_id uuid,         -- the file that brought it
	ADD COLUMN import_line bigint;

CREATE TABLE imports (
	import_id uuid PRIMARY KEY,
	run_id uuid NOT NULL, -- of the newest run of the same file
	kind text NOT NULL,
	format text NOT NULL,
	name text,
	by text NOT NULL,
	bytes bigint NOT NULL,
	as_of timestamptz NOT NULL,
	started_at timestamptz NOT NULL,
	changed_at timestamptz NOT NULL
);

-- A part of a file, as the request brought it that was acknowledged.
CREATE TABLE import_parts (
	run_id uuid NOT NULL,
	part bigint NOT NULL,
	import_id uuid NOT NULL,
	request_id uuid NOT NULL,
	is_last boolean NOT NULL,
	is_cut boolean NOT NULL,
	bytes bigint NOT NULL,
	rows bigint NOT NULL,
	appended bigint NOT NULL,
	refused bigint NOT NULL,
	changed_at timestamptz NOT NULL,
	PRIMARY KEY (run_id, part)
);
CREATE INDEX import_parts_import ON import_parts (import_id);

-- What came of the rows that a request appended. Requests that were not acknowledged have rows here that nobody asks for.
CREATE TABLE import_outcomes (
	request_id uuid PRIMARY KEY,
	import_id uuid NOT NULL,
	changed bigint NOT NULL,
	same bigint NOT NULL,
	stale bigint NOT NULL,
	set_aside bigint NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX import_outcomes_import ON import_outcomes (import_id);

CREATE TABLE import_problems (
	request_id uuid NOT NULL,
	line bigint NOT NULL,
	import_id uuid NOT NULL,
	pointer text,
	reason text NOT NULL,
	PRIMARY KEY (request_id, line)
);
CREATE INDEX import_problems_list ON import_problems (import_id, line);

GRANT SELECT, INSERT, UPDATE ON imports TO karwan_listing;
GRANT SELECT, INSERT, UPDATE, DELETE ON import_parts, import_outcomes, import_problems TO karwan_listing;
GRANT SELECT ON imports, import_parts, import_outcomes, import_problems TO karwan_operator;

CREATE OR REPLACE VIEW drift AS
	SELECT 'RECORD_VERSION' AS rule, r.kind || '/' || r.id AS entity, 'version' AS part, coalesce(max(j.version), 0)::numeric AS should,
			r.version::numeric AS is
		FROM records r LEFT JOIN journal j ON j.entity = r.entity GROUP BY r.kind, r.id, r.version
		HAVING coalesce(max(j.version), 0) <> r.version
UNION ALL
	SELECT 'NATIONAL_ID_OF_MAKER', n.maker_id, 'record', 1, 0 FROM national_ids n
		WHERE NOT EXISTS (SELECT FROM records r WHERE r.kind = 'maker' AND r.id = n.maker_id)
UNION ALL -- 13 digits in a row, or 5-7-1, are a national id where none may be
	SELECT 'NATIONAL_ID_IN_CLEAR', kind || '/' || id, 'body', 0, 1 FROM records
		WHERE body ~ '"national_id":"' OR body ~ '[0-9]{5}-[0-9]{7}-[0-9]'
UNION ALL
	SELECT 'NATIONAL_ID_IN_CLEAR', import_id::text, 'line ' || line, 0, 1 FROM import_problems
		WHERE reason ~ '[0-9]{13}' OR reason ~ '[0-9]{5}-[0-9]{7}-[0-9]'
UNION ALL
	SELECT 'IMPORT_ROWS', import_id::text, 'part ' || part, rows, appended + refused FROM import_parts
		WHERE rows <> appended + refused;
