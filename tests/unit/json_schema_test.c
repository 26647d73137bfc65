/* Tables against schemas: a table is the same as what it describes, and every single difference is
 * found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "json/json.h"

struct part {
	const char *name;
	struct kw_money price;
};

struct all {
	const char *text, *id;
	bool yes;
	int64_t number;
	struct kw_money money;
	kw_time time;
	struct kw_uuid uuid;
	int state;
	struct part *part, *parts;
	size_t n_parts;
	const char **tags;
	size_t n_tags;
};

static const char *const state_names[] = { "NEW", "ROUTED" };
static const struct kw_strtab states = KW_STRTAB(state_names);

static const struct kw_field part_fields[] = {
	KW_STR(struct part, name, KW_REQUIRED, 1, 10),
	KW_MONEY(struct part, price, KW_OPTIONAL),
	KW_END,
};
static const struct kw_field fields[] = {
	KW_STR(struct all, text, KW_REQUIRED, 2, 50),
	KW_ID(struct all, id, KW_OPTIONAL, 1, 20),
	KW_BOOL(struct all, yes, KW_OPTIONAL),
	KW_I64(struct all, number, KW_REQUIRED, -5, 9),
	KW_MONEY(struct all, money, KW_REQUIRED),
	KW_TIME(struct all, time, KW_OPTIONAL),
	KW_UUID(struct all, uuid, KW_REQUIRED),
	KW_ENUM(struct all, state, KW_REQUIRED, &states),
	KW_OBJECT(struct all, part, KW_OPTIONAL, struct part, part_fields),
	KW_ARRAY(struct all, parts, KW_REQUIRED, struct part, part_fields, 1, 3),
	KW_STRS(struct all, tags, KW_OPTIONAL, 0, 2),
	KW_END,
};

#define MONEY_DEF                                                                           \
	"'$defs':{'money':{'type':'object','required':['amount','currency'],'properties':{" \
	"'amount':{'type':'string'},'currency':{'type':'string'}}}}"
#define PART                                                                                        \
	"{'type':'object','required':['name'],'properties':{'name':{'type':'string','minLength':1," \
	"'maxLength':10},'price':{'$ref':'#/$defs/money'}}}"

/* The schema of the table, as a person would write it. */
static const char schema[] =
	"{'$schema':'https://json-schema.org/draft/2020-12/schema','title':'all','type':'object',"
	"'required':['text','number','money','uuid','state','parts'],'properties':{"
	"'text':{'type':'string','minLength':2,'maxLength':50,'description':'x'},"
	"'id':{'type':'string','minLength':1,'maxLength':20},"
	"'yes':{'type':'boolean'},"
	"'number':{'type':'integer','minimum':-5,'maximum':9},"
	"'money':{'$ref':'#/$defs/money'},"
	"'time':{'type':'string','format':'date-time'},"
	"'uuid':{'type':'string','format':'uuid'},"
	"'state':{'type':'string','enum':['ROUTED','NEW']},"
	"'part':" PART ","
	"'parts':{'type':'array','minItems':1,'maxItems':3,'items':" PART "},"
	"'tags':{'type':'array','maxItems':2,'items':{'type':'string','minLength':1,'maxLength':200}}"
	"}," MONEY_DEF ",'examples':[{'text':'one'},{'text':'two','n':[1,2.50]}]}";

static struct kw_err err;

/* The schema with its first `from` written `to`; apostrophes become quotes. */
static const char *changed(const char *from, const char *to)
{
	static char text[4000];
	const char *at = strstr(schema, from);
	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - schema), schema, to, at + strlen(from));
	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	return text;
}

static enum kw_rc same(const char *text)
{
	err = (struct kw_err) { 0 };
	return kw_json_same_as_schema(fields, text, strlen(text), &err);
}

static enum kw_rc reads(const struct kw_field *table, const char *text)
{
	err = (struct kw_err) { 0 };
	return kw_json_reads_schema(table, text, strlen(text), &err);
}

static void test_the_same(void **state)
{
	(void)state;
	if (same(changed("", "")) != KW_OK)
		fail_msg("%s: %s", err.pointer, err.reason);
	assert_int_equal(reads(fields, changed("", "")), KW_OK);
	/* ids from outside may be written as integers */
	assert_int_equal(
		same(changed("'id':{'type':'string'", "'id':{'type':['integer','string']")), KW_OK);
	assert_int_equal(same(changed("'title'", "'additionalProperties':true,'title'")), KW_OK);
}

