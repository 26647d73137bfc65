/* Stripe (https://docs.stripe.com/webhooks): payment_intent.succeeded,
 * payment_intent.payment_failed, charge.refunded. */
#ifndef PAYMENT_STRIPE_H
#define PAYMENT_STRIPE_H

#include "adapters/adapter.h"

extern const struct provider_adapter stripe_adapter;

#endif
