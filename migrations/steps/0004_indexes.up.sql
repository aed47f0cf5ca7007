-- One index for each way the product asks, and no more: an index on every column doubles what a
-- status update costs. No predicate names now(): it is not immutable, and rows would not leave the
-- index as time passes.

-- Lists by status and by assignee, and the next task to take.
CREATE INDEX tasks_status_priority_created_at_idx ON taskmaster.tasks (status, priority DESC, created_at);

CREATE INDEX tasks_assigned_to_status_idx ON taskmaster.tasks (assigned_to, status);

CREATE INDEX tasks_pending_idx ON taskmaster.tasks (priority DESC, created_at, id) WHERE status = 'pending';

CREATE INDEX tasks_parent_task_id_idx ON taskmaster.tasks (parent_task_id) WHERE parent_task_id IS NOT NULL;

-- A Linear issue and a GitHub issue belong to one task each.
CREATE UNIQUE INDEX tasks_linear_issue_id_key ON taskmaster.tasks (linear_issue_id)
    WHERE linear_issue_id IS NOT NULL;

CREATE UNIQUE INDEX tasks_repository_url_github_issue_number_key
    ON taskmaster.tasks (repository_url, github_issue_number)
    WHERE repository_url IS NOT NULL AND github_issue_number IS NOT NULL;

-- Containment (@>) for metadata and requirements; tags and files also for the key operators (?, ?|,
-- ?&), which jsonb_path_ops lacks. Without the pending list of fastupdate no insert pays for many
-- that came before it.
CREATE INDEX tasks_metadata_idx ON taskmaster.tasks USING gin (metadata jsonb_path_ops) WITH (fastupdate = off);

CREATE INDEX tasks_requirements_idx ON taskmaster.tasks USING gin (requirements jsonb_path_ops)
    WITH (fastupdate = off);

CREATE INDEX tasks_tags_idx ON taskmaster.tasks USING gin (tags) WITH (fastupdate = off);

CREATE INDEX tasks_affected_files_idx ON taskmaster.tasks USING gin (affected_files) WITH (fastupdate = off);

CREATE INDEX workflows_task_id_status_idx ON taskmaster.workflows (task_id, status);

CREATE INDEX workflows_active_started_at_idx ON taskmaster.workflows (started_at)
    WHERE status IN ('initialized', 'running');

-- A task has one workflow at work at a time.
CREATE UNIQUE INDEX workflows_active_task_id_key ON taskmaster.workflows (task_id)
    WHERE status IN ('initialized', 'running');

-- A series over time without a visit to the table; the block ranges serve wide scans for almost no
-- space.
CREATE INDEX system_metrics_metric_name_recorded_at_idx
    ON taskmaster.system_metrics (metric_name, recorded_at DESC) INCLUDE (metric_value, component);

CREATE INDEX system_metrics_recorded_at_brin_idx ON taskmaster.system_metrics
    USING brin (recorded_at) WITH (pages_per_range = 32);

CREATE INDEX api_access_logs_integration_id_timestamp_idx
    ON taskmaster.api_access_logs (integration_id, "timestamp" DESC);

CREATE INDEX api_access_logs_errors_idx ON taskmaster.api_access_logs ("timestamp") WHERE response_status >= 400;

-- Without it the deletion of a task reads every partition for the foreign key.
CREATE INDEX api_access_logs_task_id_idx ON taskmaster.api_access_logs (task_id) WHERE task_id IS NOT NULL;

CREATE INDEX api_access_logs_timestamp_brin_idx ON taskmaster.api_access_logs
    USING brin ("timestamp") WITH (pages_per_range = 32);
