/* Rows of the right types (CASE 0), and one wrong row for each kind: see json_types_test.sh. */
#include "json/field.h"

struct part {
	int64_t number;
};

struct all {
	const char *text;
	char *own_text;
	bool yes;
	int64_t number;
	int small;
	struct kw_money money;
	kw_time time;
	struct kw_uuid id;
	struct part *parts;
	const char **texts;
	size_t n_parts, n_texts;
	int n_wrong;
};

static const char *const names[] = { "A", "B" };
static const struct kw_strtab table = KW_STRTAB(names);
static const struct kw_field part_fields[] = { KW_I64(struct part, number, KW_REQUIRED, 0, 9),
	KW_END };

extern const struct kw_field rows[];
const struct kw_field rows[] = {
	KW_STR(struct all, own_text, KW_OPTIONAL, 0, 9),
	KW_ENUM(struct all, small, KW_OPTIONAL, &table),
	KW_OBJECT(struct all, parts, KW_OPTIONAL, struct part, part_fields),
	KW_ARRAY(struct all, parts, KW_OPTIONAL, struct part, part_fields, 0, 9),
#if CASE == 1
	KW_STR(struct all, number, KW_OPTIONAL, 0, 9),
#elif CASE == 2
	KW_ID(struct all, number, KW_OPTIONAL, 0, 9),
#elif CASE == 3
	KW_BOOL(struct all, small, KW_OPTIONAL),
#elif CASE == 4
	KW_I64(struct all, small, KW_OPTIONAL, 0, 9),
#elif CASE == 5
	KW_MONEY(struct all, number, KW_OPTIONAL),
#elif CASE == 6
	KW_TIME(struct all, small, KW_OPTIONAL),
#elif CASE == 7
	KW_UUID(struct all, text, KW_OPTIONAL),
#elif CASE == 8
	KW_ENUM(struct all, number, KW_OPTIONAL, &table),
#elif CASE == 9
	KW_OBJECT(struct all, text, KW_OPTIONAL, struct part, part_fields),
#elif CASE == 10
	KW_ARRAY(struct all, texts, KW_OPTIONAL, struct part, part_fields, 0, 9),
#elif CASE == 11
	KW_ARRAY_AS(
		struct all, parts, n_wrong, "parts", KW_OPTIONAL, struct part, part_fields, 0, 9),
#elif CASE == 12
	KW_STRS(struct all, text, KW_OPTIONAL, 0, 9),
#elif CASE == 13
	KW_STRS_AS(struct all, texts, n_wrong, "texts", KW_OPTIONAL, 0, 9),
#else
	KW_STR(struct all, text, KW_REQUIRED, 1, 9),
	KW_ID_AS(struct all, text, "id_text", KW_REQUIRED, 1, 9),
	KW_BOOL(struct all, yes, KW_REQUIRED),
	KW_I64(struct all, number, KW_REQUIRED, 0, 9),
	KW_MONEY(struct all, money, KW_REQUIRED),
	KW_TIME(struct all, time, KW_REQUIRED),
	KW_UUID(struct all, id, KW_REQUIRED),
	KW_STRS(struct all, texts, KW_REQUIRED, 0, 9),
#endif
	KW_END,
};
