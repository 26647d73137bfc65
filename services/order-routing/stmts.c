/* The statement table: all SQL of order-routing. Every parameter is cast, every array is a column.
 */
#include "stmts.h"

#define ORDER_COLUMNS                                                                              \
	"order_id, channel, external_id, number, state, version, placed_at, seen_at, updated_at, " \
	"source_time, source_kind, first_time, first_kind, first_hash, test, cod, cancel_asked, "  \
	"currency, total, lines_total, shipping, tax, discount, totals_flag, financial_status, "   \
	"email_hash, fee_bps, park_days, ship_to, auto_cancel_at, n_fulfilments, "                 \
	"revision"

#define LINE_COLUMNS                                                                      \
	"order_no, line_no, line_id, sku, title, quantity, price, discount, listing_id, " \
	"allocated, parked, shipped, delivered, incomplete, cancelled, expired"

#define STOCK_COLUMNS "listing_id, on_hand, allocated, missing, counted, count_version, version"

const struct kw_stmt routing_stmts[] = {
	[LOCK_ORDERS] = { "SELECT order_no, " ORDER_COLUMNS
			  " FROM orders WHERE order_id = ANY ($1::uuid[]) "
			  "ORDER BY order_id FOR UPDATE" },
	[FIND_SEEN] = { "SELECT order_id, kind, source_time, content_hash, conflict "
			"FROM order_messages WHERE order_id = ANY ($1::uuid[]) ORDER BY order_id" },
	[FIND_LINES] = { "SELECT " LINE_COLUMNS " FROM order_lines "
			 "WHERE order_no = ANY ($1::bigint[]) ORDER BY order_no, line_no" },
	[FIND_FULFILMENTS] = { "SELECT order_no, order_id, n, fulfilment_id, maker_id, hub_id, state "
			       "FROM fulfilments "
			       "WHERE order_no = ANY ($1::bigint[]) ORDER BY order_no, n" },
	[FIND_ALLOCATIONS] = { "SELECT order_no, n, line_no, listing_id, quantity, week, rule, "
			       "version FROM allocations WHERE order_no = ANY ($1::bigint[]) "
			       "ORDER BY order_no, n, line_no" },
	[FIND_PARKED] = { "SELECT order_id, line_no, reason, since, auto_cancel_at, retry_at, "
			  "tries, array_to_string(wait_keys, chr(31)), trace "
			  "FROM parked WHERE order_id = ANY ($1::uuid[]) "
			  "ORDER BY order_id, line_no" },
	[FIND_PAYMENTS] = { "SELECT order_id, reference, amount, currency, paid_at "
			    "FROM order_payments WHERE order_id = ANY ($1::uuid[]) "
			    "ORDER BY order_id" },
	[FIND_CANCELS] = { "SELECT order_id, request_id, reason, by, outcome "
			   "FROM cancel_requests WHERE order_id = ANY ($1::uuid[]) "
			   "ORDER BY order_id" },
	[FIND_RULES] = { "SELECT name, channel, scope, sort, split, currency, min_total "
			 "FROM rules WHERE enabled ORDER BY position" },
	/* A channel's own name first, then the listing's SKU; a retired publication stands for the
	 * listing that it named. */
	[FIND_OFFERS] = { "SELECT i.channel, i.sku, l.listing_id, l.title, l.kind, l.state, "
			  "coalesce(p.state = 'RETIRED', false), l.maker_id, l.hub_id, l.skill, "
			  "h.address, l.weight_g, l.lead_days "
			  "FROM unnest($1::text[], $2::text[]) AS i(channel, sku) "
			  "LEFT JOIN LATERAL (SELECT listing_id, state FROM publications "
			  "WHERE channel = i.channel AND channel_sku = i.sku "
			  "ORDER BY CASE state WHEN 'PUBLISHED' THEN 0 WHEN 'PAUSED' THEN 1 "
			  "WHEN 'UNPUBLISHED' THEN 2 ELSE 3 END, listing_id LIMIT 1) p ON true "
			  "LEFT JOIN LATERAL (SELECT listing_id FROM listings "
			  "WHERE p.listing_id IS NULL AND sku = i.sku "
			  "ORDER BY state = 'RETIRED', listing_id LIMIT 1) s ON true "
			  "JOIN listings l ON l.listing_id = coalesce(p.listing_id, s.listing_id) "
			  "LEFT JOIN hubs h ON h.hub_id = l.hub_id "
			  "ORDER BY i.channel COLLATE \"C\", i.sku COLLATE \"C\"" },
	[LOCK_STOCK] = { "SELECT " STOCK_COLUMNS " FROM stock WHERE listing_id = ANY ($1::text[]) "
			 "ORDER BY listing_id FOR UPDATE" },
	/* The listing's own maker, and the sixteen with her skill at her hub and the sixteen
	 * anywhere who were given least in the four weeks before. */
	[FIND_CANDIDATES] = { "WITH w AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], "
			      "$4::text[], $5::int[]) AS i(listing_id, maker_id, hub_id, skill, "
			      "week)), "
			      "able AS (SELECT k.skill, k.week, m.*, coalesce((SELECT sum(c.used) "
			      "FROM capacity c WHERE c.maker_id = m.maker_id "
			      "AND c.week BETWEEN k.week - 4 AND k.week), 0)::bigint AS load "
			      "FROM (SELECT DISTINCT skill, week FROM w WHERE skill IS NOT NULL) k "
			      "JOIN makers m ON m.skills @> ARRAY[k.skill]), "
			      "ranked AS (SELECT w.listing_id, w.week, able.maker_id, "
			      "row_number() OVER (PARTITION BY w.listing_id, w.week, "
			      "able.hub_id = w.hub_id "
			      "ORDER BY able.state <> 'ACTIVE', able.load, able.maker_id) AS place "
			      "FROM w JOIN able ON able.skill = w.skill AND able.week = w.week), "
			      "chosen AS (SELECT listing_id, week, maker_id FROM ranked "
			      "WHERE place <= 16 UNION SELECT listing_id, week, maker_id FROM w) "
			      "SELECT c.listing_id, c.week, m.maker_id, m.hub_id, h.address, "
			      "m.state, "
			      "m.leave_until, m.weekly_capacity, coalesce((SELECT sum(u.used) "
			      "FROM capacity u WHERE u.maker_id = m.maker_id "
			      "AND u.week BETWEEN c.week - 4 AND c.week), 0)::bigint "
			      "FROM chosen c JOIN makers m ON m.maker_id = c.maker_id "
			      "LEFT JOIN hubs h ON h.hub_id = m.hub_id "
			      "ORDER BY c.listing_id COLLATE \"C\", c.week, m.maker_id" },
	[LOCK_CAPACITY] = { "INSERT INTO capacity AS c (maker_id, week, used) "
			    "SELECT maker_id, week, 0 FROM unnest($1::text[], $2::int[]) "
			    "AS i(maker_id, week) ORDER BY maker_id COLLATE \"C\", week "
			    "ON CONFLICT (maker_id, week) DO UPDATE SET used = c.used "
			    "RETURNING maker_id, week, used" },
	[INSERT_ORDERS] = { "INSERT INTO orders (" ORDER_COLUMNS ") "
			    "SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], "
			    "$5::text[], $6::bigint[], $7::timestamptz[], $8::timestamptz[], "
			    "$9::timestamptz[], $10::timestamptz[], $11::text[], "
			    "$12::timestamptz[], $13::text[], $14::text[], $15::bool[], "
			    "$16::bool[], $17::bool[], $18::text[], $19::bigint[], $20::bigint[], "
			    "$21::bigint[], $22::bigint[], $23::bigint[], $24::text[], "
			    "$25::text[], $26::text[], $27::int[], $28::int[], $29::text[], "
			    "$30::timestamptz[], $31::int[], $32::bigint[]) RETURNING order_id, order_no" },
	[UPDATE_ORDERS] = { "UPDATE orders o SET state = i.state, version = i.version, "
			    "updated_at = i.updated_at, source_time = i.source_time, "
			    "source_kind = i.source_kind, cancel_asked = i.cancel_asked, "
			    "total = i.total, lines_total = i.lines_total, shipping = i.shipping, "
			    "tax = i.tax, discount = i.discount, totals_flag = i.totals_flag, "
			    "financial_status = i.financial_status, ship_to = i.ship_to, "
			    "auto_cancel_at = i.auto_cancel_at, n_fulfilments = i.n_fulfilments, "
			    "revision = i.revision "
			    "FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::timestamptz[], "
			    "$5::timestamptz[], $6::text[], $7::bool[], $8::bigint[], "
			    "$9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], "
			    "$13::text[], $14::text[], $15::text[], $16::timestamptz[], "
			    "$17::int[], "
			    "$18::bigint[]) "
			    "AS i(order_id, state, version, updated_at, source_time, source_kind, "
			    "cancel_asked, total, lines_total, shipping, tax, discount, "
			    "totals_flag, "
			    "financial_status, ship_to, auto_cancel_at, n_fulfilments, revision) "
			    "WHERE o.order_id = i.order_id" },
	[INSERT_LINES] = { "INSERT INTO order_lines (" LINE_COLUMNS ") "
			   "SELECT * FROM unnest($1::bigint[], $2::int[], $3::text[], $4::text[], "
			   "$5::text[], $6::int[], $7::bigint[], $8::bigint[], $9::text[], "
			   "$10::int[], $11::int[], $12::int[], $13::int[], $14::int[], "
			   "$15::int[], "
			   "$16::int[])" },
	[UPDATE_LINES] = { "UPDATE order_lines l SET listing_id = i.listing_id, "
			   "allocated = i.allocated, parked = i.parked, shipped = i.shipped, "
			   "delivered = i.delivered, incomplete = i.incomplete, "
			   "cancelled = i.cancelled, expired = i.expired "
			   "FROM unnest($1::bigint[], $2::int[], $3::text[], $4::int[], $5::int[], "
			   "$6::int[], $7::int[], $8::int[], $9::int[], $10::int[]) "
			   "AS i(order_no, line_no, listing_id, allocated, parked, shipped, "
			   "delivered, incomplete, cancelled, expired) "
			   "WHERE l.order_no = i.order_no AND l.line_no = i.line_no" },
	[INSERT_FULFILMENTS] = { "INSERT INTO fulfilments (order_no, order_id, n, fulfilment_id, maker_id, "
				 "hub_id, state) SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::int[], "
				 "$4::uuid[], $5::text[], $6::text[], $7::text[])" },
	[UPDATE_FULFILMENTS] = { "UPDATE fulfilments f SET state = i.state "
				 "FROM unnest($1::bigint[], $2::int[], $3::text[]) "
				 "AS i(order_no, n, state) "
				 "WHERE f.order_no = i.order_no AND f.n = i.n" },
	[INSERT_ALLOCATIONS] = { "INSERT INTO allocations (order_no, n, line_no, listing_id, "
				 "quantity, week, rule, version) SELECT * FROM "
				 "unnest($1::bigint[], $2::int[], $3::int[], $4::text[], $5::int[], "
				 "$6::int[], $7::text[], $8::bigint[])" },
	[PUT_PARKED] = { "INSERT INTO parked (order_id, line_no, reason, since, auto_cancel_at, "
			 "retry_at, tries, wait_keys, trace) "
			 "SELECT order_id, line_no, reason, since, auto_cancel_at, retry_at, "
			 "tries, "
			 "string_to_array(keys, chr(31)), trace "
			 "FROM unnest($1::uuid[], $2::int[], $3::text[], $4::timestamptz[], "
			 "$5::timestamptz[], $6::timestamptz[], $7::int[], $8::text[], $9::text[]) "
			 "AS i(order_id, line_no, reason, since, auto_cancel_at, retry_at, tries, "
			 "keys, trace) "
			 "ON CONFLICT (order_id, line_no) DO UPDATE SET reason = excluded.reason, "
			 "retry_at = excluded.retry_at, tries = excluded.tries, "
			 "wait_keys = excluded.wait_keys" },
	[DELETE_PARKED] = { "DELETE FROM parked p USING unnest($1::uuid[], $2::int[]) "
			    "AS i(order_id, line_no) "
			    "WHERE p.order_id = i.order_id AND p.line_no = i.line_no" },
	[INSERT_MESSAGES] = { "INSERT INTO order_messages (order_id, kind, source_time, "
			      "content_hash, conflict) SELECT * FROM unnest($1::uuid[], "
			      "$2::text[], $3::timestamptz[], $4::text[], $5::bool[])" },
	[INSERT_PAYMENTS] = { "INSERT INTO order_payments (order_id, reference, amount, currency, "
			      "paid_at) SELECT * FROM unnest($1::uuid[], $2::text[], "
			      "$3::bigint[], $4::text[], $5::timestamptz[])" },
	[INSERT_CANCELS] = { "INSERT INTO cancel_requests (order_id, request_id, reason, by, "
			     "outcome, at) SELECT i.*, $6::timestamptz FROM unnest($1::uuid[], "
			     "$2::text[], $3::text[], $4::text[], $5::text[]) AS i" },
	[INSERT_DECISIONS] = { "INSERT INTO decisions (order_id, version, line_no, rule, reason, "
			       "at) SELECT i.*, $6::timestamptz FROM unnest($1::uuid[], "
			       "$2::bigint[], $3::int[], $4::text[], $5::text[]) AS i" },
	[INSERT_EXCEPTIONS] = { "INSERT INTO exceptions (exception_id, kind, order_id, channel, "
				"external_id, field, detail, body, opened_at) "
				"SELECT i.*, $9::timestamptz FROM unnest($1::uuid[], $2::text[], "
				"$3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], "
				"$8::text[]) AS i ON CONFLICT (exception_id) DO NOTHING" },
	[FIND_EXCEPTIONS] = { "SELECT exception_id, order_id, kind, state, version FROM exceptions "
			      "WHERE exception_id = ANY ($1::uuid[]) ORDER BY exception_id" },
	[LOCK_EXCEPTIONS] = { "SELECT exception_id, order_id, kind, state, version FROM exceptions "
			      "WHERE exception_id = ANY ($1::uuid[]) ORDER BY exception_id "
			      "FOR UPDATE" },
	[CLOSE_EXCEPTIONS] = { "UPDATE exceptions x SET state = 'CLOSED', version = x.version + 1, "
			       "resolution = i.resolution, resolved_by = i.by, note = i.note, "
			       "changed_at = $6::timestamptz FROM unnest($1::uuid[], "
			       "$2::bigint[], $3::text[], $4::text[], $5::text[]) "
			       "AS i(exception_id, version, resolution, by, note) "
			       "WHERE x.exception_id = i.exception_id AND x.version = i.version" },
	[UPDATE_STOCK] = { "UPDATE stock s SET on_hand = i.on_hand, allocated = i.allocated, "
			   "missing = i.missing, counted = i.counted, "
			   "count_version = i.count_version, version = i.version "
			   "FROM unnest($1::text[], $2::int[], $3::int[], $4::int[], $5::int[], "
			   "$6::bigint[], $7::bigint[], $8::bigint[]) "
			   "AS i(listing_id, on_hand, allocated, missing, counted, count_version, "
			   "version, read_version) "
			   "WHERE s.listing_id = i.listing_id AND s.version = i.read_version" },
	[INSERT_MOVEMENTS] = { "INSERT INTO stock_movements (listing_id, version, kind, on_hand, "
			       "allocated, order_id, line_no, at) "
			       "SELECT i.*, $8::timestamptz FROM unnest($1::text[], $2::bigint[], "
			       "$3::text[], $4::int[], $5::int[], $6::uuid[], $7::int[]) AS i" },
	[UPDATE_CAPACITY] = { "UPDATE capacity c SET used = c.used + i.delta "
			      "FROM unnest($1::text[], $2::int[], $3::int[]) "
			      "AS i(maker_id, week, delta) "
			      "WHERE c.maker_id = i.maker_id AND c.week = i.week" },
	[INSERT_SALES] = { "INSERT INTO sales (listing_id, order_id, line_no, quantity) "
			   "SELECT * FROM unnest($1::text[], $2::uuid[], $3::int[], $4::int[])" },
	[INSERT_WAKES] = { "INSERT INTO wakes (key) SELECT * FROM unnest($1::text[])" },
	[PUT_MAKERS] = { "INSERT INTO makers AS m (maker_id, version, hub_id, skills, "
			 "weekly_capacity, state, leave_until) "
			 "SELECT maker_id, version, hub_id, string_to_array(skills, chr(31)), "
			 "weekly_capacity, state, leave_until "
			 "FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::int[], "
			 "$6::text[], $7::timestamptz[]) AS i(maker_id, version, hub_id, skills, "
			 "weekly_capacity, state, leave_until) ORDER BY maker_id COLLATE \"C\" "
			 "ON CONFLICT (maker_id) DO UPDATE SET version = excluded.version, "
			 "hub_id = excluded.hub_id, skills = excluded.skills, "
			 "weekly_capacity = excluded.weekly_capacity, state = excluded.state, "
			 "leave_until = excluded.leave_until WHERE m.version < excluded.version" },
	[PUT_HUBS] = { "INSERT INTO hubs AS h (hub_id, version, name, region, address) "
		       "SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], "
		       "$5::text[]) AS i(hub_id, version, name, region, address) "
		       "ORDER BY hub_id COLLATE \"C\" "
		       "ON CONFLICT (hub_id) DO UPDATE SET version = excluded.version, "
		       "name = excluded.name, region = excluded.region, "
		       "address = excluded.address WHERE h.version < excluded.version" },
	/* Returns what was newer; its publications are gone and are put anew by the next statement.
	 */
	[PUT_LISTINGS] = { "WITH newer AS (INSERT INTO listings AS l (listing_id, version, sku, "
			   "title, kind, maker_id, hub_id, skill, weight_g, lead_days, state, "
			   "quantity, quantity_version) "
			   "SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], "
			   "$5::text[], $6::text[], $7::text[], $8::text[], $9::int[], $10::int[], "
			   "$11::text[], $12::int[], $13::bigint[]) AS i(listing_id, version, sku, "
			   "title, kind, maker_id, hub_id, skill, weight_g, lead_days, state, "
			   "quantity, quantity_version) ORDER BY listing_id COLLATE \"C\" "
			   "ON CONFLICT (listing_id) DO UPDATE SET version = excluded.version, "
			   "sku = excluded.sku, title = excluded.title, kind = excluded.kind, "
			   "maker_id = excluded.maker_id, hub_id = excluded.hub_id, "
			   "skill = excluded.skill, weight_g = excluded.weight_g, "
			   "lead_days = excluded.lead_days, state = excluded.state, "
			   "quantity = excluded.quantity, "
			   "quantity_version = excluded.quantity_version "
			   "WHERE l.version < excluded.version RETURNING listing_id), "
			   "gone AS (DELETE FROM publications p USING newer "
			   "WHERE p.listing_id = newer.listing_id) "
			   "SELECT listing_id FROM newer ORDER BY listing_id" },
	[MAKE_STOCK] = { "INSERT INTO stock (listing_id) SELECT listing_id FROM listings "
			 "WHERE listing_id = ANY ($1::text[]) AND kind <> 'MADE_TO_ORDER' "
			 "ORDER BY listing_id ON CONFLICT (listing_id) DO NOTHING" },
	[PUT_PUBLICATIONS] = { "INSERT INTO publications (channel, channel_sku, listing_id, state) "
			       "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], "
			       "$4::text[]) ON CONFLICT (channel, channel_sku, listing_id) "
			       "DO UPDATE SET state = excluded.state" },
	[PEEK] = { "SELECT 1 WHERE EXISTS (SELECT FROM wakes) OR EXISTS (SELECT FROM sales) "
		   "OR EXISTS (SELECT FROM parked WHERE retry_at <= $1::timestamptz)" },
	[TAKE_WAKES] = { "WITH taken AS (DELETE FROM wakes WHERE id IN (SELECT id FROM wakes "
			 "ORDER BY id LIMIT $1::int FOR UPDATE SKIP LOCKED) RETURNING key) "
			 "SELECT DISTINCT key FROM taken ORDER BY key" },
	[TAKE_SALES] = { "WITH taken AS (DELETE FROM sales WHERE id IN (SELECT id FROM sales "
			 "ORDER BY id LIMIT $1::int FOR UPDATE SKIP LOCKED) "
			 "RETURNING id, listing_id, order_id, line_no, quantity) "
			 "SELECT listing_id, order_id, line_no, quantity FROM taken ORDER BY id" },
	[FIND_WOKEN] = { "SELECT order_id, key FROM (SELECT p.order_id, p.since, k.key "
			 "FROM unnest($1::text[]) AS k(key) CROSS JOIN LATERAL ("
			 "SELECT order_id, since FROM parked WHERE wait_keys @> ARRAY[k.key] "
			 "ORDER BY since LIMIT $2::int) p "
			 "UNION ALL (SELECT order_id, since, NULL FROM parked "
			 "WHERE retry_at <= $4::timestamptz ORDER BY retry_at LIMIT $3::int)) x "
			 "ORDER BY since, order_id" },
	[FIND_COUNTS] = { "SELECT listing_id, CASE kind WHEN 'ONE_OF_A_KIND' THEN "
			  "least(quantity, 1) "
			  "ELSE quantity END, quantity_version FROM listings "
			  "WHERE listing_id = ANY ($1::text[]) AND kind <> 'MADE_TO_ORDER' "
			  "ORDER BY listing_id" },
	[FIND_EXPIRED] = { "SELECT order_id FROM (SELECT order_id FROM parked "
			   "WHERE auto_cancel_at <= $2::timestamptz "
			   "ORDER BY auto_cancel_at LIMIT $1::int) x "
			   "GROUP BY order_id ORDER BY order_id" },
	[INSERT_WITHDRAWN] = { "INSERT INTO withdrawn (order_id, at) "
			       "SELECT i.id, $2::timestamptz FROM unnest($1::uuid[]) AS i(id) "
			       "ORDER BY i.id ON CONFLICT (order_id) DO NOTHING" },
	[FIND_WITHDRAWN] = { "SELECT order_id FROM withdrawn WHERE order_id = ANY ($1::uuid[]) "
			     "ORDER BY order_id" },
	[TAKE_POLLS] = { "WITH made AS (INSERT INTO polls (channel, since, seen_to, due) "
			 "SELECT c, $2::timestamptz, $2::timestamptz, clock_timestamp() "
			 "FROM unnest($1::text[]) AS i(c) "
			 "WHERE NOT EXISTS (SELECT FROM polls p WHERE p.channel = i.c) "
			 "ORDER BY c ON CONFLICT (channel) DO NOTHING) "
			 "UPDATE polls p SET token = nextval('lease_tokens'), "
			 "due = clock_timestamp() + $3::int * interval '1 millisecond' "
			 "FROM (SELECT channel FROM polls WHERE channel = ANY ($1::text[]) "
			 "AND due <= clock_timestamp() ORDER BY due LIMIT $4::int "
			 "FOR UPDATE SKIP LOCKED) d WHERE p.channel = d.channel "
			 "RETURNING p.channel, p.since, p.page, p.seen_to, p.token, p.failures" },
	[SAVE_POLLS] = { "UPDATE polls p SET since = i.since, page = i.page, "
			 "seen_to = i.seen_to, "
			 "due = clock_timestamp() + i.pause_ms * interval '1 millisecond', "
			 "reason = i.reason, "
			 "state = CASE WHEN i.reason IS NULL THEN 'GOOD' ELSE 'FAILING' END, "
			 "failures = i.failures, orders = p.orders + i.orders, "
			 "read_at = CASE WHEN i.read_to_end THEN $11::timestamptz "
			 "ELSE p.read_at END "
			 "FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::int[], "
			 "$5::timestamptz[], $6::bigint[], $7::text[], $8::int[], "
			 "$9::bigint[], $10::bool[]) AS i(channel, token, since, page, seen_to, "
			 "pause_ms, reason, failures, orders, read_to_end) "
			 "WHERE p.channel = i.channel AND p.token = i.token" },
	/* in any order, so that channels with much to do do not always come first */
	[DUE_FETCHES] = { "SELECT kind FROM (SELECT DISTINCT kind FROM intents "
			  "WHERE state = 'PENDING' AND due <= clock_timestamp() "
			  "AND kind >= 'fetch:' AND kind < 'fetch;') k ORDER BY random()" },
	[READ_REVISION] = { "SELECT revision FROM orders WHERE order_id = $1::uuid" },
	[READ_ORDER] = { "SELECT order_no, " ORDER_COLUMNS
			 " FROM orders WHERE order_id = ANY ($1::uuid[])" },
};

const size_t routing_n_stmts = N_STMTS;
