-- Compute jobs and what becomes of their payments; they repeat the rules of headrace.core.job and core.settlement.
-- Amounts are decimal texts: a uint256 does not fit an INTEGER.

CREATE TABLE jobs (
    seq                 INTEGER PRIMARY KEY,
    id                  TEXT    NOT NULL UNIQUE,        -- asking twice is asking once
    content             BLOB    NOT NULL CHECK (length(content) = 32),
    owner               BLOB    NOT NULL CHECK (length(owner) = 20),
    environment         TEXT    NOT NULL,
    created_at          REAL    NOT NULL,
    max_duration_s      INTEGER NOT NULL CHECK (max_duration_s > 0),
    queue_max_wait_s    INTEGER NOT NULL CHECK (queue_max_wait_s >= 0),
    metadata            TEXT    CHECK (metadata IS NULL OR (json_valid(metadata) AND length(metadata) <= 1024)),
    terms               TEXT    CHECK (terms IS NULL OR json_type(terms) = 'object'),  -- as of the lock; NULL: free

    status              INTEGER NOT NULL CHECK (status IN (
                            0, 1, 2, 10, 11, 12, 13, 14, 20, 21, 22, 30, 31, 32, 33,
                            40, 41, 42, 50, 60, 61, 62, 70, 71)),
    status_at           REAL    NOT NULL,
    build_started_at    REAL,
    build_ended_at      REAL,
    started_at          REAL,
    seen_running_at     REAL,
    stopped_at          REAL,
    stop_requested_at   REAL,                           -- a column of its own: no report writes over it

    ended_as            INTEGER CHECK (ended_as IN (2, 11, 13, 14, 21, 22, 31, 32, 33, 41, 42, 61, 62, 70, 71)),
    ended_at            REAL,
    ended_detail        TEXT,
    exit_code           INTEGER,
    out_of_memory       INTEGER CHECK (out_of_memory IN (0, 1)),

    lock_amount         TEXT    CHECK (lock_amount NOT GLOB '*[^0-9]*' AND lock_amount <> ''),
    lock_expiry         INTEGER CHECK (lock_expiry > 0),
    lock_transaction    BLOB    CHECK (length(lock_transaction) = 32),
    lock_block          INTEGER CHECK (lock_block >= 0),

    settlement          TEXT    NOT NULL CHECK (settlement IN (
                            'free', 'awaiting_lock', 'unsettled', 'due', 'claiming', 'needs_operator',
                            'claimed', 'released', 'canceled', 'no_lock')),
    reason              TEXT    NOT NULL DEFAULT '',
    move                TEXT    CHECK (move IN ('claim', 'release', 'cancel')),
    amount              TEXT    CHECK (amount NOT GLOB '*[^0-9]*' AND amount <> ''),
    operation           TEXT    UNIQUE,
    proof_transaction   BLOB    CHECK (length(proof_transaction) = 32),
    proof_block         INTEGER CHECK (proof_block >= 0),
    claims              INTEGER NOT NULL DEFAULT 0 CHECK (claims >= 0),
    algorithm           BLOB    NOT NULL,               -- last: reading past it costs pages

    CHECK ((terms IS NULL) = (settlement = 'free')),
    CHECK (build_ended_at IS NULL OR build_ended_at >= build_started_at),
    CHECK (seen_running_at IS NULL OR seen_running_at >= started_at),
    CHECK (stopped_at IS NULL OR stopped_at >= started_at),
    CHECK (build_started_at IS NOT NULL OR build_ended_at IS NULL),
    CHECK (started_at IS NOT NULL OR (seen_running_at IS NULL AND stopped_at IS NULL)),
    CHECK ((status IN (2, 11, 13, 14, 21, 22, 31, 32, 33, 41, 42, 61, 62, 70, 71)) = (ended_as IS NOT NULL)),
    CHECK (ended_as IS NULL OR status = ended_as OR (ended_as = 71 AND status = 70)),
    CHECK ((ended_as IS NULL) = (ended_at IS NULL)),
    CHECK ((ended_as IS NULL) = (ended_detail IS NULL)),
    CHECK ((ended_as IS NULL) = (out_of_memory IS NULL)),
    CHECK (ended_as IS NOT NULL OR exit_code IS NULL),
    CHECK ((lock_amount IS NULL) = (lock_expiry IS NULL)),
    CHECK ((lock_amount IS NULL) = (lock_transaction IS NULL)),
    CHECK ((lock_amount IS NULL) = (lock_block IS NULL)),
    -- A free job has nothing to settle; a paid one is finished (70) by proof only, and then at once.
    CHECK (status <> 71 OR settlement <> 'free'),
    CHECK (status <> 70 OR settlement IN ('free', 'claimed', 'released', 'canceled')),
    CHECK (status <> 71 OR settlement NOT IN ('claimed', 'released', 'canceled')),
    -- The run begins when its lock is mined, and is settled when it is over.
    CHECK (terms IS NULL OR lock_amount IS NOT NULL OR status IN (0, 1, 2)),
    CHECK (settlement NOT IN ('free', 'awaiting_lock') OR lock_amount IS NULL),
    CHECK (settlement NOT IN ('unsettled', 'due', 'claiming') OR lock_amount IS NOT NULL),
    CHECK (settlement <> 'unsettled' OR ended_as IS NULL),
    CHECK (settlement NOT IN ('due', 'claiming', 'claimed', 'released', 'canceled', 'no_lock')
           OR ended_as IS NOT NULL),
    CHECK ((settlement = 'claiming') = (operation IS NOT NULL)),
    CHECK ((settlement = 'claiming') = (move IS NOT NULL)),
    CHECK ((settlement IN ('claiming', 'claimed')) = (amount IS NOT NULL)),
    CHECK (amount IS NULL OR (amount <> '0') = (settlement = 'claimed' OR move = 'claim')),
    CHECK ((settlement IN ('claimed', 'released', 'canceled')) = (proof_transaction IS NOT NULL)),
    CHECK ((proof_transaction IS NULL) = (proof_block IS NULL)),
    CHECK (settlement NOT IN ('needs_operator', 'no_lock') OR reason <> '')
) STRICT;

