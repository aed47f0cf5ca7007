-- A constraint cannot be made unread again, so each is made anew as the step before left it. The
-- numbers stay with their tasks.
ALTER TABLE taskmaster.tasks
    DROP CONSTRAINT tasks_display_id_check,
    DROP CONSTRAINT tasks_open_deps_check,
    DROP CONSTRAINT tasks_open_gates_check,
    DROP CONSTRAINT tasks_attempt_check,
    DROP CONSTRAINT tasks_max_attempts_check,
    DROP CONSTRAINT tasks_claim_check,
    ADD CONSTRAINT tasks_display_id_check CHECK (display_id IS NOT NULL) NOT VALID,
    ADD CONSTRAINT tasks_open_deps_check CHECK (open_deps >= 0) NOT VALID,
    ADD CONSTRAINT tasks_open_gates_check CHECK (open_gates >= 0) NOT VALID,
    ADD CONSTRAINT tasks_attempt_check CHECK (attempt >= 0) NOT VALID,
    ADD CONSTRAINT tasks_max_attempts_check CHECK (max_attempts BETWEEN 1 AND 100) NOT VALID,
    ADD CONSTRAINT tasks_claim_check CHECK (
        (claim_expires_at IS NULL) = (claimed_by IS NULL)
        AND (claim_expires_at IS NULL OR (claim_token IS NOT NULL AND status = 'in_progress'))) NOT VALID;
