-- The tables of the first release. They repeat the rules of headrace.core: code has bugs, people have consoles.
-- Times are unix seconds, fees wei per unit of gas, hashes and addresses raw bytes, lists JSON.

-- One row per operation a client asked for. Its row is written when it is added, claimed, sealed and ended; what
-- happens to the transaction it rides in is written there, once for all that ride along.
CREATE TABLE operations (
    seq             INTEGER PRIMARY KEY,            -- order of arrival
    id              TEXT    NOT NULL UNIQUE,        -- asking twice is asking once
    content         BLOB    NOT NULL,
    workload        TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    form            TEXT    NOT NULL,
    chain           INTEGER NOT NULL,
    subject         BLOB    NOT NULL,
    received_at     REAL    NOT NULL,
    after           TEXT    REFERENCES operations (id),
    wait_until      REAL,
    deadline        REAL,
    deadline_block  INTEGER,
    retries         INTEGER NOT NULL CHECK (retries >= 0),

    stage           TEXT    NOT NULL CHECK (stage IN ('waiting', 'queued', 'claimed', 'sealed', 'done')),
    not_before      REAL,                           -- rests in the queue until then
    lane            BLOB    CHECK (length(lane) = 20),
    batch_id        TEXT    REFERENCES transactions (batch_id),
    position        INTEGER CHECK (position >= 0),  -- its place in the batch

    outcome         TEXT    CHECK (outcome IN ('landed', 'already_done', 'conflict', 'rejected', 'expired', 'cancelled')),
    reason          TEXT    NOT NULL DEFAULT '',    -- of its end, else of its last return to the queue
    revert_data     BLOB,
    revert_name     TEXT,
    revert_args     TEXT    CHECK (revert_args IS NULL OR json_valid(revert_args)),
    done_at         REAL,
    payload         BLOB    NOT NULL,               -- last: reading past it costs pages

    CHECK (after <> id),
    CHECK ((stage = 'done') = (outcome IS NOT NULL)),
    CHECK ((stage = 'done') = (done_at IS NOT NULL)),
    CHECK (stage <> 'waiting' OR after IS NOT NULL),
    CHECK ((batch_id IS NULL) = (position IS NULL)),
    CHECK (stage <> 'sealed' OR batch_id IS NOT NULL),
    CHECK (stage IN ('sealed', 'done') OR batch_id IS NULL),
    CHECK (stage NOT IN ('claimed', 'sealed') OR lane IS NOT NULL),
    CHECK (stage NOT IN ('waiting', 'queued') OR lane IS NULL),
    CHECK (stage IN ('waiting', 'queued') OR not_before IS NULL),
    CHECK ((revert_data IS NULL) = (revert_args IS NULL)),
    CHECK (revert_name IS NULL OR revert_data IS NOT NULL)
) STRICT;

-- Two unfinished operations of one kind must not want the same effect. (Unfinished is written as having no outcome
-- wherever an index needs no stage: a claim or a seal then leaves that index alone.)
CREATE UNIQUE INDEX operations_one_unfinished_per_subject ON operations (subject, workload, kind, chain)
    WHERE outcome IS NULL;
CREATE INDEX operations_subject ON operations (subject);
-- The queue. Who waits or rests is not in it, so a long backlog of either costs a claim nothing.
CREATE INDEX operations_queue ON operations (chain, workload, seq) WHERE stage = 'queued' AND not_before IS NULL;
CREATE INDEX operations_resting ON operations (not_before) WHERE stage = 'queued' AND not_before IS NOT NULL;
-- What is neither sealed nor done, to be counted.
CREATE INDEX operations_backlog ON operations (chain) WHERE batch_id IS NULL AND outcome IS NULL;
CREATE INDEX operations_open ON operations (stage) WHERE stage <> 'done';
CREATE INDEX operations_after ON operations (after) WHERE after IS NOT NULL;
CREATE INDEX operations_deadline ON operations (chain, deadline)
    WHERE deadline IS NOT NULL AND outcome IS NULL;
CREATE INDEX operations_deadline_block ON operations (chain, deadline_block)
    WHERE deadline_block IS NOT NULL AND outcome IS NULL;
CREATE INDEX operations_wait ON operations (chain, wait_until) WHERE wait_until IS NOT NULL AND stage = 'waiting';
CREATE INDEX operations_unhappy ON operations (outcome) WHERE outcome IS NOT NULL AND outcome <> 'landed';

