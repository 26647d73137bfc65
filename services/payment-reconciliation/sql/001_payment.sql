-- Money of orders: what is expected, what providers said, the ledger, what makers earned, what does not fit.
-- Order of locks: provider_events, payments, expectations, order_lines, shares, ledger, earnings, exceptions; head last.

-- The row where an order and its money meet: whoever comes first makes it. channel NULL: the order has not come.
CREATE TABLE expectations (
	order_id uuid PRIMARY KEY,
	revision bigint NOT NULL,          -- of the last ledger transaction of this order
	version bigint NOT NULL,           -- of the last event
	state text NOT NULL CHECK (state IN ('WAITING_ORDER', 'EXPECTED', 'POSTED', 'OVER', 'UNDER', 'CURRENCY_MISMATCH', 'PARTLY', 'VOID')),
	cleared boolean NOT NULL,
	channel text,
	external_id text,
	currency text,
	test boolean,
	cod boolean,
	fee_bps bigint,                    -- the fee contract, frozen at the sale
	total bigint CHECK (total >= 0),
	shipping bigint CHECK (shipping >= 0),
	tax bigint CHECK (tax >= 0),
	discount bigint CHECK (discount >= 0),
	cancelled bigint NOT NULL,         -- part of total
	expected bigint NOT NULL,
	received bigint NOT NULL,          -- captured less refunded, in the order's currency
	captured bigint NOT NULL,
	foreign_payments bigint NOT NULL,  -- that hold money in another currency
	held_payments bigint NOT NULL,     -- that hold money for a test order
	released bigint NOT NULL,          -- of earned shares: amount, fee, shipping, tax, difference
	faults bigint NOT NULL,            -- bits of the exceptions that are open
	waiting boolean NOT NULL,          -- a share was delivered and is not earned
	opened_at timestamptz NOT NULL,
	changed_at timestamptz NOT NULL,
	CHECK ((channel IS NULL) = (state = 'WAITING_ORDER')),
	CHECK (NOT (cleared AND coalesce(test, true)))
) WITH (fillfactor = 75);
-- Not by state: a predicate on a column that changes would cost every payment a new index entry.
CREATE INDEX expectations_waiting ON expectations (opened_at) WHERE channel IS NULL;

CREATE TABLE order_lines (
	order_id uuid NOT NULL,
	line_id text COLLATE "C" NOT NULL,
	title text,
	quantity bigint CHECK (quantity >= 0), -- NULL: a cancellation came before the order
	price bigint CHECK (price >= 0),
	discount bigint CHECK (discount >= 0),
	cancelled bigint NOT NULL CHECK (cancelled >= 0),
	PRIMARY KEY (order_id, line_id)
);

-- Which maker makes which part of a line: as routed, or first as delivered.
CREATE TABLE shares (
	order_id uuid NOT NULL,
	fulfilment_id uuid NOT NULL,
	line_id text COLLATE "C" NOT NULL,
	maker_id text COLLATE "C" NOT NULL,
	n bigint NOT NULL,
	quantity bigint NOT NULL CHECK (quantity >= 0),
	routed boolean NOT NULL,
	cancelled boolean NOT NULL,
	parcel_id uuid,
	delivered_at timestamptz,
	PRIMARY KEY (order_id, fulfilment_id, line_id)
) WITH (fillfactor = 85);

-- Each event of a provider once; a repeat is counted.
CREATE TABLE provider_events (
	provider text COLLATE "C" NOT NULL,
	provider_event_id text COLLATE "C" NOT NULL,
	payment_id uuid NOT NULL,
	kind text NOT NULL CHECK (kind IN ('SUCCEEDED', 'REFUNDED', 'FAILED')),
	amount bigint NOT NULL CHECK (amount >= 0),
	currency text NOT NULL,
	fee bigint,
	fee_currency text,
	order_id uuid,
	occurred_at timestamptz,
	content_hash text NOT NULL,
	seen bigint NOT NULL,
	applied boolean NOT NULL,          -- false: it contradicts what is known, see exceptions
	first_at timestamptz NOT NULL,
	PRIMARY KEY (provider, provider_event_id)
);

