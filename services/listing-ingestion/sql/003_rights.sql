CALL grant_flow('karwan_listing');
GRANT SELECT, INSERT, UPDATE ON records, national_ids, availability, exceptions TO karwan_listing;
GRANT SELECT ON drift TO karwan_operator;
-- an operator's command never reads a national id
REVOKE SELECT ON national_ids FROM karwan_operator;
