-- What a task needs to be taken by one worker at a time, to wait for others, and to be tried again.
--
-- Each new column is null or has a constant default, so no row is written anew, and each new check
-- is NOT VALID, so no row is read: the lock on the table lasts a moment. The next step reads the
-- rows under a lock that lets others work.

-- Who acts, as far as the server itself knows. A setting would say whatever its user likes.
CREATE FUNCTION taskmaster.current_actor() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
RETURN session_user::text;

COMMENT ON FUNCTION taskmaster.current_actor() IS 'Who acts: the name that the session logged in with';

-- Numbers for people, and for tools that number their tasks.
CREATE SEQUENCE taskmaster.task_display_id_seq;

-- Each lease of a task gets a higher number than every lease before it, so that a worker who comes
-- late can be told from the one who holds the task now.
CREATE SEQUENCE taskmaster.claim_token_seq;

ALTER TABLE taskmaster.tasks
    ADD COLUMN display_id bigint,
    ADD COLUMN version bigint NOT NULL DEFAULT 1,
    ADD COLUMN tenant_id text NOT NULL DEFAULT '',
    ADD COLUMN created_by text,
    ADD COLUMN open_deps integer NOT NULL DEFAULT 0,
    ADD COLUMN open_gates integer NOT NULL DEFAULT 0,
    ADD COLUMN run_after timestamp with time zone,
    ADD COLUMN attempt integer NOT NULL DEFAULT 0,
    ADD COLUMN max_attempts integer NOT NULL DEFAULT 3,
    ADD COLUMN claimed_by text,
    ADD COLUMN claim_token bigint,
    ADD COLUMN claim_expires_at timestamp with time zone,
    ADD COLUMN heartbeat_at timestamp with time zone;

-- Set apart from ADD COLUMN, where they would be worked out for every row there is.
ALTER TABLE taskmaster.tasks
    ALTER COLUMN display_id SET DEFAULT nextval('taskmaster.task_display_id_seq'),
    ALTER COLUMN created_by SET DEFAULT taskmaster.current_actor();

ALTER SEQUENCE taskmaster.task_display_id_seq OWNED BY taskmaster.tasks.display_id;

ALTER SEQUENCE taskmaster.claim_token_seq OWNED BY taskmaster.tasks.claim_token;

ALTER TABLE taskmaster.tasks
    ADD CONSTRAINT tasks_display_id_check CHECK (display_id IS NOT NULL) NOT VALID,
    ADD CONSTRAINT tasks_open_deps_check CHECK (open_deps >= 0) NOT VALID,
    ADD CONSTRAINT tasks_open_gates_check CHECK (open_gates >= 0) NOT VALID,
    ADD CONSTRAINT tasks_attempt_check CHECK (attempt >= 0) NOT VALID,
    ADD CONSTRAINT tasks_max_attempts_check CHECK (max_attempts BETWEEN 1 AND 100) NOT VALID,
    -- A lease has a holder, a token and an end, and only a task at work has one. The token stays
    -- when the lease is over: it is how a holder that comes late is known.
    ADD CONSTRAINT tasks_claim_check CHECK (
        (claim_expires_at IS NULL) = (claimed_by IS NULL)
        AND (claim_expires_at IS NULL OR (claim_token IS NOT NULL AND status = 'in_progress'))) NOT VALID;

COMMENT ON COLUMN taskmaster.tasks.version IS 'Counts changes of what the task says; bookkeeping does not count';
COMMENT ON COLUMN taskmaster.tasks.open_deps IS 'How many blocking dependencies are not satisfied; kept by triggers';
COMMENT ON COLUMN taskmaster.tasks.open_gates IS 'How many gates are not resolved; kept by triggers';
COMMENT ON COLUMN taskmaster.tasks.claim_token IS 'The number of the last lease';

-- A change of what the task says makes a new version, whoever makes it. The columns are named here
-- and not in the trigger's definition, which would keep anybody from changing their types.
CREATE FUNCTION taskmaster.count_task_version() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $count_task_version$
BEGIN
    IF (OLD.status, OLD.title, OLD.description, OLD.requirements, OLD.priority, OLD.assigned_to,
        OLD.repository_url, OLD.branch_name, OLD.pr_number, OLD.metadata, OLD.type, OLD.complexity_score,
        OLD.affected_files, OLD.acceptance_criteria, OLD.parent_task_id, OLD.tags, OLD.estimated_hours,
        OLD.actual_hours, OLD.linear_issue_id, OLD.github_issue_number, OLD.codegen_session_id, OLD.max_attempts)
       IS DISTINCT FROM
       (NEW.status, NEW.title, NEW.description, NEW.requirements, NEW.priority, NEW.assigned_to,
        NEW.repository_url, NEW.branch_name, NEW.pr_number, NEW.metadata, NEW.type, NEW.complexity_score,
        NEW.affected_files, NEW.acceptance_criteria, NEW.parent_task_id, NEW.tags, NEW.estimated_hours,
        NEW.actual_hours, NEW.linear_issue_id, NEW.github_issue_number, NEW.codegen_session_id, NEW.max_attempts)
    THEN
        NEW.version := OLD.version + 1;
    END IF;
    RETURN NEW;
END
$count_task_version$;

CREATE TRIGGER tasks_count_version BEFORE UPDATE ON taskmaster.tasks
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION taskmaster.count_task_version();
