/* What couriers and aggregators send: a tracking webhook becomes reports that are written and read
 * again as they were, the same ones each time, or is refused at a place in the body; as an answer
 * to a call of ours the same bytes are understood, or unknown. */
#include <string.h>

#include "adapters/adapter.h"
#include "fuzz.h"

#define PARCEL "0d6a1f0e-3c57-5a7e-9d52-5f6d1f1f2c01"
#define OTHER "a2f0b6de-7a44-5d1b-8a55-64f1f0b2d9c3"

static const char *write_reports(
	struct kw_arena *a, struct tracking_reported *reports, size_t n, const char *courier)
{
	const char *text = "";

	for (size_t i = 0; i < n; i++) {
		reports[i].courier = courier;
		text = kw_arena_printf(a, "%s%s\n", text,
			fuzz_stable(tracking_in_fields, sizeof(reports[i]), &reports[i], a));
		FUZZ_CHECK(tracking_key(&reports[i]).s[0], "a report without key");
	}
	return text;
}

static void check_webhook(const struct kw_adapter *row, const char *body, size_t n)
{
	const struct courier_adapter *adapter = row->more;
	struct kw_arena *a = fuzz_arena();
	struct tracking_reported *reports = NULL, *again = NULL;
	struct kw_err err = { 0 };
	size_t n_reports = 0, n_again = 0;
	struct kw_bytes bytes = { body, n };

	if (adapter->read_tracking(a, bytes, &reports, &n_reports, &err) != KW_OK) {
		fuzz_refused(&err, body, n);
		return;
	}
	FUZZ_CHECK(n_reports <= REPORTS_MAX, "%zu reports", n_reports);
	if (n_reports > 20) /* what is written grows with the square */
		n_reports = 20;
	const char *first = write_reports(a, reports, n_reports, row->name);
	FUZZ_CHECK(adapter->read_tracking(a, bytes, &again, &n_again, &err) == KW_OK, "%s",
		err.reason);
	const char *second = write_reports(a, again, n_again > 20 ? 20 : n_again, row->name);
	FUZZ_CHECK(strcmp(first, second) == 0, "\n%s\n%s", first, second);
}

static void check_answer(const struct answer *answer)
{
	FUZZ_CHECK(answer->kind >= 0 && answer->kind <= ANSWER_REFUSED, "%d", answer->kind);
}

static void check_answers(const struct courier_adapter *adapter, const char *body, size_t n)
{
	static const int statuses[] = { 200, 404, 409, 500 };
	static const struct parcel parcels[] = { { .parcel_id = { PARCEL } },
		{ .parcel_id = { OTHER } } };
	const struct parcel *const asked[] = { &parcels[0], &parcels[1] };

	for (size_t i = 0; i < KW_LEN(statuses); i++) {
		struct kw_arena *a = fuzz_arena();
		struct kw_call call = { .rc = KW_OK, .status = statuses[i], .answer = { body, n } };
		struct answer answers[KW_LEN(asked)], one;

		adapter->read_bookings(a, &call, asked, KW_LEN(asked), answers);
		check_answer(&answers[0]);
		check_answer(&answers[1]);
		adapter->read_inquiry(a, &call, asked[0], &one);
		check_answer(&one);
		adapter->read_cancel(a, &call, asked[0], &one);
		check_answer(&one);
		adapter->read_bring_back(a, &call, asked[0], &one);
		check_answer(&one);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (const struct kw_adapter *row = dispatch_adapters; row->name; row++) {
		const struct courier_adapter *adapter = row->more;

		check_webhook(row, (const char *)data, size);
		if (adapter->book)
			check_answers(adapter, (const char *)data, size);
	}
	return 0;
}
