-- name: add_operation_if_new
-- Saves it, unless its id is here already or an unfinished operation wants the same effect.
INSERT INTO operations (
    id, content, workload, kind, form, chain, subject, payload, received_at, after, wait_until, deadline,
    deadline_block, retries, sender, stage
) VALUES (
    :id, :content, :workload, :kind, :form, :chain, :subject, :payload, :received_at, :after, :wait_until, :deadline,
    :deadline_block, :retries, :sender, :stage
) ON CONFLICT DO NOTHING;

-- name: content_of_operation
SELECT content FROM operations WHERE id = :id;

-- name: predecessor_has_effect
-- Returns no row when there is no such operation.
SELECT EXISTS (SELECT 1 FROM operations_with_effect AS e WHERE e.id = o.id) AS has_effect
FROM operations AS o WHERE o.id = :id;

-- name: wake_rested
-- Ends the rest of those whose time has come; they keep their place in the queue.
UPDATE operations SET not_before = NULL
WHERE stage = 'queued' AND not_before IS NOT NULL AND not_before <= :now;

-- name: claim_oldest_queued
-- Moves up to :most into one lane's hands, of those that it may send. Two claimers never get the same operation.
UPDATE operations SET stage = 'claimed', lane = :lane
WHERE seq IN (
    SELECT seq FROM operations
    WHERE stage = 'queued' AND not_before IS NULL AND chain = :chain AND workload = :workload
      AND (sender IS NULL OR sender = :lane)
    ORDER BY seq LIMIT :most
)
RETURNING *;

-- name: count_ready
SELECT
    (SELECT count(*) FROM operations
     WHERE stage = 'queued' AND not_before IS NULL AND chain = :chain AND workload = :workload
       AND (sender IS NULL OR sender = :lane))
  + (SELECT count(*) FROM operations
     WHERE stage = 'queued' AND not_before IS NOT NULL AND not_before <= :now AND chain = :chain AND workload = :workload
       AND (sender IS NULL OR sender = :lane));

-- name: count_backlog
SELECT count(*) FROM operations WHERE chain = :chain AND batch_id IS NULL AND outcome IS NULL;

-- name: release_claimed
-- As if nothing had happened. Whoever is not claimed (any more) stays where it is.
UPDATE operations SET stage = 'queued', lane = NULL
WHERE id IN (SELECT value FROM json_each(:ids)) AND stage = 'claimed';

-- name: end_overdue
-- Ends whatever is not sealed and can no longer land: the coming block is head + 1. Who waits for something that is
-- signed for waits on: that may be mined any time, and was perhaps, before its block was uncled.
UPDATE operations SET
    stage = 'done', outcome = 'expired', done_at = :now, not_before = NULL,
    reason = CASE
        WHEN deadline_block <= :head THEN
            printf('it had to land in block %d at the latest, and the chain is at %d', deadline_block, :head)
        WHEN deadline <= :now THEN printf('its deadline passed %.1f s ago', :now - deadline)
        ELSE printf('operation %s was not on the chain in time for it', after)
    END || CASE reason WHEN '' THEN '' ELSE '; before that: ' || reason END
WHERE seq IN (
    SELECT seq FROM operations
    WHERE chain = :chain AND deadline_block <= :head AND outcome IS NULL AND stage IN ('waiting', 'queued', 'claimed')
    UNION ALL
    SELECT seq FROM operations
    WHERE chain = :chain AND deadline <= :now AND outcome IS NULL AND stage IN ('waiting', 'queued', 'claimed')
    UNION ALL
    SELECT seq FROM operations
    WHERE chain = :chain AND wait_until <= :now AND stage = 'waiting'
      AND NOT EXISTS (SELECT 1 FROM operations AS p WHERE p.id = operations.after AND p.stage = 'sealed')
)
RETURNING id, outcome, reason, revert_data, revert_name, revert_args;

-- name: cancel_unless_sealed
-- Returns no row when it is signed for, done, or not here.
UPDATE operations SET
    stage = 'done', outcome = 'cancelled', reason = :reason, done_at = :now, not_before = NULL,
    revert_data = NULL, revert_name = NULL, revert_args = NULL
WHERE id = :id AND stage IN ('waiting', 'queued', 'claimed')
RETURNING id, outcome, reason, revert_data, revert_name, revert_args;

-- name: has_evaluation
SELECT 1 FROM evaluations WHERE operation = :operation;