/* Each with the pointer of the difference; reads: whether a reader with this table minds it too. */
static void test_every_difference(void **state)
{
	(void)state;
	static const struct {
		const char *from, *to, *pointer;
		bool reads;
	} rows[] = {
		{ "'type':'object'", "'type':'array'", "", false },
		{ "'title'", "'additionalProperties':false,'title'", "", false },
		{ "'yes':{'type':'boolean'},", "", "/yes", false },
		{ "'yes':{", "'no':{", "/yes", false },
		{ "'yes':{", "'more':{},'yes':{", "", true },
		{ "'required':['text',", "'required':['other','text',", "", true },
		{ "'required':['text',", "'required':[", "/text", false },
		{ "'required':['text',", "'required':['text','id',", "/id", true },
		{ "'text':{'type':'string'", "'text':{'type':'integer'", "/text", false },
		{ "'text':{'type':'string'", "'text':{'type':['integer','string']", "/text",
			false },
		{ "'text':{'type':'string'", "'text':{'x':1", "/text", false },
		{ "'text':{'type':'string'", "'text':{'type':'string','enum':['abc','abcd']",
			"/text", true },
		{ "'text':{'type':'string'", "'text':{'type':'string','enum':['abc','a']", "/text",
			false },
		{ "'text':{'type':'string'", "'text':{'type':'string','format':'uuid'", "/text",
			true },
		{ "'id':{'type':'string'", "'id':{'type':'string','format':'uuid'", "/id", false },
		{ "'minLength':2", "'minLength':1", "/text", false },
		{ "'minLength':2", "'minLength':3", "/text", true },
		{ "'minLength':2,", "", "/text", false },
		{ "'maxLength':50", "'maxLength':51", "/text", false },
		{ "'maxLength':50", "'maxLength':49", "/text", true },
		{ ",'maxLength':50", "", "/text", false },
		{ "'maxLength':50", "'maxLength':50.0", "/text", false },
		{ "'yes':{'type':'boolean'", "'yes':{'type':'integer'", "/yes", false },
		{ "'type':'integer'", "'type':'number'", "/number", false },
		{ "'minimum':-5", "'minimum':-6", "/number", false },
		{ "'minimum':-5", "'minimum':-4", "/number", true },
		{ "'minimum':-5,", "", "/number", false },
		{ "'maximum':9", "'maximum':10", "/number", false },
		{ "'maximum':9", "'maximum':8", "/number", true },
		{ ",'maximum':9", "", "/number", false },
		{ "'#/$defs/money'", "'#/$defs/other'", "/money", false },
		{ "'#/$defs/money'", "'https://other.example/money'", "/money", false },
		{ "['amount','currency']", "['amount']", "/money", false },
		{ "'amount':{'type':'string'}", "'amount':{'type':'number'}", "/money", false },
		{ "'amount':{", "'x':{},'amount':{", "/money", false },
		{ "'date-time'", "'date'", "/time", false },
		{ ",'format':'date-time'", "", "/time", false },
		{ ",'format':'uuid'", "", "/uuid", false },
		{ "['ROUTED','NEW']", "['ROUTED']", "/state", true },
		{ "['ROUTED','NEW']", "['ROUTED','NEW','GONE']", "/state", false },
		{ ",'enum':['ROUTED','NEW']", "", "/state", false },
		{ "['name']", "[]", "/part/name", false },
		{ "'maxLength':10", "'maxLength':11", "/part/name", false },
		{ "'minItems':1", "'minItems':0", "/parts", false },
		{ "'minItems':1", "'minItems':2", "/parts", true },
		{ "'maxItems':3", "'maxItems':4", "/parts", false },
		{ "'items':{'type':'object'", "'items':{'type':'string'", "/parts/*", false },
		{ "'items':{'type':'object','required':['name']", "'items':{'type':'object'",
			"/parts/*/name", false },
		{ "'items':", "'item':", "/parts/*", false },
		{ "'tags':{'type':'array','maxItems':2,'items'",
			"'tags':{'type':'array','maxItems':2,'item'", "/tags/*", false },
		{ "'maxLength':200", "'maxLength':201", "/tags/*", false },
	};
	for (size_t i = 0; i < KW_LEN(rows); i++) {
		const char *text = changed(rows[i].from, rows[i].to);
		if (same(text) != KW_INVALID)
			fail_msg("row %zu: %s for %s was not found", i, rows[i].to, rows[i].from);
		assert_string_equal(err.pointer, rows[i].pointer);
		assert_true(err.reason[0] && strcmp(err.code, "SYNTAX") != 0);
		if ((reads(fields, text) == KW_OK) != rows[i].reads)
			fail_msg("row %zu: %s for %s: a reader: %s", i, rows[i].to, rows[i].from,
				err.reason);
	}
}