-- One for each way to ask, all of them in the order of the answer.
CREATE INDEX jobs_newest ON jobs (created_at, seq);
CREATE INDEX jobs_of_owner ON jobs (owner, created_at, seq);
CREATE INDEX jobs_in_environment ON jobs (environment, created_at, seq);
CREATE INDEX jobs_in_status ON jobs (status, created_at, seq);
-- What is not settled: by the state of its payment, and what is due by its last moment.
CREATE INDEX jobs_to_settle ON jobs (settlement, seq)
    WHERE settlement IN ('awaiting_lock', 'unsettled', 'due', 'claiming', 'needs_operator');
CREATE INDEX jobs_due ON jobs (lock_expiry) WHERE settlement = 'due';

-- headrace.core.job.NEXT, in the database's words.
CREATE TRIGGER jobs_move BEFORE UPDATE OF status ON jobs
WHEN OLD.status <> NEW.status AND OLD.status || ' ' || NEW.status NOT IN (
    '0 1', '0 2', '0 10', '0 12', '0 20',
    '1 2', '1 10', '1 12', '1 20',
    '10 11', '10 20',
    '12 13', '12 20',
    '20 14', '20 21', '20 22', '20 30', '20 31', '20 60',
    '30 31', '30 32', '30 33', '30 40',
    '40 20', '40 41', '40 42', '40 50', '40 60',
    '50 60', '50 61',
    '60 61', '60 62', '60 70', '60 71',
    '71 70'
)
BEGIN
    SELECT RAISE(ABORT, 'a job cannot make this move');
END;

