DROP TRIGGER tasks_count_version ON taskmaster.tasks;

DROP FUNCTION taskmaster.count_task_version();

-- The constraints and the sequences go with their columns.
ALTER TABLE taskmaster.tasks
    DROP COLUMN display_id,
    DROP COLUMN version,
    DROP COLUMN tenant_id,
    DROP COLUMN created_by,
    DROP COLUMN open_deps,
    DROP COLUMN open_gates,
    DROP COLUMN run_after,
    DROP COLUMN attempt,
    DROP COLUMN max_attempts,
    DROP COLUMN claimed_by,
    DROP COLUMN claim_token,
    DROP COLUMN claim_expires_at,
    DROP COLUMN heartbeat_at;

DROP FUNCTION taskmaster.current_actor();
