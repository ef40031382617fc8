-- name: begin_claim_run_unless_one_goes_on
-- Returns no row while another one has no end.
INSERT INTO claim_runs (because, began_at) VALUES (:because, :now) ON CONFLICT DO NOTHING RETURNING number;

-- name: end_claim_run_once
UPDATE claim_runs SET ended_at = max(:now, began_at), counts = :counts, troubles = :troubles
WHERE number = :number AND ended_at IS NULL;

-- name: end_lost_claim_run
UPDATE claim_runs SET ended_at = max(:now, began_at), troubles = json_array('the service stopped in the middle of it')
WHERE ended_at IS NULL;

-- name: newest_claim_runs
SELECT * FROM claim_runs WHERE number < :before ORDER BY number DESC LIMIT :limit;
