-- What a person may say about a lane and about one transaction of it; see headrace.core.lanes.

ALTER TABLE lanes ADD COLUMN drained_at REAL;  -- since then it seals no batch; NULL: it works

-- What is under way goes on, and a gap is still filled: only a new batch is refused.
CREATE TRIGGER lanes_drained_seal_no_batch BEFORE INSERT ON transactions WHEN NEW.batch_id IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'a drained lane seals no batch') FROM lanes
    WHERE chain = NEW.chain AND lane = NEW.lane AND drained_at IS NOT NULL;
END;

-- A person cancelled it: what becomes of its operations once the nonce is final without them.
ALTER TABLE transactions ADD COLUMN cancelled TEXT CHECK (cancelled IN ('return', 'end'));

CREATE TRIGGER transactions_a_cancel_is_not_taken_back BEFORE UPDATE OF cancelled ON transactions
WHEN (OLD.cancelled IS NOT NULL AND NEW.cancelled IS NULL) OR (OLD.cancelled = 'end' AND NEW.cancelled = 'return')
BEGIN
    SELECT RAISE(ABORT, 'a cancel is not taken back');
END;
