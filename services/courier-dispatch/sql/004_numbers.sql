-- Scans that an aggregator reports by courier and tracking number. Order of locks: orders, scans without a parcel, parcels,
-- all others.

-- When it got its number: numbers are used again.
ALTER TABLE parcels ADD booked_at timestamptz;
UPDATE parcels p SET booked_at = coalesce((SELECT min(j.time) FROM journal j
	WHERE j.key = p.parcel_id::text AND j.type = 'karwan.parcel.booked.v1'), p.changed_at) WHERE p.tracking_number IS NOT NULL;
CREATE INDEX parcels_number ON parcels (upper(tracking_number)) WHERE tracking_number IS NOT NULL;

-- carrier: whose scan it is, in the aggregator's words. subject: the key of a message that named no parcel.
ALTER TABLE scans ALTER parcel_id DROP NOT NULL;
ALTER TABLE scans ADD carrier text;
ALTER TABLE scans ADD subject uuid;
ALTER TABLE scans ADD trace text NOT NULL DEFAULT ''; -- of its message, for what a scan that waits does later
ALTER TABLE scans ADD CHECK (parcel_id IS NOT NULL OR standing = 'PENDING');
ALTER TABLE scans ADD CHECK (subject IS NULL OR (carrier IS NOT NULL AND tracking_number IS NOT NULL));
CREATE INDEX scans_subject ON scans (subject) WHERE subject IS NOT NULL;
CREATE INDEX scans_unmatched ON scans (arrived_at) WHERE standing = 'PENDING' AND parcel_id IS NULL;

ALTER VIEW drift RENAME TO drift_of_parcels;
CREATE VIEW drift AS
	SELECT * FROM drift_of_parcels
UNION ALL -- what came by a number went to a parcel with this number
	SELECT 'SCAN_NUMBER', s.courier || ' ' || s.event_id, 'tracking_number', s.tracking_number, coalesce(p.tracking_number, '')
		FROM scans s LEFT JOIN parcels p USING (parcel_id)
		WHERE s.subject IS NOT NULL AND s.parcel_id IS NOT NULL AND upper(p.tracking_number) IS DISTINCT FROM s.tracking_number
UNION ALL
	SELECT 'BOOKED_AT', parcel_id::text, 'booked_at', 'a time', coalesce(booked_at::text, 'none')
		FROM parcels WHERE (tracking_number IS NULL) <> (booked_at IS NULL);
GRANT SELECT ON drift TO karwan_operator;
