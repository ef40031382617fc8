-- The rest of an operation goes on while it waits for another: both are found by when it is over.

DROP INDEX operations_resting;
CREATE INDEX operations_resting ON operations (not_before) WHERE not_before IS NOT NULL;
