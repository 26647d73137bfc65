-- The running service: its own schema only; what was moved, given, decided and said is never
-- changed. Operators keep the rules and close exceptions.
GRANT SELECT, INSERT, UPDATE ON makers, hubs, listings, orders, order_lines, fulfilments, stock,
	capacity TO karwan_routing;
GRANT SELECT, INSERT, UPDATE, DELETE ON publications, parked, wakes, sales TO karwan_routing;
GRANT SELECT, INSERT ON allocations, stock_movements, decisions, order_messages, order_payments,
	cancel_requests, exceptions TO karwan_routing;
GRANT SELECT ON rules, drift, held, decision_log TO karwan_routing;
CALL grant_flow('karwan_routing');
GRANT INSERT, UPDATE, DELETE ON rules TO karwan_operator;
GRANT UPDATE (state) ON exceptions TO karwan_operator;
