-- An operation may be bound to one account: a claim is paid to whoever sends it.

ALTER TABLE operations ADD COLUMN sender BLOB CHECK (length(sender) = 20);  -- NULL: any lane may send it

CREATE TRIGGER operations_sender_is_wished BEFORE UPDATE OF sender ON operations
BEGIN
    SELECT RAISE(ABORT, 'what was asked never changes');
END;

CREATE TRIGGER operations_travel_in_their_senders_lane BEFORE UPDATE OF lane ON operations
WHEN NEW.sender IS NOT NULL AND NEW.lane IS NOT NULL AND NEW.lane <> NEW.sender
BEGIN
    SELECT RAISE(ABORT, 'an operation travels in the lane of its sender');
END;
