-- Exceptions are worked: who owns one, who ended it and why; each change is a new version.
ALTER TABLE exceptions
	ADD COLUMN owner text NOT NULL DEFAULT 'fulfilment',
	ADD COLUMN version bigint NOT NULL DEFAULT 1 CHECK (version > 0),
	ADD COLUMN resolution text CHECK (resolution IN ('KEEP', 'CANCEL_ORDER')),
	ADD COLUMN resolved_by text,
	ADD COLUMN note text,
	ADD COLUMN changed_at timestamptz;
UPDATE exceptions SET version = 2, resolution = 'KEEP', resolved_by = 'operator', note = 'closed by hand' WHERE state = 'CLOSED';
ALTER TABLE exceptions
	ADD CHECK ((state = 'CLOSED') = (version > 1)),
	ADD CHECK (state = 'OPEN' OR (resolution IS NOT NULL AND resolved_by IS NOT NULL AND note IS NOT NULL));

-- The same columns in every schema that has exceptions: karwanctl and the edge read it.
CREATE VIEW exception_list AS
	SELECT exception_id, kind, state, version, owner, coalesce(detail, kind) AS reason, order_id, NULL::uuid AS payment_id,
		concat_ws(' ', channel, external_id, field) AS about, body, opened_at, coalesce(changed_at, opened_at) AS changed_at,
		resolution, resolved_by, note
	FROM exceptions;

REVOKE UPDATE (state) ON exceptions FROM karwan_operator;
GRANT UPDATE (state, version, resolution, resolved_by, note, changed_at) ON exceptions TO karwan_routing;
GRANT SELECT ON exception_list TO karwan_routing, karwan_operator;
