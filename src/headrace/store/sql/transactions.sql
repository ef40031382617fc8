-- name: next_nonce
-- One past the highest of the ledger, never below the lane's adopted start.
SELECT max(
    coalesce((SELECT max(nonce) + 1 FROM transactions WHERE chain = :chain AND lane = :lane), 0),
    coalesce((SELECT start_nonce FROM lanes WHERE chain = :chain AND lane = :lane), 0)
);

-- name: adopt_if_higher
INSERT INTO lanes (chain, lane, start_nonce) VALUES (:chain, :lane, :start)
ON CONFLICT (chain, lane) DO UPDATE SET start_nonce = max(start_nonce, excluded.start_nonce);

-- name: is_drained
SELECT 1 FROM lanes WHERE chain = :chain AND lane = :lane AND drained_at IS NOT NULL;

-- name: seal_if_nonce_is_free
-- Returns no row when this nonce has an owner already, and for a batch when the lane is drained.
INSERT INTO transactions (
    chain, lane, nonce, batch_id, workload, form, members, gas_limit,
    state, sealed_at, sent_at, reprice_at, blocks_fitted, help_wanted
)
SELECT
    :chain, :lane, :nonce, :batch_id, :workload, :form, :members, :gas_limit,
    'in_flight', :sealed_at, :sent_at, :reprice_at, :blocks_fitted, :help_wanted
WHERE :batch_id IS NULL
   OR NOT EXISTS (SELECT 1 FROM lanes WHERE chain = :chain AND lane = :lane AND drained_at IS NOT NULL)
ON CONFLICT (chain, lane, nonce) DO NOTHING
RETURNING seq;

-- name: seal_claimed_operations
-- Puts them into the batch, in its order. Changes fewer rows than asked if one is not claimed by this lane.
UPDATE operations SET stage = 'sealed', batch_id = :batch_id, position = members.key
FROM json_each(:members) AS members
WHERE operations.id = members.value AND stage = 'claimed' AND lane = :lane AND chain = :chain;

-- name: add_attempt
INSERT INTO attempts (hash, transaction_seq, position, max_fee_wei, tip_wei, purpose, raw)
VALUES (:hash, :transaction_seq, :position, :max_fee_wei, :tip_wei, :purpose, :raw);

-- name: record_if_not_mined_before
-- The common case in one statement: nothing of it was mined, and no attempt is new. Returns no row, and changes
-- nothing, where that is not so. :idle says that none of its members has an effect.
UPDATE transactions SET
    state = :state, sent_at = :sent_at, reprice_at = :reprice_at, blocks_fitted = :blocks_fitted,
    help_wanted = :help_wanted, cancelled = :cancelled, winner = :winner, block = :block, block_hash = :block_hash, ok = :ok,
    gas_used = :gas_used, gas_price_wei = :gas_price_wei, mined_at = :mined_at,
    taken_since = :taken_since, without_effect = CASE WHEN :idle THEN members ELSE :without_effect END
WHERE chain = :chain AND lane = :lane AND nonce = :nonce AND state IN ('in_flight', 'taken') AND winner IS NULL
  AND batch_id IS :batch_id AND gas_limit = :gas_limit AND sealed_at = :sealed_at
  AND (SELECT count(*) FROM attempts AS a WHERE a.transaction_seq = transactions.seq) = :attempts
  AND EXISTS (SELECT 1 FROM attempts AS a
              WHERE a.hash = :newest AND a.transaction_seq = transactions.seq AND a.position = :attempts - 1)
RETURNING
    members,
    EXISTS (SELECT 1 FROM json_each(members) AS ids CROSS JOIN operations AS o INDEXED BY operations_after
            ON o.after = ids.value WHERE o.stage = 'waiting') AS awaited;

-- name: settle_if_mined_so_before
-- The common case in one statement: it was mined by this attempt in this block before, which its followers heard.
-- Returns no row, and changes nothing, where that is not so.
UPDATE transactions SET
    state = 'settled', help_wanted = :help_wanted, cancelled = :cancelled, final_at = :final_at
WHERE chain = :chain AND lane = :lane AND nonce = :nonce AND state = 'mined'
  AND winner = :winner AND block_hash = :block_hash
  AND batch_id IS :batch_id AND gas_limit = :gas_limit AND sealed_at = :sealed_at
  AND (SELECT count(*) FROM attempts AS a WHERE a.transaction_seq = transactions.seq) = :attempts
  AND EXISTS (SELECT 1 FROM attempts AS a
              WHERE a.hash = :newest AND a.transaction_seq = transactions.seq AND a.position = :attempts - 1)
RETURNING seq, batch_id, members, without_effect;

-- name: transaction_as_saved
-- What a newer state of it is compared with.
SELECT seq, batch_id, members, gas_limit, sealed_at, state, winner, block_hash, without_effect,
       (SELECT count(*) FROM attempts AS a WHERE a.transaction_seq = t.seq) AS attempts,
       (SELECT a.hash FROM attempts AS a WHERE a.transaction_seq = t.seq ORDER BY a.position DESC LIMIT 1) AS newest
FROM transactions AS t WHERE chain = :chain AND lane = :lane AND nonce = :nonce;

-- name: record_transaction
UPDATE transactions SET
    state = :state, sent_at = :sent_at, reprice_at = :reprice_at, blocks_fitted = :blocks_fitted,
    help_wanted = :help_wanted, cancelled = :cancelled, winner = :winner, block = :block, block_hash = :block_hash, ok = :ok,
    gas_used = :gas_used, gas_price_wei = :gas_price_wei, mined_at = :mined_at, without_effect = :without_effect,
    taken_since = :taken_since, final_at = :final_at
WHERE seq = :seq;

-- name: still_riding
-- Members of a batch whose fate is not decided.
SELECT o.id FROM json_each(:members) AS members CROSS JOIN operations AS o ON o.id = members.value
WHERE o.stage = 'sealed' AND o.batch_id = :batch_id;

-- name: unsettled_transactions
SELECT * FROM transactions
WHERE chain = :chain AND lane = :lane AND state IN ('in_flight', 'mined', 'taken') ORDER BY nonce;

-- name: unsettled_attempts
SELECT a.* FROM transactions AS t CROSS JOIN attempts AS a ON a.transaction_seq = t.seq
WHERE t.chain = :chain AND t.lane = :lane AND t.state IN ('in_flight', 'mined', 'taken')
ORDER BY a.transaction_seq, a.position;

-- name: unsettled_operations
SELECT t.seq AS transaction_seq, o.*
FROM transactions AS t CROSS JOIN json_each(t.members) AS members CROSS JOIN operations AS o ON o.id = members.value
WHERE t.chain = :chain AND t.lane = :lane AND t.state IN ('in_flight', 'mined', 'taken')
ORDER BY t.seq, members.key;

-- name: release_lane
UPDATE operations SET stage = 'queued', lane = NULL
WHERE stage = 'claimed' AND stage <> 'done' AND chain = :chain AND lane = :lane;

-- name: release_foreign_lanes
-- Of lanes (in hex) of this chain that are not :lanes, and of every lane of any other chain.
UPDATE operations SET stage = 'queued', lane = NULL
WHERE stage = 'claimed' AND stage <> 'done'
  AND NOT (chain = :chain AND hex(lane) IN (SELECT value FROM json_each(:lanes)));

-- name: claiming_lanes
SELECT DISTINCT chain, lane FROM operations WHERE stage = 'claimed' AND stage <> 'done';
