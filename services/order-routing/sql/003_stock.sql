-- Stock as typed movements, and the capacity of makers.

-- The sum of its movements: on_hand and allocated. version counts them.
CREATE TABLE stock (
	listing_id text COLLATE "C" PRIMARY KEY,
	on_hand int NOT NULL DEFAULT 0,
	allocated int NOT NULL DEFAULT 0,
	missing int NOT NULL DEFAULT 0, -- counted away although promised; taken off when it is free
	counted int NOT NULL DEFAULT 0, -- the last count, and its version
	count_version bigint NOT NULL DEFAULT 0,
	version bigint NOT NULL DEFAULT 0,
	CHECK (allocated >= 0 AND on_hand >= allocated AND missing BETWEEN 0 AND allocated)
) WITH (fillfactor = 30);

-- No index: (listing_id, version) is unique because the stock row is locked, which drift verifies.
CREATE TABLE stock_movements (
	listing_id text COLLATE "C" NOT NULL,
	version bigint NOT NULL,
	kind text COLLATE "C" NOT NULL CHECK (kind IN ('RECEIPT', 'ADJUST', 'RESERVE', 'RELEASE',
		'SALE')),
	on_hand int NOT NULL,
	allocated int NOT NULL,
	order_id uuid,
	line_no int,
	at timestamptz NOT NULL,
	CHECK (CASE kind WHEN 'RECEIPT' THEN on_hand > 0 AND allocated = 0
		WHEN 'ADJUST' THEN on_hand < 0 AND allocated = 0
		WHEN 'RESERVE' THEN on_hand = 0 AND allocated > 0
		WHEN 'RELEASE' THEN on_hand = 0 AND allocated < 0
		ELSE on_hand < 0 AND allocated = on_hand END)
);

-- Pieces that left the house, until the stock job has made the SALE movement: a batch that reads
-- parcels need not lock stock (a sale changes no availability), so that batches never wait for each
-- other in a circle.
CREATE TABLE sales (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	listing_id text COLLATE "C" NOT NULL,
	order_id uuid NOT NULL,
	line_no int NOT NULL,
	quantity int NOT NULL CHECK (quantity > 0)
);

-- Pieces of a maker's week that are given out. week: weeks from Monday, 29 December 1969, UTC.
CREATE TABLE capacity (
	maker_id text COLLATE "C" NOT NULL,
	week int NOT NULL,
	used int NOT NULL CHECK (used >= 0),
	PRIMARY KEY (maker_id, week)
) WITH (fillfactor = 50);
