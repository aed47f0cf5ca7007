-- The steps of a workflow as rows, each with its attempt; workflows.steps_completed goes on to hold
-- every report for those who read it.

CREATE TABLE taskmaster.workflow_steps (
    workflow_id uuid NOT NULL REFERENCES taskmaster.workflows(id) ON DELETE CASCADE,
    name varchar(100) NOT NULL,
    step_no integer NOT NULL,
    status varchar(50) NOT NULL DEFAULT 'pending',
    attempt integer NOT NULL DEFAULT 1,
    planned boolean NOT NULL DEFAULT false,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    result jsonb,
    error text,
    PRIMARY KEY (workflow_id, name),
    CONSTRAINT workflow_steps_workflow_id_step_no_key UNIQUE (workflow_id, step_no),
    CONSTRAINT workflow_steps_status_check CHECK (
        status IN ('pending', 'running', 'completed', 'failed', 'skipped')),
    CONSTRAINT workflow_steps_attempt_check CHECK (attempt >= 1)
) WITH (fillfactor = 85);

COMMENT ON TABLE taskmaster.workflow_steps IS 'Where each step of a workflow stands, in the order of step_no';
COMMENT ON COLUMN taskmaster.workflow_steps.planned IS 'Whether create_workflow named the step; no others are taken then';

-- When the workflow was last resumed, from which its time runs; and the key under which its creator
-- may ask for it again.
ALTER TABLE taskmaster.workflows
    ADD COLUMN resumed_at timestamp with time zone,
    ADD COLUMN idempotency_key varchar(255),
    ADD COLUMN idempotency_hash bytea,
    ADD CONSTRAINT workflows_idempotency_hash_check
        CHECK ((idempotency_key IS NULL) = (idempotency_hash IS NULL));

CREATE UNIQUE INDEX workflows_task_id_idempotency_key_key ON taskmaster.workflows (task_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

-- The steps that were reported until now: in the order in which they first were, as they last were.
INSERT INTO taskmaster.workflow_steps (workflow_id, name, step_no, status, finished_at, result, error)
SELECT latest.workflow_id, latest.name,
       row_number() OVER (PARTITION BY latest.workflow_id ORDER BY latest.first_number),
       latest.status,
       CASE WHEN latest.status IN ('completed', 'failed', 'skipped') THEN latest.reported_at END,
       latest.result, latest.error
  FROM (
    SELECT DISTINCT ON (w.id, record ->> 'step_name')
           w.id AS workflow_id, record ->> 'step_name' AS name, record ->> 'status' AS status,
           min(number) OVER (PARTITION BY w.id, record ->> 'step_name') AS first_number,
           CASE WHEN record ->> 'timestamp' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)$'
                THEN (record ->> 'timestamp')::timestamptz END AS reported_at,
           nullif(record -> 'result', 'null') AS result, record ->> 'error_message' AS error
      FROM taskmaster.workflows w,
           jsonb_array_elements(
               CASE WHEN jsonb_typeof(w.steps_completed) = 'array' THEN w.steps_completed ELSE '[]' END)
               WITH ORDINALITY AS records(record, number)
     WHERE record ->> 'status' IN ('pending', 'running', 'completed', 'failed', 'skipped')
       AND length(record ->> 'step_name') BETWEEN 1 AND 100
     ORDER BY w.id, record ->> 'step_name', number DESC) AS latest;
