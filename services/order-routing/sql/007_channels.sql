-- Channels that are asked: how far each was read, and orders that a channel has withdrawn.

-- One row a channel: the lease of who reads it, where the next page begins, and how it is.
CREATE TABLE polls (
	channel text COLLATE "C" PRIMARY KEY,
	since timestamptz NOT NULL, -- by the channel's clock: what changed before is appended
	page int NOT NULL DEFAULT 1 CHECK (page > 0),
	seen_to timestamptz NOT NULL, -- the newest change that was seen
	due timestamptz NOT NULL,
	token bigint NOT NULL DEFAULT 0,
	state text NOT NULL DEFAULT 'NEW' CHECK (state IN ('NEW', 'GOOD', 'FAILING')),
	reason text, -- why it is failing
	failures int NOT NULL DEFAULT 0, -- in a row
	orders bigint NOT NULL DEFAULT 0, -- found so far, repeats included
	read_at timestamptz, -- when it was last read to its end
	CHECK ((state = 'FAILING') = (reason IS NOT NULL))
) WITH (fillfactor = 50);

-- An order may be withdrawn before it comes; then it is cancelled when it comes.
CREATE TABLE withdrawn (
	order_id uuid PRIMARY KEY,
	at timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON polls TO karwan_routing;
GRANT SELECT, INSERT ON withdrawn TO karwan_routing;
GRANT SELECT ON polls, withdrawn TO karwan_operator;
