-- Orders and what became of each line. No foreign keys: all rows of an order are written by the
-- batch that has locked its row; the view drift (004) and the checker verify it.

CREATE TABLE orders (
	order_id uuid PRIMARY KEY,
	-- under which lines, fulfilments and allocations are kept: what is new lies together at the end of
	-- their indexes, while ids are spread over all of them (7.5 against 2.8 us a row)
	order_no bigint GENERATED ALWAYS AS IDENTITY,
	channel text COLLATE "C" NOT NULL,
	external_id text COLLATE "C" NOT NULL,
	number text,
	state text NOT NULL, -- a function of the lines
	version bigint NOT NULL CHECK (version > 0), -- of the last event
	placed_at timestamptz NOT NULL,
	seen_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL,
	source_time timestamptz NOT NULL, -- newest facts taken from the channel
	source_kind text NOT NULL,
	-- the message that made the order; later ones are in order_messages
	first_time timestamptz NOT NULL,
	first_kind text NOT NULL,
	first_hash text COLLATE "C" NOT NULL,
	test boolean NOT NULL,
	cod boolean NOT NULL,
	cancel_asked boolean NOT NULL,
	currency text NOT NULL,
	total bigint NOT NULL,
	lines_total bigint NOT NULL,
	shipping bigint NOT NULL,
	tax bigint NOT NULL,
	discount bigint NOT NULL,
	totals_flag text,
	financial_status text,
	email_hash text,
	fee_bps int NOT NULL,
	park_days int NOT NULL,
	ship_to text, -- JSON
	auto_cancel_at timestamptz,
	n_fulfilments int NOT NULL,
	-- grows with every change of what a reader sees, also those that no event tells
	revision bigint NOT NULL
) WITH (fillfactor = 85);

-- Per line: ordered = allocated + parked + shipped + cancelled; delivered and incomplete are parts
-- of shipped, expired of cancelled.
CREATE TABLE order_lines (
	order_no bigint NOT NULL,
	line_no int NOT NULL,
	line_id text COLLATE "C" NOT NULL,
	sku text COLLATE "C" NOT NULL,
	title text,
	quantity int NOT NULL,
	price bigint NOT NULL,
	discount bigint NOT NULL,
	listing_id text COLLATE "C",
	allocated int NOT NULL,
	parked int NOT NULL,
	shipped int NOT NULL,
	delivered int NOT NULL,
	incomplete int NOT NULL,
	cancelled int NOT NULL,
	expired int NOT NULL,
	PRIMARY KEY (order_no, line_no),
	CHECK (quantity > 0 AND quantity = allocated + parked + shipped + cancelled),
	CHECK (allocated >= 0 AND parked >= 0 AND shipped >= 0 AND cancelled >= 0),
	CHECK (delivered >= 0 AND incomplete >= 0 AND delivered + incomplete <= shipped AND expired
		BETWEEN 0 AND cancelled)
) WITH (fillfactor = 85);

-- Work for one maker at one hub; becomes parcels.
CREATE TABLE fulfilments (
	order_no bigint NOT NULL,
	order_id uuid NOT NULL,
	n int NOT NULL,
	fulfilment_id uuid NOT NULL,
	maker_id text COLLATE "C" NOT NULL,
	hub_id text COLLATE "C" NOT NULL,
	state text NOT NULL CHECK (state IN ('OPEN', 'ON_HOLD', 'IN_PROGRESS', 'CLOSED',
		'INCOMPLETE', 'CANCELLED')),
	PRIMARY KEY (order_no, n)
) WITH (fillfactor = 85);

-- What a fulfilment holds of a line, from stock or from the maker's capacity of a week; the
-- decision that gave it. Never changed.
CREATE TABLE allocations (
	order_no bigint NOT NULL,
	n int NOT NULL,
	line_no int NOT NULL,
	listing_id text COLLATE "C" NOT NULL,
	quantity int NOT NULL CHECK (quantity > 0),
	week int NOT NULL, -- 0: from stock
	rule text NOT NULL,
	version bigint NOT NULL, -- of the order, at the event that told it
	PRIMARY KEY (order_no, n, line_no)
);

-- Parked lines only: small, so that its indexes cost the common way of an order nothing.
CREATE TABLE parked (
	order_id uuid NOT NULL,
	line_no int NOT NULL,
	reason text NOT NULL,
	since timestamptz NOT NULL,
	auto_cancel_at timestamptz NOT NULL,
	-- looked at again whatever happens: what it waits for may have come while it was being
	-- parked. NULL: never
	retry_at timestamptz,
	tries int NOT NULL,
	-- what could help: 'listing:…', 'sku:…', 'skill:…', 'maker:…', 'hub:…'
	wait_keys text[] NOT NULL,
	trace text NOT NULL,
	PRIMARY KEY (order_id, line_no)
);
CREATE INDEX parked_wait_keys ON parked USING gin (wait_keys);
CREATE INDEX parked_retry_at ON parked (retry_at) WHERE retry_at IS NOT NULL;
CREATE INDEX parked_auto_cancel_at ON parked (auto_cancel_at);

-- Something arrived that parked lines wait for. Insert-only; the stock job takes them.
CREATE TABLE wakes (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	key text COLLATE "C" NOT NULL
);

-- Messages of a channel after the one that made the order, conflicting ones too.
CREATE TABLE order_messages (
	order_id uuid NOT NULL,
	kind text COLLATE "C" NOT NULL,
	source_time timestamptz NOT NULL,
	content_hash text COLLATE "C" NOT NULL,
	conflict boolean NOT NULL,
	PRIMARY KEY (order_id, kind, source_time, content_hash)
);

CREATE TABLE order_payments (
	order_id uuid NOT NULL,
	reference text COLLATE "C" NOT NULL,
	amount bigint NOT NULL,
	currency text NOT NULL,
	paid_at timestamptz,
	PRIMARY KEY (order_id, reference)
);

CREATE TABLE cancel_requests (
	order_id uuid NOT NULL,
	request_id text COLLATE "C" NOT NULL,
	reason text NOT NULL,
	by text NOT NULL,
	outcome text NOT NULL, -- CANCELLED, or why it was refused
	at timestamptz NOT NULL,
	PRIMARY KEY (order_id, request_id)
);

-- Why a line is parked, each time that it was told. Why it was given to somebody is in allocations;
-- explain reads both (decision_log).
CREATE TABLE decisions (
	order_id uuid NOT NULL,
	version bigint NOT NULL,
	line_no int NOT NULL,
	rule text NOT NULL,
	reason text NOT NULL,
	at timestamptz NOT NULL,
	PRIMARY KEY (order_id, version, line_no)
);

-- What a person must look at.
CREATE TABLE exceptions (
	exception_id uuid PRIMARY KEY,
	seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
	kind text COLLATE "C" NOT NULL,
	state text NOT NULL DEFAULT 'OPEN' CHECK (state IN ('OPEN', 'CLOSED')),
	order_id uuid,
	channel text COLLATE "C",
	external_id text COLLATE "C",
	field text,
	detail text,
	body text, -- the quarantined canonical message
	opened_at timestamptz NOT NULL
);
