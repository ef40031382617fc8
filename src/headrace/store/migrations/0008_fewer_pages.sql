-- A new operation is written into as few pages as can be: each page is written in its commit, and once more when it is
-- moved out of the log.

-- One index of all subjects instead of two. The unfinished ones have the same last column, so that two are refused.
DROP INDEX operations_subject;
DROP INDEX operations_one_unfinished_per_subject;
CREATE UNIQUE INDEX operations_subject
    ON operations (subject, workload, kind, chain, CASE WHEN outcome IS NULL THEN 0 ELSE seq END);

-- How many operations of a chain are neither sealed nor done: to count a long backlog takes long, at every head.
DROP INDEX operations_backlog;
CREATE TABLE backlogs (
    chain       INTEGER PRIMARY KEY,
    operations  INTEGER NOT NULL CHECK (operations >= 0)
) STRICT;

INSERT INTO backlogs (chain, operations)
SELECT chain, count(*) FROM operations WHERE stage IN ('waiting', 'queued', 'claimed') GROUP BY chain;

CREATE TRIGGER backlogs_count_who_comes AFTER INSERT ON operations WHEN NEW.stage IN ('waiting', 'queued', 'claimed')
BEGIN
    INSERT INTO backlogs (chain, operations) VALUES (NEW.chain, 1)
    ON CONFLICT (chain) DO UPDATE SET operations = operations + 1;
END;

CREATE TRIGGER backlogs_count_who_goes_and_returns AFTER UPDATE OF stage ON operations
WHEN (OLD.stage IN ('sealed', 'done')) <> (NEW.stage IN ('sealed', 'done'))
BEGIN
    UPDATE backlogs SET operations = operations + CASE WHEN NEW.stage IN ('sealed', 'done') THEN -1 ELSE 1 END
    WHERE chain = NEW.chain;
END;

CREATE TRIGGER backlogs_count_who_is_deleted AFTER DELETE ON operations WHEN OLD.stage IN ('waiting', 'queued', 'claimed')
BEGIN
    UPDATE backlogs SET operations = operations - 1 WHERE chain = OLD.chain;
END;
