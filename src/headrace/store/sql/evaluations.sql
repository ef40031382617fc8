-- name: begin_evaluations_if_new
-- Saves each and returns it, unless its id or its subject is here already, or an operation that was submitted has its id.
INSERT INTO evaluations (operation, content, subject, request, task, resume, received_at, result)
SELECT column1, column2, column3, column4, column5, column6, column7, column8
FROM (VALUES :rows)
WHERE column1 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM operations AS o WHERE o.id = column1)
ON CONFLICT DO NOTHING
RETURNING operation;

-- name: has_operation
SELECT 1 FROM operations WHERE id = :operation;

-- name: conclude_evaluations_if_open
-- Writes each answer once. Returns those that it was written for.
UPDATE evaluations SET result = answers.column2
FROM (VALUES :rows) AS answers
WHERE evaluations.operation = answers.column1 AND evaluations.result IS NULL
RETURNING operation;

-- name: evaluation
SELECT * FROM evaluations WHERE operation = :operation;

-- name: evaluation_about
SELECT * FROM evaluations WHERE subject = :subject;

-- name: open_evaluations
SELECT * FROM evaluations WHERE resume = 1 AND result IS NULL ORDER BY seq;