CREATE TRIGGER jobs_result BEFORE UPDATE OF ended_as, ended_at, ended_detail, exit_code, out_of_memory ON jobs
WHEN OLD.ended_as IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'how a run ended never changes');
END;

-- headrace.core.settlement.NEXT, in the database's words.
CREATE TRIGGER jobs_settlement_move BEFORE UPDATE OF settlement ON jobs
WHEN OLD.settlement <> NEW.settlement AND OLD.settlement || ' ' || NEW.settlement NOT IN (
    'awaiting_lock unsettled', 'awaiting_lock due', 'awaiting_lock no_lock', 'awaiting_lock needs_operator',
    'unsettled due', 'unsettled needs_operator',
    'due claiming', 'due claimed', 'due released', 'due canceled', 'due needs_operator',
    'claiming due', 'claiming claimed', 'claiming released', 'claiming canceled', 'claiming needs_operator',
    'needs_operator due', 'needs_operator no_lock', 'needs_operator claimed', 'needs_operator released',
    'needs_operator canceled'
)
BEGIN
    SELECT RAISE(ABORT, 'a payment cannot make this move');
END;

CREATE TRIGGER jobs_settled_is_settled BEFORE UPDATE OF
    settlement, reason, move, amount, operation, proof_transaction, proof_block, lock_amount, lock_expiry,
    lock_transaction, lock_block
ON jobs WHEN OLD.settlement IN ('claimed', 'released', 'canceled', 'no_lock')
BEGIN
    SELECT RAISE(ABORT, 'a payment that is settled never changes');
END;

CREATE TRIGGER jobs_stop_is_asked_once BEFORE UPDATE OF stop_requested_at ON jobs WHEN OLD.stop_requested_at IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'a stop that was asked for is not taken back');
END;

CREATE TRIGGER jobs_wish BEFORE UPDATE OF
    seq, id, content, owner, environment, created_at, max_duration_s, queue_max_wait_s, metadata, terms, algorithm
ON jobs
BEGIN
    SELECT RAISE(ABORT, 'what was asked and agreed never changes');
END;

CREATE TRIGGER jobs_kept_until_settled BEFORE DELETE ON jobs
WHEN OLD.settlement NOT IN ('free', 'claimed', 'released', 'canceled', 'no_lock') OR OLD.ended_as IS NULL
BEGIN
    SELECT RAISE(ABORT, 'a job is kept until its run is over and its payment is settled');
END;

-- Every status that a job took, and every state of its payment.
CREATE TABLE job_events (
    seq          INTEGER PRIMARY KEY,
    job_seq      INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
    at           REAL    NOT NULL,
    received_at  REAL    NOT NULL,
    status       INTEGER,
    settlement   TEXT,
    detail       TEXT    NOT NULL DEFAULT '',
    CHECK ((status IS NULL) <> (settlement IS NULL))
) STRICT;

CREATE INDEX job_events_of_job ON job_events (job_seq);

CREATE TRIGGER job_events_never_change BEFORE UPDATE ON job_events
BEGIN
    SELECT RAISE(ABORT, 'history never changes');
END;

-- Every claim run: why, when, what it did. One that has no end was cut off.
CREATE TABLE claim_runs (
    number    INTEGER PRIMARY KEY,
    because   TEXT    NOT NULL,
    began_at  REAL    NOT NULL,
    ended_at  REAL    CHECK (ended_at >= began_at),
    counts    TEXT    NOT NULL DEFAULT '{}' CHECK (json_type(counts) = 'object'),
    troubles  TEXT    NOT NULL DEFAULT '[]' CHECK (json_type(troubles) = 'array')
) STRICT;

-- Runs never overlap.
CREATE UNIQUE INDEX claim_runs_one_at_a_time ON claim_runs (ended_at IS NULL) WHERE ended_at IS NULL;

CREATE TRIGGER claim_runs_end_once BEFORE UPDATE ON claim_runs WHEN OLD.ended_at IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'a claim run ends once');
END;
