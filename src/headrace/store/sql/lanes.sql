-- name: drain_unless_drained
-- Returns no row when it was drained already.
INSERT INTO lanes (chain, lane, drained_at) VALUES (:chain, :lane, :now)
ON CONFLICT (chain, lane) DO UPDATE SET drained_at = excluded.drained_at WHERE drained_at IS NULL
RETURNING lane;

-- name: resume_if_drained
-- Returns no row when it was not drained.
UPDATE lanes SET drained_at = NULL WHERE chain = :chain AND lane = :lane AND drained_at IS NOT NULL
RETURNING lane;

-- name: begin_above_ledger
-- Returns no row when the ledger has this nonce or a higher one.
INSERT INTO lanes (chain, lane, start_nonce)
SELECT :chain, :lane, :start
WHERE NOT EXISTS (SELECT 1 FROM transactions WHERE chain = :chain AND lane = :lane AND nonce >= :start)
ON CONFLICT (chain, lane) DO UPDATE SET start_nonce = excluded.start_nonce
RETURNING lane;

-- name: drained_at
SELECT drained_at FROM lanes WHERE chain = :chain AND lane = :lane;

-- name: highest_nonces
SELECT max(nonce) AS highest,
       max(nonce) FILTER (WHERE state IN ('settled', 'void')) AS highest_final
FROM transactions WHERE chain = :chain AND lane = :lane;

-- name: unsettled_nonces
SELECT nonce FROM transactions
WHERE chain = :chain AND lane = :lane AND state IN ('in_flight', 'mined', 'taken') ORDER BY nonce;
