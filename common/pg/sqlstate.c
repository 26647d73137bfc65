/* SQLSTATE to what the caller does next: one allow-list, everything else is FATAL.
 * https://www.postgresql.org/docs/15/errcodes-appendix.html */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/impl.h"

/* Whole states, or beginnings of them; the first that matches counts. */
static const struct {
	const char *state;
	enum kw_rc rc;
} states[] = {
	{ "KW0", KW_CONFLICT },  /* raised by our own SQL on purpose */
	{ "08", KW_RETRY },      /* connection */
	{ "40001", KW_RETRY },   /* serialization_failure */
	{ "40003", KW_RETRY },   /* statement_completion_unknown */
	{ "40P01", KW_RETRY },   /* deadlock_detected */
	{ "55P03", KW_RETRY },   /* lock_not_available: lock_timeout */
	{ "57014", KW_RETRY },   /* query_canceled: statement_timeout */
	{ "57P01", KW_RETRY },   /* admin_shutdown */
	{ "57P02", KW_RETRY },   /* crash_shutdown */
	{ "57P03", KW_RETRY },   /* cannot_connect_now */
	{ "57P05", KW_RETRY },   /* idle_session_timeout */
	{ "25P03", KW_RETRY },   /* idle_in_transaction_session_timeout */
	{ "53", KW_RETRY },      /* out of memory, disk, connections */
	{ "22001", KW_INVALID }, /* string_data_right_truncation */
	{ "22003", KW_INVALID }, /* numeric_value_out_of_range */
	{ "22007", KW_INVALID }, /* invalid_datetime_format */
	{ "22008", KW_INVALID }, /* datetime_field_overflow */
	{ "22021", KW_INVALID }, /* character_not_in_repertoire */
	{ "22P02", KW_INVALID }, /* invalid_text_representation */
	{ "22P05", KW_INVALID }, /* untranslatable_character */
	{ "23514", KW_INVALID }, /* check_violation, if it names the constraint */
};

static enum kw_rc find(const PGresult *result, const char *state)
{
	/* "no partition of relation found for row" has this state too, but no constraint */
	if (strcmp(state, "23514") == 0 && !PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME))
		return KW_FATAL;
	for (size_t i = 0; i < KW_LEN(states); i++)
		if (strncmp(state, states[i].state, strlen(states[i].state)) == 0)
			return states[i].rc;
	return KW_FATAL;
}

/* Line of the server's position, which counts characters from 1; 0: it says none. */
static int line_of(const PGresult *result, const char *text)
{
	const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
	long left = position ? strtol(position, NULL, 10) : 0;
	int line = 1;

	if (left <= 0)
		return 0;
	for (; *text && --left > 0; text++) {
		line += *text == '\n';
		while (((unsigned char)text[1] & 0xc0) == 0x80)
			text++;
	}
	return line;
}

enum kw_rc kw_sqlstate_fail(const PGresult *result, const char *what, struct kw_err *err)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	char text[200], statement[48], line[24] = "";
	enum kw_rc rc;

	if (!state)
		return kw_fail_code(err, KW_RETRY, "SESSION_LOST", "PostgreSQL: no answer");
	rc = find(result, state);
	kw_one_line(message ? message : "no message", text, sizeof(text));
	/* data exceptions end with the value at fault, which may be somebody's */
	char *value = strncmp(state, "22", 2) == 0 ? strstr(text, ": \"") : NULL;
	if (value)
		*value = '\0';
	kw_one_line(what, statement, sizeof(statement));
	if (line_of(result, what) > 1)
		snprintf(line, sizeof(line), " at line %d", line_of(result, what));
	return kw_fail_code(err, rc, state, "PostgreSQL: %s%s%s%s", text, line,
		statement[0] ? " in: " : "", statement);
}

void kw_one_line(const char *text, char *out, size_t size)
{
	size_t n = 0;
	bool blank = false;

	for (; *text && n + 1 < size; text++) {
		if (*text == '\n' || *text == '\t' || *text == ' ' || *text == '\r') {
			blank = n > 0;
			continue;
		}
		if (blank && n + 2 < size)
			out[n++] = ' ';
		blank = false;
		out[n++] = *text;
	}
	out[n] = '\0';
}
