-- What was reported stays in workflows.steps_completed; attempts, plans and keys go.

DROP INDEX taskmaster.workflows_task_id_idempotency_key_key;

ALTER TABLE taskmaster.workflows
    DROP COLUMN resumed_at,
    DROP COLUMN idempotency_key,
    DROP COLUMN idempotency_hash;

DROP TABLE taskmaster.workflow_steps;
