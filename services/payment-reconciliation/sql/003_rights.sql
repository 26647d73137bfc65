-- The running service: its own schema only. The ledger, and what was earned: INSERT and SELECT.
CALL grant_flow('karwan_payment');
GRANT SELECT, INSERT, UPDATE ON expectations, order_lines, shares, provider_events, payments, exceptions TO karwan_payment;
GRANT SELECT, INSERT ON transactions, postings, earnings TO karwan_payment;
GRANT SELECT ON balances, order_balances, payment_nets, drift TO karwan_payment;
