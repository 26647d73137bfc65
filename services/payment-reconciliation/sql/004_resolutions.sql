-- Exceptions are worked: what a person decided, who and why. ACCEPTED: the fault is still there, and stands.
ALTER TABLE exceptions
	ADD COLUMN resolution text CHECK (resolution IN ('KEEP', 'ASSIGN_ORDER')),
	ADD COLUMN resolved_by text,
	ADD COLUMN note text,
	DROP CONSTRAINT exceptions_state_check,
	ADD CONSTRAINT exceptions_state_check CHECK (state IN ('OPEN', 'ACCEPTED', 'RESOLVED')),
	ADD CHECK (state <> 'ACCEPTED' OR (resolution IS NOT NULL AND resolved_by IS NOT NULL AND note IS NOT NULL));

-- The same columns in every schema that has exceptions: karwanctl and the edge read it.
CREATE VIEW exception_list AS
	SELECT exception_id, kind, state, version, owner, reason, order_id, payment_id,
		concat_ws(' ', 'expected', expected::text, expected_currency, 'received', received::text, received_currency) AS about,
		NULL::text AS body, opened_at, changed_at, resolution, resolved_by, note
	FROM exceptions;
GRANT SELECT ON exception_list TO karwan_payment, karwan_operator;

-- A fault that a person accepted is still there: the bits of the row are what is open or accepted.
DO $$
DECLARE
	was text := pg_get_viewdef('drift'::regclass);
	now text := replace(was, $x$x.state = 'OPEN'::text$x$, $x$x.state IN ('OPEN', 'ACCEPTED')$x$);
BEGIN
	ASSERT now <> was, 'the view drift is not the one that is to be changed';
	EXECUTE 'CREATE OR REPLACE VIEW drift AS ' || now;
END $$;
