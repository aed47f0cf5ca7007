-- What the queue asks for, again one index for each way. Those over the new columns are empty or
-- nearly so when they are made.

CREATE UNIQUE INDEX tasks_display_id_key ON taskmaster.tasks (display_id);

-- The next task to take. It takes the place of the index of everything pending: what waits for
-- others, or for its time, is not passed over again and again.
CREATE INDEX tasks_ready_idx ON taskmaster.tasks (priority DESC, created_at, id)
    WHERE status = 'pending' AND open_deps = 0 AND open_gates = 0 AND run_after IS NULL;

DROP INDEX taskmaster.tasks_pending_idx;

-- What waits for its time.
CREATE INDEX tasks_run_after_idx ON taskmaster.tasks (run_after) WHERE status = 'pending' AND run_after IS NOT NULL;

-- Leases, of which there are as many as workers. By their holders and not by their ends: an index of
-- what a heartbeat moves would make every heartbeat write into all the others.
CREATE INDEX tasks_claimed_by_idx ON taskmaster.tasks (claimed_by) WHERE claimed_by IS NOT NULL;

-- Files at work now. The index over all tasks would hand out every task that ever touched a file.
CREATE INDEX tasks_files_at_work_idx ON taskmaster.tasks USING gin (affected_files) WITH (fastupdate = off)
    WHERE status = 'in_progress' AND affected_files <> '[]'::jsonb;

-- Search by words.
CREATE INDEX tasks_words_idx ON taskmaster.tasks
    USING gin (to_tsvector('pg_catalog.english'::regconfig, title || ' ' || coalesce(description, '')))
    WITH (fastupdate = off);
