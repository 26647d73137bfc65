/* The statement table of courier-dispatch. All are prepared against a migrated database by a test.
 */
#include "stmts.h"

#define PARCEL_COLUMNS                                                                           \
	"parcel_id, order_id, fulfilment_id, n, channel, external_id, maker_id, hub_id, state, " \
	"courier, tracking_number, label_url, weight_g, declared_value, declared_currency, "     \
	"amount_due, due_currency, carrier_status, carrier_text, carrier_scanned_at, "           \
	"carrier_place, attempts, reason, content, version, changed_at"
/* in the order of order_cols in store.c */
#define ORDER_COLUMNS                                                                  \
	"o.order_id, o.cod, o.cleared, o.total, o.due_given, o.currency, o.routings, " \
	"o.settled_epoch, o.settled_number"
#define SCAN_COLUMNS                                                                      \
	"courier, event_id, carrier, subject, parcel_id, status, word, tracking_number, " \
	"scanned_at, arrived_at, place, note, standing, content_hash, trace"
/* Under number n, at courier c, at time t: the last one booked before. */
#define PARCEL_NUMBERED(n, c, t)                                                 \
	"(SELECT p.parcel_id FROM parcels p WHERE upper(p.tracking_number) = " n \
	" AND p.courier = " c " AND p.booked_at <= " t " + interval '1 day' "    \
	"ORDER BY p.booked_at DESC LIMIT 1)"
#define PARCEL_OF_SCAN PARCEL_NUMBERED("s.tracking_number", "k.courier", "s.scanned_at")

