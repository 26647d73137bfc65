-- Exceptions are worked: who ended one and why; each change of state is a new version. RESOLVED: it ended by itself;
-- CLOSED: a person said that it stands. What happens again opens it again.
ALTER TABLE exceptions
	ADD COLUMN version bigint NOT NULL DEFAULT 1,
	ADD COLUMN resolution text CHECK (resolution = 'KEEP'),
	ADD COLUMN resolved_by text,
	ADD COLUMN note text,
	ADD COLUMN changed_at timestamptz,
	DROP CONSTRAINT exceptions_state_check,
	ADD CONSTRAINT exceptions_state_check CHECK (state IN ('OPEN', 'RESOLVED', 'CLOSED'));

CREATE FUNCTION exception_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.version := OLD.version + 1;
	IF NEW.state = 'OPEN' THEN
		NEW.resolution := NULL;
		NEW.resolved_by := NULL;
		NEW.note := NULL;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER version BEFORE UPDATE ON exceptions FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION exception_version();

-- The same columns in every schema that has exceptions: karwanctl and the edge read it.
CREATE VIEW exception_list AS
	SELECT exception_id, kind, state, version, 'fulfilment'::text AS owner, reason, order_id, NULL::uuid AS payment_id,
		concat_ws(' ', 'parcel ' || parcel_id, courier, occurrences || ' times') AS about, NULL::text AS body, opened_at,
		greatest(changed_at, updated_at) AS changed_at, resolution, resolved_by, note
	FROM exceptions;
GRANT SELECT ON exception_list TO karwan_dispatch, karwan_operator;
