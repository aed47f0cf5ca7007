DROP INDEX taskmaster.tasks_words_idx;

DROP INDEX taskmaster.tasks_files_at_work_idx;

DROP INDEX taskmaster.tasks_claimed_by_idx;

DROP INDEX taskmaster.tasks_run_after_idx;

CREATE INDEX tasks_pending_idx ON taskmaster.tasks (priority DESC, created_at, id) WHERE status = 'pending';

DROP INDEX taskmaster.tasks_ready_idx;

DROP INDEX taskmaster.tasks_display_id_key;
