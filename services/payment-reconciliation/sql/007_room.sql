-- A row is changed about three times within a minute of its making: with room in its page, no index is touched.
ALTER TABLE expectations SET (fillfactor = 40);
