-- name: add_operations_if_new
-- Saves each, which comes after nothing, unless its id is here already or belongs to a task request
-- (column16: it follows from the answer to that), or an unfinished operation wants the same effect.
INSERT INTO operations (
    id, content, workload, kind, form, chain, subject, payload, received_at, after, wait_until, deadline,
    deadline_block, retries, sender, stage
)
SELECT
    column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11, column12,
    column13, column14, column15, 'queued'
FROM (VALUES :rows)
WHERE column1 IS NOT NULL
  AND (column16 OR NOT EXISTS (SELECT 1 FROM evaluations AS v WHERE v.operation = column1))
ON CONFLICT DO NOTHING;

-- name: add_followers_if_new
-- The same for those that come after another, which must be here.
INSERT INTO operations (
    id, content, workload, kind, form, chain, subject, payload, received_at, after, wait_until, deadline,
    deadline_block, retries, sender, stage
)
SELECT
    column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11, column12,
    column13, column14, column15,
    CASE WHEN EXISTS (SELECT 1 FROM operations_with_effect AS e WHERE e.id = column10)
         THEN 'queued' ELSE 'waiting' END
FROM (VALUES :rows)
WHERE column1 IS NOT NULL
  AND (column16 OR NOT EXISTS (SELECT 1 FROM evaluations AS v WHERE v.operation = column1))
  AND EXISTS (SELECT 1 FROM operations AS p WHERE p.id = column10)
ON CONFLICT DO NOTHING;

-- name: newest_operations
-- Those that came last have the highest numbers: none is ever taken away, so that none is given twice.
SELECT id FROM operations WHERE seq > :above;

-- name: what_is_here
-- Of each id: the content of the operation that has it, and whether a task request has it.
SELECT ids.value AS id, o.content, EXISTS (SELECT 1 FROM evaluations AS v WHERE v.operation = ids.value) AS asked
FROM json_each(:ids) AS ids LEFT JOIN operations AS o ON o.id = ids.value;

-- name: wake_rested
-- Ends the rest of those whose time has come; they keep their place in the queue.
UPDATE operations SET not_before = NULL WHERE not_before IS NOT NULL AND not_before <= :now;

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

-- name: first_rest_over
SELECT min(not_before) FROM operations WHERE not_before IS NOT NULL;

-- name: what_waits
-- How many a lane could claim now, of a long queue the first :ready_most; how many are neither sealed nor done; and
-- whether one of these can no longer land (as `end_overdue` has it).
SELECT
    (SELECT count(*) FROM (
        SELECT 1 FROM operations
        WHERE stage = 'queued' AND not_before IS NULL AND chain = :chain
          AND workload IN (SELECT value FROM json_each(:workloads)) AND (sender IS NULL OR sender = :lane)
        LIMIT :ready_most))
  + (SELECT count(*) FROM operations
     WHERE stage = 'queued' AND not_before IS NOT NULL AND not_before <= :now AND chain = :chain
       AND workload IN (SELECT value FROM json_each(:workloads)) AND (sender IS NULL OR sender = :lane)) AS ready,
    coalesce((SELECT operations FROM backlogs WHERE chain = :chain), 0) AS backlog,
    EXISTS (
        SELECT 1 FROM operations
        WHERE chain = :chain AND deadline_block <= :head AND outcome IS NULL
          AND stage IN ('waiting', 'queued', 'claimed'))
 OR EXISTS (
        SELECT 1 FROM operations
        WHERE chain = :chain AND deadline <= :now AND outcome IS NULL
          AND stage IN ('waiting', 'queued', 'claimed'))
 OR EXISTS (
        SELECT 1 FROM operations
        WHERE chain = :chain AND wait_until <= :now AND stage = 'waiting'
          AND NOT EXISTS (SELECT 1 FROM operations AS p WHERE p.id = operations.after AND p.stage = 'sealed')
    ) AS overdue;

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
