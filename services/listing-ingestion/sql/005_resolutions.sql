-- Exceptions are worked: who ended one and why; each change of state is a new version.
ALTER TABLE exceptions
	ADD COLUMN version bigint NOT NULL DEFAULT 1,
	ADD COLUMN resolution text CHECK (resolution = 'KEEP'),
	ADD COLUMN resolved_by text,
	ADD COLUMN note text,
	ADD COLUMN changed_at timestamptz;

CREATE FUNCTION exception_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.version := OLD.version + 1;
	RETURN NEW;
END $$;
CREATE TRIGGER version BEFORE UPDATE ON exceptions FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION exception_version();

-- The same columns in every schema that has exceptions: karwanctl and the edge read it.
CREATE VIEW exception_list AS
	SELECT exception_id, kind, state, version, owner, reason, NULL::uuid AS order_id, NULL::uuid AS payment_id,
		concat_ws(' ', entity_kind, entity_id, 'version', source_version) AS about, body, opened_at,
		coalesce(changed_at, opened_at) AS changed_at, resolution, resolved_by, note
	FROM exceptions;
GRANT SELECT ON exception_list TO karwan_listing, karwan_operator;
