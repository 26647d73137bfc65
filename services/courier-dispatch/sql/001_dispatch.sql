-- Parcels, the carriers' stories, and what a person must look at. Order of locks: orders, parcels, all others.

-- Where an order's facts meet: routed, cleared, cancelled. Whichever comes first makes the row.
CREATE TABLE orders (
	order_id uuid PRIMARY KEY,
	cod boolean NOT NULL DEFAULT false,
	total bigint NOT NULL DEFAULT 0,
	currency text,
	due_given bigint NOT NULL DEFAULT 0,
	routings bigint NOT NULL DEFAULT 0,
	cleared boolean NOT NULL DEFAULT false,
	settled_epoch bigint NOT NULL DEFAULT 0,
	settled_number bigint NOT NULL DEFAULT 0,
	seen_at timestamptz NOT NULL
) WITH (fillfactor = 70);

-- Fulfilments that were cancelled before they were routed here.
CREATE TABLE cancelled_fulfilments (
	fulfilment_id uuid PRIMARY KEY,
	order_id uuid NOT NULL,
	reason text NOT NULL,
	cancelled_at timestamptz NOT NULL
);
CREATE INDEX cancelled_fulfilments_order ON cancelled_fulfilments (order_id);

-- EXPECTED: only the id is known. version 0: no event has told of it. content: addresses and lines, which never change.
CREATE TABLE parcels (
	parcel_id uuid PRIMARY KEY,
	order_id uuid,
	fulfilment_id uuid,
	n bigint,
	channel text,
	external_id text,
	maker_id text,
	hub_id text,
	state text NOT NULL CHECK (state IN ('READY', 'BOOKED', 'LABELLED', 'HANDED_OVER', 'DELIVERED', 'RETURNING', 'RETURNED',
		'LOST', 'CANCELLED', 'PLANNED', 'EXPECTED')),
	courier text,
	tracking_number text,
	label_url text,
	weight_g bigint,
	declared_value bigint,
	declared_currency text,
	amount_due bigint,
	due_currency text,
	carrier_status text NOT NULL DEFAULT 'NONE',
	carrier_text text,
	carrier_scanned_at timestamptz,
	carrier_place text,
	attempts bigint NOT NULL DEFAULT 0,
	reason text,
	content text,
	version bigint NOT NULL CHECK (version >= 0),
	changed_at timestamptz,
	CHECK (state = 'EXPECTED' OR (order_id IS NOT NULL AND fulfilment_id IS NOT NULL AND n IS NOT NULL AND channel IS NOT NULL
		AND external_id IS NOT NULL AND maker_id IS NOT NULL AND hub_id IS NOT NULL AND weight_g IS NOT NULL
		AND declared_value IS NOT NULL AND declared_currency IS NOT NULL AND content IS NOT NULL AND changed_at IS NOT NULL)),
	CHECK ((version = 0) = (state IN ('PLANNED', 'EXPECTED')) OR state = 'CANCELLED'),
	CHECK (state IN ('PLANNED', 'EXPECTED', 'READY', 'CANCELLED') OR (courier IS NOT NULL AND tracking_number IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX parcels_order ON parcels (order_id);

-- Couriers that said no: they are not asked again for this parcel.
CREATE TABLE refusals (
	parcel_id uuid NOT NULL,
	courier text NOT NULL,
	reason text NOT NULL,
	refused_at timestamptz NOT NULL,
	PRIMARY KEY (parcel_id, courier)
);

-- What was requested of us, beside what we decided.
CREATE TABLE requests (
	request_id uuid NOT NULL,
	parcel_id uuid NOT NULL,
	kind text NOT NULL,
	reason text NOT NULL,
	requested_by text NOT NULL,
	outcome text NOT NULL CHECK (outcome IN ('ACCEPTED', 'REJECTED')),
	requested_at timestamptz NOT NULL,
	PRIMARY KEY (request_id, parcel_id)
);

-- The carriers' stories, as they told them.
CREATE TABLE scans (
	courier text NOT NULL,
	event_id text NOT NULL,
	parcel_id uuid NOT NULL,
	status text NOT NULL,
	word text NOT NULL,
	tracking_number text,
	scanned_at timestamptz NOT NULL,
	arrived_at timestamptz NOT NULL,
	place text,
	note text,
	standing text NOT NULL CHECK (standing IN ('PENDING', 'APPLIED', 'FOREIGN')),
	content_hash bigint NOT NULL,
	PRIMARY KEY (courier, event_id)
);
CREATE INDEX scans_parcel ON scans (parcel_id, scanned_at);
CREATE INDEX scans_pending ON scans (parcel_id) WHERE standing = 'PENDING';

CREATE TABLE exceptions (
	exception_id uuid PRIMARY KEY,
	seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
	kind text NOT NULL,
	state text NOT NULL CHECK (state IN ('OPEN', 'RESOLVED')),
	parcel_id uuid,
	order_id uuid,
	courier text,
	reason text NOT NULL,
	occurrences bigint NOT NULL,
	opened_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL
);
CREATE INDEX exceptions_parcel ON exceptions (parcel_id) WHERE state = 'OPEN';
