-- name: end_unless_done
-- Writes an outcome once. Returns the rows that it was written for.
UPDATE operations SET
    stage = 'done', outcome = :outcome, reason = :reason, done_at = :now, not_before = NULL,
    revert_data = :revert_data, revert_name = :revert_name, revert_args = :revert_args
WHERE id IN (SELECT value FROM json_each(:ids)) AND stage <> 'done'
RETURNING id;

-- name: return_unless_done
-- Back to the queue. Returns the rows that went. With :batch_id only those that still ride in it: one that came back
-- early and rides elsewhere by now is not this batch's to return.
UPDATE operations SET
    stage = CASE stage WHEN 'waiting' THEN 'waiting' ELSE 'queued' END,
    lane = NULL, batch_id = NULL, position = NULL,
    form = coalesce(:form, form), retries = :retries, not_before = :not_before, reason = :reason,
    revert_data = :revert_data, revert_name = :revert_name, revert_args = :revert_args
WHERE id IN (SELECT value FROM json_each(:ids)) AND stage <> 'done'
  AND (:batch_id IS NULL OR batch_id = :batch_id)
RETURNING id;

-- name: reasons
SELECT id, reason FROM operations WHERE id IN (SELECT value FROM json_each(:ids));

-- name: hold_unless_predecessor_has_effect
-- Of those just returned: what they come after is not on the chain (any more).
UPDATE operations SET stage = 'waiting'
WHERE id IN (SELECT value FROM json_each(:ids)) AND stage = 'queued' AND after IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM operations_with_effect AS e WHERE e.id = operations.after);

-- name: cancel_if_hopeless
-- Ends those that wait for something that has ended and will never be on the chain.
UPDATE operations SET
    stage = 'done', outcome = 'cancelled', done_at = :now, not_before = NULL,
    reason = (SELECT 'operation ' || p.id || ', which it comes after, ended ' || p.outcome
              FROM operations AS p WHERE p.id = operations.after),
    revert_data = NULL, revert_name = NULL, revert_args = NULL
WHERE id IN (SELECT value FROM json_each(:ids)) AND stage = 'waiting'
  AND EXISTS (SELECT 1 FROM operations AS p
              WHERE p.id = operations.after AND p.outcome IN ('conflict', 'rejected', 'expired', 'cancelled'))
RETURNING id, outcome, reason, revert_data, revert_name, revert_args;

-- name: promote_followers
-- Queues whoever waited for one of these, if its effect is there.
UPDATE operations INDEXED BY operations_after SET stage = 'queued'
WHERE stage = 'waiting' AND after IN (
    SELECT ids.value FROM json_each(:ids) AS ids
    WHERE EXISTS (SELECT 1 FROM operations_with_effect AS e WHERE e.id = ids.value)
);

-- name: hold_followers
-- Whoever comes after one of these and is not signed for waits again, if its effect is not there.
UPDATE operations INDEXED BY operations_after SET stage = 'waiting', lane = NULL
WHERE stage IN ('queued', 'claimed') AND after IN (
    SELECT ids.value FROM json_each(:ids) AS ids
    WHERE NOT EXISTS (SELECT 1 FROM operations_with_effect AS e WHERE e.id = ids.value)
);

-- name: cancel_followers
-- Ends whoever comes after one of these, which ended without effect. One step; its own followers are the next.
UPDATE operations INDEXED BY operations_after SET
    stage = 'done', outcome = 'cancelled', done_at = :now, not_before = NULL,
    reason = (SELECT 'operation ' || p.id || ', which it comes after, ended ' || p.outcome
              FROM operations AS p WHERE p.id = operations.after),
    revert_data = NULL, revert_name = NULL, revert_args = NULL
WHERE stage IN ('waiting', 'queued', 'claimed') AND after IN (SELECT value FROM json_each(:ids))
RETURNING id, outcome, reason, revert_data, revert_name, revert_args;

-- name: add_notes
INSERT INTO notes (at, subject, text)
SELECT column1, column2, column3 FROM (VALUES :rows) WHERE column1 IS NOT NULL;
