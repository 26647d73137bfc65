-- The running service: its own schema only, and nothing is ever deleted. The operators' login reads.
CALL grant_flow('karwan_dispatch');
GRANT SELECT, INSERT, UPDATE ON orders, parcels, scans, exceptions TO karwan_dispatch;
GRANT SELECT, INSERT ON cancelled_fulfilments, refusals, requests TO karwan_dispatch;
