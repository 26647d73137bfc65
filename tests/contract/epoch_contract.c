/* The barrier of an epoch. PostgreSQL writes it (begin_epoch in common/flow/sql), so no service has
 * its table. */
#include "json/contract.h"

struct epoch_started {
	int64_t epoch, last_good_number;
};

/* ce_sequence has 6 digits for the epoch. */
static const struct kw_field epoch_started_fields[] = {
	KW_I64(struct epoch_started, epoch, KW_REQUIRED, 2, 999999),
	KW_I64(struct epoch_started, last_good_number, KW_REQUIRED, 0, INT64_MAX),
	KW_END,
};

extern const struct kw_contract_row epoch_contract[];
const struct kw_contract_row epoch_contract[] = {
	{ "karwan.epoch.started.v1", epoch_started_fields, sizeof(struct epoch_started),
		KW_CONTRACT_OUT },
	{ 0 },
};
