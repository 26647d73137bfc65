# Tests of services/payment-reconciliation that need no server.
if(TARGET kw_payment)
  kw_test(payment_states unit SOURCES payment_states_test.c USES kw_payment)
  kw_test(payment_rules unit SOURCES payment_rules_test.c USES kw_payment)
  kw_test(payment_arrival unit SOURCES payment_arrival_test.c USES kw_payment)
  kw_test(payment_adapters unit SOURCES payment_adapters_test.c USES kw_payment)
endif()