-- headrace.core.operation.NEXT, in the database's words.
CREATE TRIGGER operations_move BEFORE UPDATE OF stage ON operations
WHEN OLD.stage <> NEW.stage AND OLD.stage || ' ' || NEW.stage NOT IN (
    'waiting queued', 'waiting done',
    'queued claimed', 'queued waiting', 'queued done',
    'claimed queued', 'claimed waiting', 'claimed sealed', 'claimed done',
    'sealed queued', 'sealed waiting', 'sealed done'
)
BEGIN
    SELECT RAISE(ABORT, 'an operation cannot make this move');
END;

CREATE TRIGGER operations_done_is_done BEFORE UPDATE ON operations WHEN OLD.stage = 'done'
BEGIN
    SELECT RAISE(ABORT, 'an operation that is done never changes');
END;

CREATE TRIGGER operations_wish BEFORE UPDATE OF
    seq, id, content, workload, kind, chain, subject, received_at, after, wait_until, deadline, deadline_block, payload
ON operations
BEGIN
    SELECT RAISE(ABORT, 'what was asked never changes');
END;

-- How many operations ended in which way: counting them row by row would read the whole table.
CREATE TABLE outcomes (
    outcome     TEXT PRIMARY KEY,
    operations  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO outcomes (outcome, operations) VALUES
    ('landed', 0), ('already_done', 0), ('conflict', 0), ('rejected', 0), ('expired', 0), ('cancelled', 0);

CREATE TRIGGER outcomes_count AFTER UPDATE OF outcome ON operations WHEN NEW.outcome IS NOT NULL
BEGIN
    UPDATE outcomes SET operations = operations + 1 WHERE outcome = NEW.outcome;
END;

-- One row per nonce of a lane, and the batch that rides in it.
CREATE TABLE transactions (
    seq             INTEGER PRIMARY KEY,
    chain           INTEGER NOT NULL,
    lane            BLOB    NOT NULL CHECK (length(lane) = 20),
    nonce           INTEGER NOT NULL CHECK (nonce >= 0),
    batch_id        TEXT    UNIQUE,                 -- NULL: it only fills its nonce
    workload        TEXT    NOT NULL,
    form            TEXT    NOT NULL,
    members         TEXT    NOT NULL CHECK (json_type(members) = 'array'),  -- operation ids, in the batch's order
    gas_limit       INTEGER NOT NULL CHECK (gas_limit > 0),

    state           TEXT    NOT NULL CHECK (state IN ('in_flight', 'mined', 'taken', 'settled', 'void')),
    sealed_at       REAL    NOT NULL,
    sent_at         REAL,
    reprice_at      REAL    NOT NULL,
    blocks_fitted   INTEGER NOT NULL CHECK (blocks_fitted >= 0),
    help_wanted     TEXT,

    winner          BLOB,
    block           INTEGER CHECK (block >= 0),
    block_hash      BLOB    CHECK (length(block_hash) = 32),
    ok              INTEGER CHECK (ok IN (0, 1)),
    gas_used        INTEGER CHECK (gas_used >= 0),
    gas_price_wei   INTEGER CHECK (gas_price_wei >= 0),
    mined_at        REAL,
    without_effect  TEXT    NOT NULL DEFAULT '[]' CHECK (json_type(without_effect) = 'array'),

    taken_since     INTEGER,                        -- the block in which a stranger had our nonce
    final_at        REAL,

    UNIQUE (chain, lane, nonce),
    FOREIGN KEY (seq, winner) REFERENCES attempts (transaction_seq, hash),
    CHECK ((batch_id IS NULL) = (members = '[]')),
    CHECK ((state IN ('mined', 'settled')) = (winner IS NOT NULL)),
    CHECK ((winner IS NULL) = (block IS NULL)),
    CHECK ((winner IS NULL) = (block_hash IS NULL)),
    CHECK ((winner IS NULL) = (ok IS NULL)),
    CHECK ((winner IS NULL) = (gas_used IS NULL)),
    CHECK ((winner IS NULL) = (gas_price_wei IS NULL)),
    CHECK ((winner IS NULL) = (mined_at IS NULL)),
    CHECK (winner IS NOT NULL OR without_effect = '[]'),
    CHECK ((state = 'taken') = (taken_since IS NOT NULL)),
    CHECK ((state IN ('settled', 'void')) = (final_at IS NOT NULL))
) STRICT;

CREATE INDEX transactions_unsettled ON transactions (chain, lane, nonce)
    WHERE state IN ('in_flight', 'mined', 'taken');

CREATE TRIGGER transactions_final_is_final BEFORE UPDATE ON transactions WHEN OLD.state IN ('settled', 'void')
BEGIN
    SELECT RAISE(ABORT, 'a transaction that is final never changes');
END;

CREATE TRIGGER transactions_seal BEFORE UPDATE OF
    seq, chain, lane, nonce, batch_id, workload, form, members, gas_limit, sealed_at
ON transactions
BEGIN
    SELECT RAISE(ABORT, 'what was sealed never changes');
END;

-- Every signed form of a transaction. Any of them can be mined, so none is ever forgotten.
CREATE TABLE attempts (
    hash             BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    transaction_seq  INTEGER NOT NULL REFERENCES transactions (seq),
    position         INTEGER NOT NULL CHECK (position >= 0),  -- oldest first
    max_fee_wei      INTEGER NOT NULL CHECK (max_fee_wei >= tip_wei),
    tip_wei          INTEGER NOT NULL CHECK (tip_wei >= 0),
    purpose          TEXT    NOT NULL CHECK (purpose IN ('batch', 'no_op')),
    raw              BLOB    NOT NULL,
    UNIQUE (transaction_seq, position),
    UNIQUE (transaction_seq, hash)
) STRICT;

CREATE TRIGGER attempts_never_change BEFORE UPDATE ON attempts
BEGIN
    SELECT RAISE(ABORT, 'a signed attempt never changes');
END;

CREATE TRIGGER attempts_are_never_forgotten BEFORE DELETE ON attempts
BEGIN
    SELECT RAISE(ABORT, 'a signed attempt is never forgotten');
END;

-- What is known of a lane as a whole.
CREATE TABLE lanes (
    chain        INTEGER NOT NULL,
    lane         BLOB    NOT NULL CHECK (length(lane) = 20),
    start_nonce  INTEGER NOT NULL DEFAULT 0 CHECK (start_nonce >= 0),  -- nonces below are not ours
    final        INTEGER NOT NULL DEFAULT 0,                           -- transactions settled or void
    PRIMARY KEY (chain, lane)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER lanes_know_their_transactions AFTER INSERT ON transactions
BEGIN
    INSERT INTO lanes (chain, lane) VALUES (NEW.chain, NEW.lane) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER lanes_count_what_is_final AFTER UPDATE OF state ON transactions WHEN NEW.state IN ('settled', 'void')
BEGIN
    UPDATE lanes SET final = final + 1 WHERE chain = NEW.chain AND lane = NEW.lane;
END;

-- The off-chain answer to one task request.
CREATE TABLE evaluations (
    seq          INTEGER PRIMARY KEY,
    operation    TEXT    NOT NULL UNIQUE,
    content      BLOB    NOT NULL,
    subject      BLOB    NOT NULL UNIQUE,
    request      BLOB    NOT NULL,
    task         BLOB    NOT NULL,
    resume       INTEGER NOT NULL CHECK (resume IN (0, 1)),
    received_at  REAL    NOT NULL,
    result       BLOB
) STRICT;

CREATE INDEX evaluations_open ON evaluations (seq) WHERE resume = 1 AND result IS NULL;

CREATE TRIGGER evaluations_answer_once BEFORE UPDATE ON evaluations WHEN OLD.result IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'an evaluation is concluded once');
END;

-- Lines of somebody's story: of an operation, a batch, or a transaction as lane/nonce.
CREATE TABLE notes (
    seq      INTEGER PRIMARY KEY,
    at       REAL NOT NULL,
    subject  TEXT NOT NULL,
    text     TEXT NOT NULL
) STRICT;

CREATE INDEX notes_subject ON notes (subject);

-- Whose effect the chain shows, for good or for now. What comes after one of these may travel.
CREATE VIEW operations_with_effect (id) AS
SELECT o.id
FROM operations AS o LEFT JOIN transactions AS t ON t.batch_id = o.batch_id
WHERE o.outcome IN ('landed', 'already_done')
   OR (o.stage = 'sealed' AND t.state IN ('mined', 'settled')
       AND o.id NOT IN (SELECT value FROM json_each(t.without_effect)));

-- An operation and the transaction it rides in.
CREATE VIEW accounts AS
SELECT o.*,
       t.nonce, t.state, t.sealed_at, t.sent_at, t.winner, t.block, t.block_hash, t.gas_used, t.gas_price_wei, t.mined_at,
       json_array_length(t.members) AS batch_size,
       (SELECT count(*) FROM attempts AS a WHERE a.transaction_seq = t.seq) AS attempts,
       (SELECT a.hash FROM attempts AS a WHERE a.transaction_seq = t.seq ORDER BY a.position DESC LIMIT 1) AS newest
FROM operations AS o LEFT JOIN transactions AS t ON t.batch_id = o.batch_id;
