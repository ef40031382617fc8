-- A long queue is counted at every head without a look at its rows: an index answers alone only if it has every column
-- that is asked about, those of its own condition included.

DROP INDEX operations_queue;
CREATE INDEX operations_queue ON operations (chain, workload, seq, sender, not_before, stage)
    WHERE stage = 'queued' AND not_before IS NULL;

DROP INDEX operations_backlog;
CREATE INDEX operations_backlog ON operations (chain, batch_id, outcome) WHERE batch_id IS NULL AND outcome IS NULL;
