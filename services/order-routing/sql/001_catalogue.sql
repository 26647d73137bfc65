-- Copies of what listing-ingestion tells (newest version wins), and the operators' routing rules.

CREATE TABLE makers (
	maker_id text COLLATE "C" PRIMARY KEY,
	version bigint NOT NULL,
	hub_id text COLLATE "C" NOT NULL,
	skills text[] NOT NULL,
	weekly_capacity int NOT NULL CHECK (weekly_capacity >= 0),
	state text NOT NULL,
	leave_until timestamptz
);
CREATE INDEX makers_skills ON makers USING gin (skills);

CREATE TABLE hubs (
	hub_id text COLLATE "C" PRIMARY KEY,
	version bigint NOT NULL,
	name text NOT NULL,
	region text NOT NULL,
	address text NOT NULL -- JSON, as the hub's event has it
);

CREATE TABLE listings (
	listing_id text COLLATE "C" PRIMARY KEY,
	version bigint NOT NULL,
	sku text COLLATE "C" NOT NULL,
	title text NOT NULL,
	kind text COLLATE "C" NOT NULL CHECK (kind IN ('ONE_OF_A_KIND', 'STOCKED',
		'MADE_TO_ORDER')),
	maker_id text COLLATE "C" NOT NULL,
	hub_id text COLLATE "C" NOT NULL,
	skill text,
	weight_g int NOT NULL,
	lead_days int NOT NULL,
	state text NOT NULL CHECK (state IN ('DRAFT', 'APPROVED', 'RETIRED')),
	quantity int NOT NULL, -- the operators' count, taken into stock by its version
	quantity_version bigint NOT NULL
);
CREATE INDEX listings_sku ON listings (sku);

-- What a channel calls a listing.
CREATE TABLE publications (
	channel text COLLATE "C" NOT NULL,
	channel_sku text COLLATE "C" NOT NULL,
	listing_id text COLLATE "C" NOT NULL,
	state text NOT NULL CHECK (state IN ('PUBLISHED', 'PAUSED', 'UNPUBLISHED', 'RETIRED')),
	PRIMARY KEY (channel, channel_sku, listing_id)
);
CREATE INDEX publications_listing ON publications (listing_id);

-- The operators' rules, asked in the order of their position. A rule says for which orders it holds
-- (channel, value), who may be asked (scope), in which order (sort), and whether an order may leave
-- in several parcels (split: the first rule that holds for an order decides).
CREATE TABLE rules (
	position int PRIMARY KEY,
	name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9_-]{1,40}$'),
	channel text COLLATE "C", -- NULL: every channel
	-- NULL: any value; else only orders of at least min_total in it
	currency text CHECK (currency ~ '^[A-Z]{3}$'),
	min_total bigint NOT NULL DEFAULT 0,
	scope text NOT NULL CHECK (scope IN ('OWN_MAKER', 'SAME_HUB', 'ANY_HUB')),
	sort text NOT NULL DEFAULT 'FAIR_SHARE' CHECK (sort IN ('FAIR_SHARE', 'CAPACITY_LEFT')),
	split text NOT NULL DEFAULT 'ALLOW_SPLIT' CHECK (split IN ('ALLOW_SPLIT', 'NO_SPLIT')),
	enabled boolean NOT NULL DEFAULT true
);
INSERT INTO rules (position, name, scope) VALUES
	(10, 'own-maker', 'OWN_MAKER'),
	(20, 'same-hub', 'SAME_HUB'),
	(30, 'any-hub', 'ANY_HUB');
