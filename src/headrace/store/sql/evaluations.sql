-- name: begin_evaluation_if_new
-- Changes no row when its id or its subject is here already.
INSERT INTO evaluations (operation, content, subject, request, task, resume, received_at, result)
VALUES (:operation, :content, :subject, :request, :task, :resume, :received_at, :result)
ON CONFLICT DO NOTHING;

-- name: conclude_evaluation_if_open
UPDATE evaluations SET result = :result WHERE operation = :operation AND result IS NULL;

-- name: evaluation
SELECT * FROM evaluations WHERE operation = :operation;

-- name: evaluation_about
SELECT * FROM evaluations WHERE subject = :subject;

-- name: open_evaluations
SELECT * FROM evaluations WHERE resume = 1 AND result IS NULL ORDER BY seq;
