-- name: begin_evaluation_if_new
-- Changes no row when its id or its subject is here already, or an operation that was submitted has its id.
INSERT INTO evaluations (operation, content, subject, request, task, resume, received_at, result)
SELECT :operation, :content, :subject, :request, :task, :resume, :received_at, :result
WHERE NOT EXISTS (SELECT 1 FROM operations WHERE id = :operation)
ON CONFLICT DO NOTHING;

-- name: has_operation
SELECT 1 FROM operations WHERE id = :operation;

-- name: conclude_evaluation_if_open
UPDATE evaluations SET result = :result WHERE operation = :operation AND result IS NULL;

-- name: evaluation
SELECT * FROM evaluations WHERE operation = :operation;

-- name: evaluation_about
SELECT * FROM evaluations WHERE subject = :subject;

-- name: open_evaluations
SELECT * FROM evaluations WHERE resume = 1 AND result IS NULL ORDER BY seq;