CREATE TABLE payments (
	payment_id uuid PRIMARY KEY,
	order_id uuid,
	home uuid NOT NULL,                -- key of its events
	provider text COLLATE "C" NOT NULL,
	provider_payment_id text COLLATE "C" NOT NULL,
	channel text,
	external_id text,
	currency text NOT NULL,
	captured bigint NOT NULL CHECK (captured >= 0),
	refunded bigint NOT NULL CHECK (refunded >= 0), -- as told, may run ahead of the capture
	state text NOT NULL CHECK (state IN ('FAILED', 'CAPTURED', 'PARTLY_REFUNDED', 'REFUNDED', 'REFUND_AHEAD')),
	version bigint NOT NULL,
	revision bigint NOT NULL,          -- of the last ledger transaction of this payment without an order
	disputed boolean NOT NULL,
	opened_at timestamptz NOT NULL,
	changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX payments_order ON payments (order_id) WHERE order_id IS NOT NULL;

-- The ledger. entity: the order, or a payment of no order.
CREATE TABLE transactions (
	entity_id uuid NOT NULL,
	revision bigint NOT NULL CHECK (revision > 0),
	kind text NOT NULL CHECK (kind IN ('SALE', 'MONEY', 'EARNING', 'CANCELLATION')),
	cause uuid,                        -- the message
	booked_at timestamptz NOT NULL,
	PRIMARY KEY (entity_id, revision)
);

CREATE TABLE postings (
	entity_id uuid NOT NULL,
	revision bigint NOT NULL,
	n bigint NOT NULL,
	account text NOT NULL CHECK (account IN ('RECEIVABLE', 'CLEARING', 'SUSPENSE', 'UNEARNED', 'MAKER', 'FEE', 'SHIPPING', 'TAX',
		'DIFFERENCE', 'REFUND_DUE', 'SURPLUS')),
	party text COLLATE "C" NOT NULL CHECK (party <> ''),
	currency text NOT NULL CHECK (octet_length(currency) = 3),
	minor bigint NOT NULL CHECK (minor <> 0), -- debit above zero, credit below
	PRIMARY KEY (entity_id, revision, n)
);

-- All postings of a transaction come in one statement: each currency of each sums to zero, and the transaction is there.
CREATE FUNCTION postings_balance() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
	bad record;
BEGIN
	SELECT a.entity_id, a.revision, a.currency, sum(a.minor) AS minor INTO bad
		FROM added a GROUP BY a.entity_id, a.revision, a.currency HAVING sum(a.minor) <> 0 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'transaction % of % is off by % %', bad.revision, bad.entity_id, bad.minor, bad.currency USING ERRCODE = 'KW101';
	END IF;
	SELECT a.entity_id, a.revision INTO bad FROM (SELECT DISTINCT entity_id, revision FROM added) a
		WHERE NOT EXISTS (SELECT FROM transactions t WHERE t.entity_id = a.entity_id AND t.revision = a.revision) LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'postings without their transaction % of %', bad.revision, bad.entity_id USING ERRCODE = 'KW102';
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER postings_balance AFTER INSERT ON postings REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION postings_balance();

-- Nothing in the ledger changes, whoever asks.
CREATE FUNCTION ledger_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'the ledger is append-only: % on %', TG_OP, TG_TABLE_NAME USING ERRCODE = 'KW103';
END $$;
CREATE TRIGGER final BEFORE UPDATE OR DELETE OR TRUNCATE ON transactions FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_final();
CREATE TRIGGER final BEFORE UPDATE OR DELETE OR TRUNCATE ON postings FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_final();

-- One for each (order line, fulfilment, maker): what she is owed, and what was taken off.
CREATE TABLE earnings (
	earning_id uuid NOT NULL UNIQUE,
	order_id uuid NOT NULL,
	fulfilment_id uuid NOT NULL,
	line_id text COLLATE "C" NOT NULL,
	maker_id text COLLATE "C" NOT NULL,
	currency text NOT NULL,
	quantity bigint NOT NULL CHECK (quantity > 0),
	amount bigint NOT NULL,
	fee bigint NOT NULL,
	shipping bigint NOT NULL,
	tax bigint NOT NULL,
	difference bigint NOT NULL,
	earned_at timestamptz NOT NULL,
	PRIMARY KEY (order_id, fulfilment_id, line_id)
);
CREATE INDEX earnings_maker ON earnings (maker_id, earned_at, earning_id);
CREATE TRIGGER final BEFORE UPDATE OR DELETE OR TRUNCATE ON earnings FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_final();

CREATE TABLE exceptions (
	exception_id uuid PRIMARY KEY,
	kind text NOT NULL,
	home uuid NOT NULL,                -- key of its events
	order_id uuid,
	payment_id uuid,
	expected bigint,
	expected_currency text,
	received bigint,
	received_currency text,
	reason text NOT NULL,
	owner text NOT NULL,
	state text NOT NULL CHECK (state IN ('OPEN', 'RESOLVED')),
	version bigint NOT NULL,
	opened_at timestamptz NOT NULL,
	changed_at timestamptz NOT NULL
);
CREATE INDEX exceptions_list ON exceptions (opened_at, exception_id);