const struct kw_stmt dispatch_stmts[] = {
	[ROUTE_ORDERS] = { "INSERT INTO orders AS o (order_id, cod, total, currency, routings, "
			   "seen_at) "
			   "SELECT u.*, $6::timestamptz FROM unnest($1::uuid[], $2::boolean[], "
			   "$3::bigint[], $4::text[], $5::bigint[]) u(order_id) ORDER BY "
			   "u.order_id "
			   "ON CONFLICT (order_id) DO UPDATE SET cod = excluded.cod, total = "
			   "excluded.total, "
			   "currency = excluded.currency, routings = o.routings + "
			   "excluded.routings "
			   "RETURNING " ORDER_COLUMNS },
	[SETTLE_ORDERS] = { "INSERT INTO orders AS o (order_id, cleared, settled_epoch, "
			    "settled_number, seen_at) "
			    "SELECT u.*, $5::timestamptz FROM unnest($1::uuid[], $2::boolean[], "
			    "$3::bigint[], $4::bigint[]) u(order_id) ORDER BY u.order_id "
			    "ON CONFLICT (order_id) DO UPDATE SET cleared = excluded.cleared, "
			    "settled_epoch = excluded.settled_epoch, settled_number = "
			    "excluded.settled_number "
			    "WHERE (o.settled_epoch, o.settled_number) < (excluded.settled_epoch,"
			    " excluded.settled_number) "
			    "RETURNING " ORDER_COLUMNS },
	[LOCK_ORDERS] = { "INSERT INTO orders AS o (order_id, seen_at) "
			  "SELECT u.order_id, $2::timestamptz FROM unnest($1::uuid[]) "
			  "u(order_id) ORDER BY u.order_id "
			  "ON CONFLICT (order_id) DO UPDATE SET seen_at = o.seen_at" },
	[WRITE_DUE] = { "UPDATE orders o SET due_given = u.due_given "
			"FROM unnest($1::uuid[], $2::bigint[]) u(order_id, due_given) WHERE "
			"o.order_id = u.order_id" },
	[FIND_CANCELLED] = { "SELECT fulfilment_id, order_id, reason FROM cancelled_fulfilments "
			     "WHERE order_id = ANY ($1::uuid[]) ORDER BY fulfilment_id" },
	[REMEMBER_CANCELLED] = { "INSERT INTO cancelled_fulfilments (fulfilment_id, order_id, "
				 "reason, cancelled_at) "
				 "SELECT u.*, $4::timestamptz FROM unnest($1::uuid[], $2::uuid[],"
				 " $3::text[]) "
				 "u(fulfilment_id) ORDER BY u.fulfilment_id ON CONFLICT "
				 "(fulfilment_id) DO NOTHING" },

	[LOCK_KNOWN_ORDERS] = { "SELECT order_id FROM orders WHERE order_id = ANY ($1::uuid[]) "
				"ORDER BY order_id FOR UPDATE" },
	[LOCK_KNOWN_PARCELS] = { "SELECT parcel_id FROM parcels WHERE order_id = ANY ($1::uuid[]) "
				 "OR parcel_id = ANY ($2::uuid[]) ORDER BY parcel_id FOR UPDATE" },
	[PARCELS_OF] = { "SELECT " PARCEL_COLUMNS " FROM parcels WHERE order_id = ANY ($1::uuid[]) "
			 "AND ($2::text IS NULL OR state = $2) ORDER BY parcel_id FOR UPDATE" },
	[LOCK_PARCELS] = { "SELECT " PARCEL_COLUMNS
			   " FROM parcels WHERE parcel_id = ANY ($1::uuid[]) "
			   "ORDER BY parcel_id FOR UPDATE" },
	[READ_PARCELS] = { "SELECT " PARCEL_COLUMNS
			   " FROM parcels WHERE parcel_id = ANY ($1::uuid[]) "
			   "ORDER BY parcel_id" },
	[EXPECT_PARCELS] = { "INSERT INTO parcels AS p (parcel_id, state, version) "
			     "SELECT u.parcel_id, 'EXPECTED', 0 FROM unnest($1::uuid[]) "
			     "u(parcel_id) ORDER BY 1 "
			     "ON CONFLICT (parcel_id) DO UPDATE SET version = p.version "
			     "RETURNING " PARCEL_COLUMNS },
	[INSERT_PARCELS] = { "INSERT INTO parcels AS p (" PARCEL_COLUMNS
			     ") SELECT u.* FROM unnest($1::uuid[], "
			     "$2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::text[], "
			     "$7::text[], $8::text[], "
			     "$9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[], "
			     "$14::bigint[], "
			     "$15::text[], $16::bigint[], $17::text[], $18::text[], $19::text[], "
			     "$20::timestamptz[], "
			     "$21::text[], $22::bigint[], $23::text[], $24::text[], $25::bigint[], "
			     "$26::timestamptz[]) u(parcel_id) ORDER BY u.parcel_id "
			     "ON CONFLICT (parcel_id) DO UPDATE SET order_id = excluded.order_id, "
			     "fulfilment_id = excluded.fulfilment_id, n = excluded.n, channel = "
			     "excluded.channel, "
			     "external_id = excluded.external_id, maker_id = excluded.maker_id, "
			     "hub_id = excluded.hub_id, state = excluded.state, courier = "
			     "excluded.courier, "
			     "weight_g = excluded.weight_g, declared_value = "
			     "excluded.declared_value, "
			     "declared_currency = excluded.declared_currency, amount_due = "
			     "excluded.amount_due, "
			     "due_currency = excluded.due_currency, reason = excluded.reason, "
			     "content = excluded.content, version = excluded.version, "
			     "changed_at = excluded.changed_at WHERE p.state = 'EXPECTED'" },
	[UPDATE_PARCELS] = { "UPDATE parcels p SET state = u.state, courier = u.courier, "
			     "tracking_number = u.tracking_number, label_url = u.label_url, "
			     "carrier_status = u.carrier_status, carrier_text = u.carrier_text, "
			     "carrier_scanned_at = u.carrier_scanned_at, carrier_place = "
			     "u.carrier_place, "
			     "attempts = u.attempts, reason = u.reason, version = u.version, "
			     "changed_at = u.changed_at, booked_at = CASE WHEN p.tracking_number "
			     "IS NULL AND u.tracking_number IS NOT NULL THEN u.changed_at ELSE "
			     "p.booked_at END "
			     "FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], "
			     "$5::text[], $6::text[], "
			     "$7::text[], $8::text[], $9::timestamptz[], $10::text[], "
			     "$11::bigint[], $12::text[], "
			     "$13::bigint[], $14::timestamptz[]) u(parcel_id, read_version, "
			     "state, courier, "
			     "tracking_number, label_url, carrier_status, carrier_text, "
			     "carrier_scanned_at, "
			     "carrier_place, attempts, reason, version, changed_at) "
			     "WHERE p.parcel_id = u.parcel_id AND p.version = u.read_version" },

	[INSERT_SCANS] = { "INSERT INTO scans (" SCAN_COLUMNS
			   ") SELECT u.* FROM unnest($1::text[], $2::text[], "
			   "$3::text[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], "
			   "$8::text[], $9::timestamptz[], $10::timestamptz[], $11::text[], "
			   "$12::text[], $13::text[], $14::bigint[], $15::text[]) "
			   "u(courier, event_id) "
			   "ORDER BY u.courier COLLATE \"C\", u.event_id COLLATE \"C\" "
			   "ON CONFLICT (courier, event_id) DO NOTHING RETURNING courier, "
			   "event_id" },
	[CONFLICTING_SCANS] = { "SELECT s.courier, s.event_id, s.parcel_id FROM scans s "
				"JOIN unnest($1::text[], $2::text[], $3::bigint[]) u(courier, "
				"event_id, hash) "
				"USING (courier, event_id) WHERE s.content_hash <> u.hash "
				"ORDER BY s.courier COLLATE \"C\", s.event_id COLLATE \"C\"" },
	[PENDING_SCANS] = { "SELECT " SCAN_COLUMNS " FROM scans WHERE standing = 'PENDING' "
			    "AND parcel_id = ANY ($1::uuid[]) ORDER BY parcel_id, arrived_at, "
			    "scanned_at, "
			    "courier COLLATE \"C\", event_id COLLATE \"C\"" },
	[STAND_SCANS] = { "UPDATE scans s SET parcel_id = u.parcel_id, standing = u.standing "
			  "FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[]) "
			  "u(courier, event_id, parcel_id, standing) WHERE s.courier = u.courier "
			  "AND s.event_id = u.event_id" },
	[FIND_NUMBERS] = { "SELECT u.at, m.parcel_id FROM unnest($1::text[], $2::text[], "
			   "$3::timestamptz[]) WITH ORDINALITY u(courier, number, scanned_at, at), "
			   "LATERAL " PARCEL_NUMBERED(
				   "u.number", "u.courier", "u.scanned_at") " m "
									    "ORDER BY u.at" },
	[UNMATCHED_SCANS] = { "SELECT s.courier, s.event_id, s.carrier, s.subject, m.parcel_id, "
			      "s.status, s.word, s.tracking_number, s.scanned_at, s.arrived_at, "
			      "s.place, s.note, s.standing, s.content_hash, s.trace FROM scans s "
			      "JOIN unnest($1::text[], $2::text[]) k(name, courier) "
			      "ON k.name = lower(s.carrier), "
			      "LATERAL " PARCEL_OF_SCAN " m "
			      "WHERE s.standing = 'PENDING' AND s.parcel_id IS NULL "
			      "AND s.arrived_at > $3::timestamptz - interval '60 days' "
			      "ORDER BY s.arrived_at, s.courier COLLATE \"C\", "
			      "s.event_id COLLATE \"C\" LIMIT 1000 "
			      "FOR UPDATE OF s SKIP LOCKED" },
	[READ_SCANS] = { "SELECT * FROM (SELECT " SCAN_COLUMNS
			 " FROM scans WHERE parcel_id = $1::uuid "
			 "ORDER BY scanned_at DESC, arrived_at DESC LIMIT $2::bigint) s ORDER BY "
			 "scanned_at, arrived_at" },

	[INSERT_REFUSALS] = { "INSERT INTO refusals (parcel_id, courier, reason, refused_at) "
			      "SELECT u.*, $4::timestamptz FROM unnest($1::uuid[], $2::text[], "
			      "$3::text[]) "
			      "u(parcel_id, courier) ORDER BY u.parcel_id, u.courier COLLATE "
			      "\"C\"" },
	[FIND_REFUSALS] = { "SELECT parcel_id, courier, reason FROM refusals WHERE parcel_id = "
			    "ANY ($1::uuid[]) "
			    "ORDER BY parcel_id, courier COLLATE \"C\"" },
	[INSERT_REQUESTS] = { "INSERT INTO requests (request_id, parcel_id, kind, reason, "
			      "requested_by, outcome, requested_at) "
			      "SELECT u.*, $7::timestamptz FROM unnest($1::uuid[], $2::uuid[], "
			      "$3::text[], $4::text[], "
			      "$5::text[], $6::text[]) u(request_id, parcel_id) ORDER BY "
			      "u.request_id, u.parcel_id "
			      "ON CONFLICT (request_id, parcel_id) DO NOTHING" },
	[DROP_INTENTS] = { "UPDATE intents SET state = 'FAILED', detail = 'CANCELLED', ended_at "
			   "= $2::timestamptz "
			   "WHERE id = ANY ($1::uuid[]) AND state = 'PENDING' AND attempts = 0" },
	[RAISE] = { "INSERT INTO exceptions AS x (exception_id, kind, state, parcel_id, order_id,"
		    " courier, reason, "
		    "occurrences, word, opened_at, updated_at) SELECT u.*, $10::timestamptz, "
		    "$10::timestamptz "
		    "FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], "
		    "$6::text[], $7::text[], "
		    "$8::bigint[], $9::text[]) u(exception_id) ORDER BY u.exception_id "
		    "ON CONFLICT (exception_id) DO UPDATE SET state = excluded.state, reason = "
		    "excluded.reason, "
		    "order_id = coalesce(excluded.order_id, x.order_id), "
		    "occurrences = x.occurrences + excluded.occurrences, updated_at = "
		    "excluded.updated_at" },
	[RESOLVE] = { "UPDATE exceptions x SET state = 'RESOLVED', updated_at = $3::timestamptz "
		      "FROM unnest($1::uuid[], $2::text[]) u(parcel_id, kind) "
		      "WHERE x.parcel_id = u.parcel_id AND x.kind = u.kind AND x.state = 'OPEN'" },
	[RESOLVE_IDS] = { "UPDATE exceptions SET state = 'RESOLVED', updated_at = "
			  "$2::timestamptz WHERE exception_id = ANY ($1::uuid[]) AND state = "
			  "'OPEN'" },
	[READ_STAMP] = { "SELECT hashtextextended(coalesce(string_agg(concat_ws(' ', s.courier, "
			 "s.event_id, s.status, s.standing), ',' ORDER BY s.courier, s.event_id), "
			 "''), p.version) FROM parcels p LEFT JOIN scans s USING (parcel_id) WHERE "
			 "p.parcel_id = $1::uuid AND p.version > 0 GROUP BY p.version" },

	[FIND_MEANINGS] = { "SELECT w.courier, w.word, w.status FROM (SELECT DISTINCT * FROM "
			    "unnest($1::text[], $2::text[])) u(courier, word) "
			    "JOIN carrier_meanings w USING (courier, word) "
			    "ORDER BY w.courier COLLATE \"C\", w.word COLLATE \"C\"" },
	[EXCEPTION_KINDS] = { "SELECT exception_id, kind FROM exceptions WHERE exception_id = "
			      "ANY ($1::uuid[]) ORDER BY exception_id" },
	[MAP_WORDS] = { "WITH asked AS (SELECT DISTINCT ON (exception_id, version) exception_id, "
			"version, status, by, reason FROM unnest($1::uuid[], $2::bigint[], "
			"$3::text[], $4::text[], $5::text[]) WITH ORDINALITY i(exception_id, "
			"version, status, by, reason, n) ORDER BY exception_id, version, n), "
			"locked AS (SELECT x.exception_id, x.courier, x.word, asked.status, "
			"asked.by, asked.reason FROM exceptions x JOIN asked USING (exception_id, "
			"version) ORDER BY x.exception_id FOR UPDATE OF x), "
			"mapped AS (INSERT INTO carrier_words (courier, word, version, status, "
			"exception_id, mapped_by, reason, mapped_at) SELECT l.courier, l.word, 1 + "
			"coalesce((SELECT max(w.version) FROM carrier_words w WHERE w.courier = "
			"l.courier AND w.word = l.word), 0), l.status, l.exception_id, l.by, "
			"l.reason, $6::timestamptz FROM locked l "
			"RETURNING exception_id, version, mapped_by, reason) "
			"UPDATE exceptions x SET state = 'RESOLVED', resolution = 'MAP', mapping = "
			"m.version, resolved_by = m.mapped_by, note = m.reason, changed_at = "
			"$6::timestamptz FROM mapped m WHERE x.exception_id = m.exception_id" },
	[NAME_UNMATCHED] = { "UPDATE scans s SET status = f.status FROM (SELECT s.courier, "
			     "s.event_id, w.status FROM carrier_meanings w JOIN scans s USING "
			     "(courier, word) WHERE s.status = 'UNKNOWN' AND s.parcel_id IS NULL "
			     "ORDER BY s.courier COLLATE \"C\", s.event_id COLLATE \"C\" "
			     "LIMIT 1000 FOR UPDATE OF s SKIP LOCKED) f WHERE s.courier = "
			     "f.courier AND s.event_id = f.event_id" },
	[NAMELESS_PARCELS] = { "SELECT DISTINCT parcel_id FROM (SELECT s.parcel_id FROM "
			       "carrier_meanings w JOIN scans s USING (courier, word) "
			       "WHERE s.status = 'UNKNOWN' AND s.parcel_id IS NOT NULL "
			       "ORDER BY s.arrived_at LIMIT 1000) p ORDER BY parcel_id" },
	[NAMELESS_SCANS] = { "SELECT s.courier, s.event_id, s.carrier, s.subject, s.parcel_id, "
			     "w.status, s.word, s.tracking_number, s.scanned_at, s.arrived_at, "
			     "s.place, s.note, s.standing, s.content_hash, s.trace "
			     "FROM carrier_meanings w JOIN scans s USING (courier, word) "
			     "WHERE s.status = 'UNKNOWN' AND s.parcel_id = ANY ($1::uuid[]) "
			     "ORDER BY s.arrived_at, s.scanned_at, s.courier COLLATE \"C\", "
			     "s.event_id COLLATE \"C\" LIMIT 1000" },
	[NAME_SCANS] = { "UPDATE scans s SET status = u.status "
			 "FROM unnest($1::text[], $2::text[], $3::text[]) u(courier, event_id, "
			 "status) WHERE s.courier = u.courier AND s.event_id = u.event_id "
			 "AND s.status = 'UNKNOWN'" },
	[RESOLVE_MAPPED] = { "UPDATE exceptions x SET state = 'RESOLVED', resolution = 'MAP', "
			     "mapping = w.version, resolved_by = w.mapped_by, note = w.reason, "
			     "changed_at = $1::timestamptz FROM carrier_meanings w "
			     "WHERE x.kind = 'UNKNOWN_STATUS' AND x.state = 'OPEN' "
			     "AND x.courier = w.courier AND x.word = w.word" },
};
const size_t dispatch_n_stmts = N_STMTS;
