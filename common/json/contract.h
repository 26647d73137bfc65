/* What a service reads and writes, as rows that the contract test compares with schemas/events.
 * Const tables; each service exports `const struct kw_contract_row <name>_contract[]`, ended by a
 * row of zeros. */
#ifndef KW_JSON_CONTRACT_H
#define KW_JSON_CONTRACT_H

#include <stddef.h>

#include "json/field.h"

enum kw_contract_side {
	KW_CONTRACT_OUT, /* we write it: the table and the schema say exactly the same */
	KW_CONTRACT_IN,  /* we only read it: what the schema allows, the table accepts */
};

struct kw_contract_row {
	const char *type; /* "karwan.order.received.v1"; NULL ends the table */
	const struct kw_field *fields;
	size_t size; /* of the struct */
	enum kw_contract_side side;
};

#endif
