-- One form of drift in all schemas: what must hold, of what, in which part of it, and how the two sides differ.
ALTER VIEW drift RENAME TO drift_of_rows;
CREATE VIEW drift AS
	SELECT upper(invariant) AS rule, subject AS entity, 'rows'::text AS part, 'what the other rows say'::text AS should, detail AS "is"
	FROM drift_of_rows;
GRANT SELECT ON drift TO karwan_routing, karwan_operator;
