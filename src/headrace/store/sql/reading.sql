-- name: account
SELECT * FROM accounts WHERE id = :id;

-- name: accounts_about
SELECT * FROM accounts WHERE subject = :subject ORDER BY seq;

-- name: newest_accounts
-- Of any stage and outcome, or of the happy ones: these are most, so walking the table finds them soon.
SELECT * FROM accounts
WHERE seq < :cursor AND (:workload IS NULL OR workload = :workload)
  AND (:stage IS NULL OR stage = :stage) AND (:outcome IS NULL OR outcome = :outcome)
ORDER BY seq DESC LIMIT :limit;

-- name: newest_accounts_still_open
-- Of a stage before the end: few among many, so by their own index.
SELECT * FROM accounts
WHERE stage = :stage AND stage <> 'done' AND seq < :cursor AND (:workload IS NULL OR workload = :workload)
ORDER BY seq DESC LIMIT :limit;

-- name: newest_accounts_not_landed
SELECT * FROM accounts
WHERE outcome = :outcome AND outcome <> 'landed' AND seq < :cursor AND (:workload IS NULL OR workload = :workload)
ORDER BY seq DESC LIMIT :limit;

-- name: transaction_of_batch
SELECT * FROM transactions WHERE batch_id = :batch_id;

-- name: transaction_of_attempt
SELECT t.* FROM attempts AS a CROSS JOIN transactions AS t ON t.seq = a.transaction_seq WHERE a.hash = :hash;

-- name: transactions_of_nonce
-- Of one lane, or of each.
SELECT t.* FROM lanes AS l CROSS JOIN transactions AS t ON t.chain = l.chain AND t.lane = l.lane
WHERE t.nonce = :nonce AND (:lane IS NULL OR l.lane = :lane);

-- name: attempts_of
SELECT * FROM attempts WHERE transaction_seq = :seq ORDER BY position;

-- name: lines
SELECT at, subject, text FROM notes WHERE subject = :subject ORDER BY seq;

-- name: open_by_stage
SELECT stage, count(*) FROM operations WHERE stage <> 'done' GROUP BY stage;

-- name: outcomes
SELECT outcome, operations FROM outcomes;

-- name: unknown_reverts
-- By selector, the most frequent first, each with the newest operation that met it.
SELECT selector, operations, (SELECT id FROM operations WHERE seq = newest) AS example FROM (
    SELECT substr(revert_data, 1, 4) AS selector, count(*) AS operations, max(seq) AS newest
    FROM operations INDEXED BY operations_unknown_revert
    WHERE revert_name IS NULL AND revert_data <> x''
    GROUP BY substr(revert_data, 1, 4))
ORDER BY operations DESC, newest DESC LIMIT :limit;

-- name: lanes
SELECT l.chain, l.lane, l.final, l.drained_at,
       max(l.start_nonce, coalesce((SELECT max(t.nonce) + 1 FROM transactions AS t
                                    WHERE t.chain = l.chain AND t.lane = l.lane), 0)) AS next_nonce,
       (SELECT count(*) FROM transactions AS t
        WHERE t.chain = l.chain AND t.lane = l.lane AND t.state IN ('in_flight', 'mined', 'taken')) AS unsettled,
       (SELECT count(*) FROM transactions AS t
        WHERE t.chain = l.chain AND t.lane = l.lane AND t.state IN ('in_flight', 'mined', 'taken')
          AND t.state = 'mined') AS mined
FROM lanes AS l ORDER BY l.chain, l.lane;
