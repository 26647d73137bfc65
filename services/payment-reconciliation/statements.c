/* The statement table. Arrays come sorted by key; every write names the rows that it must touch. */
#include "statements.h"

#define ORDER_COLUMNS                                                               \
	"order_id, revision, version, state, cleared, channel, external_id, "       \
	"currency, test, cod, fee_bps, total, shipping, tax, discount, cancelled, " \
	"expected, received, captured, foreign_payments, held_payments, released, " \
	"faults, waiting, waived"
#define PAYMENT_COLUMNS                                                         \
	"payment_id, order_id, home, provider, provider_payment_id, channel, "  \
	"external_id, currency, captured, refunded, state, version, revision, " \
	"disputed"

const struct kw_stmt payment_stmts[N_STMTS] = {
	[COUNT_ORDERS] = {
		"SELECT count(*) FROM expectations WHERE order_id = ANY ($1::uuid[])",
	},
	[LOCK_ORDERS] = {
		"SELECT "
		ORDER_COLUMNS
		" FROM expectations WHERE order_id = ANY ($1::uuid[]) ORDER BY order_id "
		"FOR UPDATE",
	},
	[MAKE_ORDERS] = {
		"INSERT INTO expectations AS e (order_id, revision, version, state, "
		"cleared, cancelled, expected, received, captured, foreign_payments, "
		"held_payments, released, faults, waiting, opened_at, changed_at) SELECT "
		"id, 0, 0, 'WAITING_ORDER', false, 0, 0, 0, 0, 0, 0, 0, 0, false, "
		"$2::timestamptz, $2::timestamptz FROM unnest($1::uuid[]) id ORDER BY id "
		"ON CONFLICT (order_id) DO UPDATE SET changed_at = e.changed_at RETURNING "
		ORDER_COLUMNS,
	},
	[INSERT_ORDERS] = {
		"INSERT INTO expectations AS e ("
		ORDER_COLUMNS
		", opened_at, changed_at) SELECT u.*, $26::timestamptz, $26::timestamptz "
		"FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], "
		"$5::boolean[], $6::text[], $7::text[], $8::text[], $9::boolean[], "
		"$10::boolean[], $11::bigint[], $12::bigint[], $13::bigint[], "
		"$14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], "
		"$18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[], "
		"$22::bigint[], $23::bigint[], $24::boolean[], $25::bigint[]) u(order_id) ORDER BY "
		"u.order_id ON CONFLICT (order_id) DO UPDATE SET changed_at = "
		"excluded.changed_at WHERE e.state = 'WAITING_ORDER' RETURNING "
		ORDER_COLUMNS,
	},
	[UPDATE_ORDERS] = {
		"UPDATE expectations e SET revision = u.revision, version = u.version, "
		"state = u.state, cleared = u.cleared, channel = u.channel, external_id = "
		"u.external_id, currency = u.currency, test = u.test, cod = u.cod, fee_bps "
		"= u.fee_bps, total = u.total, shipping = u.shipping, tax = u.tax, "
		"discount = u.discount, cancelled = u.cancelled, expected = u.expected, "
		"received = u.received, captured = u.captured, foreign_payments = "
		"u.foreign_payments, held_payments = u.held_payments, released = "
		"u.released, faults = u.faults, waiting = u.waiting, waived = u.waived, changed_at = "
		"$26::timestamptz FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], "
		"$4::text[], $5::boolean[], $6::text[], $7::text[], $8::text[], "
		"$9::boolean[], $10::boolean[], $11::bigint[], $12::bigint[], "
		"$13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], "
		"$17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[], "
		"$21::bigint[], $22::bigint[], $23::bigint[], $24::boolean[], $25::bigint[]) u("
		ORDER_COLUMNS
		") WHERE e.order_id = u.order_id",
	},
	[WRITE_LINES] = {
		"INSERT INTO order_lines AS l (order_id, line_id, title, quantity, price, "
		"discount, cancelled) SELECT u.*, 0 FROM unnest($1::uuid[], $2::text[], "
		"$3::text[], $4::bigint[], $5::bigint[], $6::bigint[]) u(order_id, line_id) "
		"ORDER BY 1, u.line_id COLLATE \"C\" ON CONFLICT (order_id, line_id) DO "
		"UPDATE SET title = excluded.title, quantity = excluded.quantity, price = "
		"excluded.price, discount = excluded.discount WHERE l.quantity IS NULL",
	},
	[CANCEL_LINES] = {
		"INSERT INTO order_lines AS l (order_id, line_id, cancelled) SELECT * FROM "
		"unnest($1::uuid[], $2::text[], $3::bigint[]) u(order_id, line_id) ORDER "
		"BY 1, u.line_id COLLATE \"C\" ON CONFLICT (order_id, line_id) DO UPDATE "
		"SET cancelled = l.cancelled + excluded.cancelled",
	},
	[ROUTE_SHARES] = {
		"INSERT INTO shares AS s (order_id, fulfilment_id, line_id, maker_id, n, "
		"quantity, routed, cancelled) SELECT u.*, true, false FROM "
		"unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], "
		"$6::bigint[]) u(order_id, fulfilment_id, line_id) ORDER BY 1, 2, "
		"u.line_id COLLATE \"C\" ON CONFLICT (order_id, fulfilment_id, line_id) DO "
		"UPDATE SET maker_id = excluded.maker_id, n = excluded.n, quantity = "
		"excluded.quantity, routed = true WHERE NOT s.routed",
	},
	[DELIVER_SHARES] = {
		"INSERT INTO shares AS s (order_id, fulfilment_id, line_id, maker_id, n, "
		"quantity, parcel_id, delivered_at, routed, cancelled) SELECT u.*, false, "
		"false FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], "
		"$5::bigint[], $6::bigint[], $7::uuid[], $8::timestamptz[]) u(order_id, "
		"fulfilment_id, line_id) ORDER BY 1, 2, u.line_id COLLATE \"C\" ON "
		"CONFLICT (order_id, fulfilment_id, line_id) DO UPDATE SET parcel_id = "
		"excluded.parcel_id, delivered_at = excluded.delivered_at WHERE "
		"s.delivered_at IS NULL",
	},
	[CANCEL_SHARES] = {
		"UPDATE shares s SET cancelled = true FROM unnest($1::uuid[], $2::uuid[]) "
		"u(order_id, fulfilment_id) WHERE s.order_id = u.order_id AND "
		"s.fulfilment_id = u.fulfilment_id",
	},
	[LOAD_LINES] = {
		"SELECT order_id, line_id, title, quantity, price, discount, "
		"cancelled FROM order_lines WHERE order_id = ANY ($1::uuid[]) AND quantity "
		"IS NOT NULL ORDER BY order_id, line_id",
	},
	[LOAD_SHARES] = {
		"SELECT s.order_id, s.fulfilment_id, s.line_id, s.maker_id, s.n, "
		"s.quantity, s.parcel_id, s.delivered_at, s.routed, s.cancelled, "
		"e.earning_id IS NOT NULL FROM shares s LEFT JOIN earnings e USING "
		"(order_id, fulfilment_id, line_id) WHERE s.order_id = ANY ($1::uuid[]) "
		"ORDER BY s.order_id, s.line_id, s.n, s.fulfilment_id",
	},
	[SEE_EVENTS] = {
		"INSERT INTO provider_events AS v (provider, provider_event_id, "
		"payment_id, kind, amount, currency, fee, fee_currency, order_id, "
		"occurred_at, content_hash, seen, applied, first_at) SELECT u.*, true, "
		"$13::timestamptz FROM unnest($1::text[], $2::text[], $3::uuid[], "
		"$4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::text[], "
		"$9::uuid[], $10::timestamptz[], $11::text[], $12::bigint[]) u(provider, "
		"provider_event_id) ORDER BY u.provider COLLATE \"C\", u.provider_event_id "
		"COLLATE \"C\" ON CONFLICT (provider, provider_event_id) DO UPDATE SET "
		"seen = v.seen + excluded.seen RETURNING provider, provider_event_id, "
		"content_hash, seen",
	},
	[REFUSE_EVENTS] = {
		"UPDATE provider_events v SET applied = false FROM unnest($1::text[], "
		"$2::text[]) u(provider, provider_event_id) WHERE v.provider = u.provider "
		"AND v.provider_event_id = u.provider_event_id",
	},
	[LOCK_PAYMENTS] = {
		"SELECT "
		PAYMENT_COLUMNS
		", captured, refunded, order_id IS NOT NULL FROM payments WHERE payment_id "
		"= ANY ($1::uuid[]) ORDER BY payment_id FOR UPDATE",
	},
	[INSERT_PAYMENTS] = {
		"INSERT INTO payments ("
		PAYMENT_COLUMNS
		", opened_at, changed_at) SELECT u.*, $15::timestamptz, $15::timestamptz "
		"FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], "
		"$6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[], "
		"$11::text[], $12::bigint[], $13::bigint[], $14::boolean[]) u(payment_id) "
		"ORDER BY u.payment_id ON CONFLICT DO NOTHING",
	},
	[UPDATE_PAYMENTS] = {
		"UPDATE payments p SET order_id = u.order_id, home = u.home, channel = "
		"u.channel, external_id = u.external_id, currency = u.currency, captured = "
		"u.captured, refunded = u.refunded, state = u.state, version = u.version, "
		"revision = u.revision, disputed = u.disputed, changed_at = "
		"$15::timestamptz FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], "
		"$4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], "
		"$10::bigint[], $11::text[], $12::bigint[], $13::bigint[], $14::boolean[]) "
		"u("
		PAYMENT_COLUMNS
		") WHERE p.payment_id = u.payment_id",
	},
	[LOAD_PAYMENTS] = {
		"SELECT "
		PAYMENT_COLUMNS
		", captured, refunded, true FROM payments WHERE order_id = ANY "
		"($1::uuid[]) ORDER BY order_id, payment_id",
	},
	[BOOK_TRANSACTIONS] = {
		"INSERT INTO transactions (entity_id, revision, kind, cause, booked_at) "
		"SELECT u.*, $5::timestamptz FROM unnest($1::uuid[], $2::bigint[], "
		"$3::text[], $4::uuid[]) u",
	},
	[BOOK_POSTINGS] = {
		"INSERT INTO postings (entity_id, revision, n, account, party, minor, "
		"currency) SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], "
		"$4::text[], $5::text[], $6::bigint[], $7::text[]) u",
	},
	[EARN] = {
		"INSERT INTO earnings (earning_id, order_id, fulfilment_id, line_id, "
		"maker_id, currency, quantity, amount, fee, shipping, tax, difference, "
		"earned_at) SELECT u.*, $13::timestamptz FROM unnest($1::uuid[], "
		"$2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bigint[], "
		"$8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[]) u",
	},
	[FIND_EXCEPTIONS] = {
		"SELECT exception_id, home, order_id, payment_id, kind, expected, "
		"expected_currency, received, received_currency, reason, owner, state, "
		"version, resolution, resolved_by, note FROM exceptions WHERE exception_id "
		"= ANY ($1::uuid[]) ORDER BY exception_id",
	},
	[LOCK_EXCEPTIONS] = {
		"SELECT exception_id, home, order_id, payment_id, kind, expected, "
		"expected_currency, received, received_currency, reason, owner, state, "
		"version, resolution, resolved_by, note FROM exceptions WHERE exception_id = ANY ($1::uuid[]) ORDER BY "
		"exception_id FOR UPDATE",
	},
	[WRITE_EXCEPTIONS] = {
		"INSERT INTO exceptions AS x (exception_id, home, order_id, payment_id, "
		"kind, expected, expected_currency, received, received_currency, reason, "
		"owner, state, version, resolution, resolved_by, note, opened_at, "
		"changed_at) SELECT u.*, $17::timestamptz, $17::timestamptz FROM unnest($1::uuid[], $2::uuid[], "
		"$3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::text[], "
		"$8::bigint[], $9::text[], $10::text[], $11::text[], $12::text[], "
		"$13::bigint[], $14::text[], $15::text[], $16::text[]) u(exception_id) "
		"ORDER BY u.exception_id ON CONFLICT "
		"(exception_id) DO UPDATE SET expected = excluded.expected, "
		"expected_currency = excluded.expected_currency, received = "
		"excluded.received, received_currency = excluded.received_currency, state "
		"= excluded.state, version = excluded.version, resolution = "
		"excluded.resolution, resolved_by = excluded.resolved_by, note = "
		"excluded.note, changed_at = "
		"excluded.changed_at WHERE x.version = excluded.version - 1",
	},
	[FIND_MISSING] = {
		"SELECT e.order_id, coalesce((SELECT j.trace FROM journal j WHERE j.key = "
		"e.order_id::text ORDER BY j.number DESC LIMIT 1), '') FROM expectations e WHERE "
		"e.channel IS NULL AND "
		"e.opened_at < $1::timestamptz AND e.faults & $2::bigint = 0 AND EXISTS "
		"(SELECT FROM payments p WHERE p.order_id = e.order_id AND p.captured > "
		"p.refunded) ORDER BY e.order_id LIMIT 500",
	},
	[READ_PAYMENT] = {
		"SELECT p.payment_id, p.order_id, p.provider, p.provider_payment_id, "
		"p.channel, p.external_id, p.state, p.captured, p.currency, p.refunded, "
		"p.currency, p.net > 0 AND NOT p.matched, p.version, p.opened_at, "
		"p.changed_at FROM payment_nets p WHERE p.payment_id = $1::uuid",
	},
	[READ_STATEMENT] = {
		"SELECT s.earning_id, s.order_id, s.fulfilment_id, o.channel, "
		"o.external_id, s.line_id, l.title, s.quantity, s.amount, s.currency, "
		"s.fee, s.currency, s.total, s.currency, s.earned_at FROM (SELECT e.*, "
		"(sum(e.amount) OVER (PARTITION BY e.currency ORDER BY e.earned_at, "
		"e.earning_id))::bigint AS total FROM earnings e WHERE e.maker_id = "
		"$1::text) s JOIN expectations o USING (order_id) JOIN order_lines l USING "
		"(order_id, line_id) WHERE (s.earned_at, s.earning_id) > ($2::timestamptz, "
		"$3::uuid) ORDER BY s.earned_at, s.earning_id LIMIT $4::bigint",
	},
};
