/* The contract of payment-reconciliation: what it reads and writes, for the test that compares it
 * with schemas/events. */
#ifndef PAYMENT_FIELDS_H
#define PAYMENT_FIELDS_H

#include "json/contract.h"

extern const struct kw_contract_row payment_contract[];

#endif