static void test_a_reader_of_a_part(void **state)
{
	(void)state;
	/* an id of ours, a time and a state as plain texts, wider bounds, fewer members */
	static const struct kw_field part[] = {
		KW_STR_AS(struct all, text, "uuid", KW_REQUIRED, 36, 36),
		KW_STR_AS(struct all, text, "time", KW_OPTIONAL, 1, 40),
		KW_STR_AS(struct all, text, "state", KW_REQUIRED, 1, 6),
		KW_I64(struct all, number, KW_OPTIONAL, -100, 100),
		KW_END,
	};
	static const struct kw_field narrow[] = { KW_I64(struct all, number, KW_OPTIONAL, -5, 8),
		KW_END };
	static const struct kw_field wants[] = { KW_TIME(struct all, time, KW_REQUIRED), KW_END };
	const char *text = changed("", "");
	assert_int_equal(reads(part, text), KW_OK);
	assert_int_equal(reads(narrow, text), KW_INVALID);
	assert_string_equal(err.pointer, "/number");
	assert_int_equal(reads(wants, text), KW_INVALID);
	assert_string_equal(err.pointer, "/time");
	assert_int_equal(kw_json_same_as_schema(part, text, strlen(text), NULL), KW_INVALID);
}

static void test_a_table_is_what_it_describes(void **state)
{
	(void)state;
	KW_CLEANUP(kw_buf_done) struct kw_buf out;
	kw_buf_init(&out, 100000);
	kw_json_schema_of(fields, &out);
	assert_false(out.full);
	if (same(out.p) != KW_OK)
		fail_msg("%s: %s", err.pointer, err.reason);
	kw_buf_clear(&out);
	static const struct kw_field wide[] = {
		KW_STR(struct all, text, KW_OPTIONAL, 0, INT64_MAX),
		KW_I64(struct all, number, KW_OPTIONAL, INT64_MIN, INT64_MAX),
		KW_ARRAY(struct all, parts, KW_OPTIONAL, struct part, part_fields, 0, INT64_MAX),
		KW_END,
	};
	kw_json_schema_of(wide, &out);
	assert_int_equal(kw_json_same_as_schema(wide, out.p, out.n, &err), KW_OK);
	assert_null(strstr(out.p, "minimum"));
	assert_null(strstr(out.p, "maxItems"));
	assert_non_null(strstr(out.p, "\"#/$defs/money\""));
}

static void test_no_schema_at_all(void **state)
{
	(void)state;
	assert_int_equal(same(""), KW_INVALID);
	assert_string_equal(err.code, "SYNTAX");
	assert_int_equal(same("{\"type\":\"object\",\"type\":\"object\"}"), KW_INVALID);
	assert_string_equal(err.code, "SYNTAX");
	assert_int_equal(same("[]"), KW_INVALID);
	assert_int_equal(same("{}"), KW_INVALID);
}

static enum kw_rc collect(void *ctx, const char *json, size_t n, struct kw_err *e)
{
	assert_int_equal(strlen(json), n);
	char *all = ctx;
	memcpy(all + strlen(all), json, n + 1);
	return strstr(json, "stop") ? kw_fail(e, KW_CONFLICT, "stopped") : KW_OK;
}

static void test_examples(void **state)
{
	(void)state;
	char all[500] = "";
	const char *text = changed("", "");
	assert_int_equal(kw_json_schema_examples(text, strlen(text), collect, all, &err), KW_OK);
	assert_string_equal(all, "{\"text\":\"one\"}{\"text\":\"two\",\"n\":[1,2.5]}");
	text = changed("'one'", "'stop'");
	all[0] = '\0';
	assert_int_equal(
		kw_json_schema_examples(text, strlen(text), collect, all, &err), KW_CONFLICT);
	assert_string_equal(all, "{\"text\":\"stop\"}");
	text = changed("'examples':[{'text':'one'},{'text':'two','n':[1,2.50]}]", "'examples':[]");
	assert_int_equal(
		kw_json_schema_examples(text, strlen(text), collect, all, &err), KW_INVALID);
	assert_string_equal(err.pointer, "/examples");
	assert_int_equal(kw_json_schema_examples("{}", 2, collect, all, &err), KW_INVALID);
	assert_int_equal(kw_json_schema_examples("{", 1, collect, all, &err), KW_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same),
		cmocka_unit_test(test_every_difference),
		cmocka_unit_test(test_a_reader_of_a_part),
		cmocka_unit_test(test_a_table_is_what_it_describes),
		cmocka_unit_test(test_no_schema_at_all),
		cmocka_unit_test(test_examples),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
