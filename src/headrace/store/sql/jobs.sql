-- name: add_job_if_new
INSERT INTO jobs (
    id, content, owner, environment, created_at, max_duration_s, queue_max_wait_s, metadata, terms, algorithm,
    status, status_at, settlement
) VALUES (
    :id, :content, :owner, :environment, :created_at, :max_duration_s, :queue_max_wait_s, :metadata, :terms,
    :algorithm, :status, :status_at, :settlement
) ON CONFLICT (id) DO NOTHING;

-- name: job
SELECT * FROM jobs WHERE id = :id;

-- name: job_of_operation
SELECT * FROM jobs WHERE operation = :operation;

-- name: step_job_if_still_there
-- Changes no row when somebody was first. Writes the run's columns only. A locked payment is due when the run ends.
UPDATE jobs SET
    status = :after, status_at = :at,
    build_started_at = :build_started_at, build_ended_at = :build_ended_at,
    started_at = :started_at, seen_running_at = :seen_running_at, stopped_at = :stopped_at,
    ended_as = :ended_as, ended_at = :ended_at, ended_detail = :ended_detail,
    exit_code = :exit_code, out_of_memory = :out_of_memory,
    settlement = CASE WHEN :ended_as IS NOT NULL AND settlement = 'unsettled' THEN 'due' ELSE settlement END
WHERE id = :id AND status = :before;

-- name: see_job_running_if_later
UPDATE jobs SET seen_running_at = :seen_running_at
WHERE id = :id AND status = :before AND seen_running_at < :seen_running_at;

-- name: request_stop_once
-- Its own column, whatever is written about the run meanwhile.
UPDATE jobs SET stop_requested_at = :now WHERE id = :id AND stop_requested_at IS NULL AND ended_as IS NULL;

-- name: record_lock_unless_claiming
-- As it was mined, or mined again elsewhere.
UPDATE jobs SET
    lock_amount = :amount, lock_expiry = :expiry, lock_transaction = :transaction, lock_block = :block,
    settlement = CASE WHEN settlement = 'awaiting_lock'
                      THEN CASE WHEN ended_as IS NULL THEN 'unsettled' ELSE 'due' END
                      ELSE settlement END
WHERE id = :id AND settlement IN ('awaiting_lock', 'unsettled', 'due', 'needs_operator');

-- name: record_no_lock_if_awaited
UPDATE jobs SET settlement = 'no_lock', reason = :reason
WHERE id = :id AND settlement = 'awaiting_lock' AND ended_as IS NOT NULL;

-- name: end_run_without_lock_if_awaited
-- The run could not begin, and is over with it.
UPDATE jobs SET
    settlement = 'no_lock', reason = :reason, status = 2, status_at = :now,
    ended_as = 2, ended_at = :now, ended_detail = :reason, out_of_memory = 0
WHERE id = :id AND settlement = 'awaiting_lock' AND ended_as IS NULL;

-- name: change_settlements_if_still_there
-- Changes and returns those where nobody was first. Proof takes a job from 71 to 70; how a run failed stays what it is.
UPDATE jobs SET
    settlement = changes.column2, reason = changes.column3, move = changes.column4, amount = changes.column5,
    operation = changes.column6, proof_transaction = changes.column7, proof_block = changes.column8,
    claims = claims + (changes.column2 = 'claiming'),
    status = CASE WHEN status = 71 AND changes.column2 IN ('claimed', 'released', 'canceled') THEN 70 ELSE status END
FROM (VALUES :rows) AS changes
WHERE jobs.id = changes.column1 AND jobs.settlement = changes.column9 AND jobs.operation IS changes.column10
RETURNING id, status;

-- name: add_job_events
INSERT INTO job_events (job_seq, at, received_at, status, settlement, detail)
SELECT j.seq, column2, column3, column4, column5, column6
FROM (VALUES :rows) CROSS JOIN jobs AS j ON j.id = column1;

-- name: was_reported
SELECT 1 FROM jobs AS j CROSS JOIN job_events AS e ON e.job_seq = j.seq
WHERE j.id = :id AND e.status = :status AND e.at = :at;

-- name: job_history
SELECT e.* FROM jobs AS j CROSS JOIN job_events AS e ON e.job_seq = j.seq WHERE j.id = :id ORDER BY e.seq;

-- name: newest_jobs
SELECT * FROM jobs
WHERE created_at >= :created_from AND (created_at, seq) < (:cursor_at, :cursor_seq)
ORDER BY created_at DESC, seq DESC LIMIT :limit;

-- name: newest_jobs_of_owner
SELECT * FROM jobs
WHERE owner = :owner AND created_at >= :created_from AND (created_at, seq) < (:cursor_at, :cursor_seq)
  AND (:environments IS NULL OR environment IN (SELECT value FROM json_each(:environments)))
  AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
ORDER BY created_at DESC, seq DESC LIMIT :limit;

-- name: newest_jobs_in_status
SELECT * FROM jobs
WHERE status = :status AND created_at >= :created_from AND (created_at, seq) < (:cursor_at, :cursor_seq)
  AND (:environments IS NULL OR environment IN (SELECT value FROM json_each(:environments)))
ORDER BY created_at DESC, seq DESC LIMIT :limit;

-- name: newest_jobs_in_environment
SELECT * FROM jobs
WHERE environment = :environment AND created_at >= :created_from AND (created_at, seq) < (:cursor_at, :cursor_seq)
ORDER BY created_at DESC, seq DESC LIMIT :limit;

-- name: jobs_to_settle
SELECT * FROM jobs
WHERE settlement = :settlement
  AND settlement IN ('awaiting_lock', 'unsettled', 'due', 'claiming', 'needs_operator')
  AND seq > coalesce((SELECT a.seq FROM jobs AS a WHERE a.id = :after), 0)
ORDER BY seq LIMIT :limit;

-- name: first_expiry
SELECT lock_expiry FROM jobs WHERE settlement = 'due' AND lock_expiry > :after ORDER BY lock_expiry LIMIT 1;
