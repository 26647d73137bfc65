-- Makers, hubs and listings: the newest version that an operator put, and what has been said of it in events.
-- Order of locks: records, national_ids, availability, exceptions; head last.

CREATE TABLE records (
	kind text NOT NULL CHECK (kind IN ('maker', 'hub', 'listing')),
	id text COLLATE "C" NOT NULL,
	entity uuid NOT NULL UNIQUE,
	source_version bigint NOT NULL CHECK (source_version > 0), -- the operator's
	version bigint NOT NULL CHECK (version > 0),               -- of the last event
	state int NOT NULL,                                        -- number of the state's name; decides what may follow
	subkind int NOT NULL,
	body text NOT NULL,                                        -- canonical JSON of what was put
	changed_at timestamptz NOT NULL,
	PRIMARY KEY (kind, id)
) WITH (fillfactor = 80);

-- Never in clear, and nowhere else: ciphertext for whom may open it, keyed hash for look-up.
CREATE TABLE national_ids (
	maker_id text COLLATE "C" PRIMARY KEY,
	hash text NOT NULL UNIQUE,
	ciphertext text NOT NULL,
	key_id text NOT NULL,
	changed_at timestamptz NOT NULL
);

-- What order-routing last said of a listing's stock: publications pause at zero.
CREATE TABLE availability (
	listing_id text COLLATE "C" PRIMARY KEY,
	available bigint NOT NULL,
	stock_version bigint NOT NULL,
	said_at timestamptz NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE exceptions (
	exception_id uuid PRIMARY KEY,
	kind text NOT NULL,
	entity_kind text NOT NULL,
	entity_id text NOT NULL,
	source_version bigint NOT NULL,
	reason text NOT NULL,
	body text NOT NULL,
	owner text NOT NULL,
	state text NOT NULL CHECK (state IN ('OPEN', 'CLOSED')),
	opened_at timestamptz NOT NULL
);
CREATE INDEX exceptions_list ON exceptions (opened_at, exception_id);
