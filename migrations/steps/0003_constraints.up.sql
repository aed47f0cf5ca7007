-- The vocabularies and ranges of the columns, and what is unique. A function of the extension
-- refuses a bad value first and with a better message; these hold for every other way in.

ALTER TABLE taskmaster.tasks
    ADD CONSTRAINT tasks_title_check CHECK (btrim(title) <> ''),
    ADD CONSTRAINT tasks_status_check CHECK (
        status IN ('pending', 'in_progress', 'review', 'blocked', 'deferred', 'completed', 'failed', 'cancelled')),
    ADD CONSTRAINT tasks_type_check CHECK (
        type IN ('general', 'bug_fix', 'feature', 'enhancement', 'refactor', 'documentation', 'test', 'deployment')),
    ADD CONSTRAINT tasks_priority_check CHECK (priority BETWEEN 0 AND 10),
    ADD CONSTRAINT tasks_complexity_score_check CHECK (complexity_score BETWEEN 1 AND 10),
    ADD CONSTRAINT tasks_estimated_hours_check CHECK (estimated_hours >= 0),
    ADD CONSTRAINT tasks_actual_hours_check CHECK (actual_hours >= 0),
    ADD CONSTRAINT tasks_pr_number_check CHECK (pr_number > 0),
    ADD CONSTRAINT tasks_github_issue_number_check CHECK (github_issue_number > 0),
    ADD CONSTRAINT tasks_parent_task_id_check CHECK (parent_task_id <> id),
    -- A task that is open again has no time of completion. The other way round is left free: an
    -- imported task may be done at a time that nobody wrote down.
    ADD CONSTRAINT tasks_completed_at_check CHECK (completed_at IS NULL OR status = 'completed');

ALTER TABLE taskmaster.workflows
    ADD CONSTRAINT workflows_status_check CHECK (
        status IN ('initialized', 'running', 'completed', 'failed', 'cancelled', 'timeout')),
    ADD CONSTRAINT workflows_workflow_type_check CHECK (
        workflow_type IN ('standard', 'hotfix', 'rollback', 'deployment', 'validation', 'cleanup')),
    ADD CONSTRAINT workflows_total_steps_check CHECK (total_steps >= 0),
    ADD CONSTRAINT workflows_retry_count_check CHECK (retry_count >= 0),
    ADD CONSTRAINT workflows_max_retries_check CHECK (max_retries >= 0),
    ADD CONSTRAINT workflows_timeout_minutes_check CHECK (timeout_minutes BETWEEN 1 AND 1440);

ALTER TABLE taskmaster.system_metrics
    ADD CONSTRAINT system_metrics_metric_type_check CHECK (
        metric_type IN ('gauge', 'counter', 'histogram', 'timer'));

ALTER TABLE taskmaster.external_integrations
    ADD CONSTRAINT external_integrations_type_name_key UNIQUE (integration_type, integration_name),
    ADD CONSTRAINT external_integrations_integration_type_check CHECK (
        integration_type IN ('codegen', 'github', 'linear', 'claude', 'webhook', 'slack', 'email')),
    ADD CONSTRAINT external_integrations_status_check CHECK (
        status IN ('active', 'inactive', 'error', 'maintenance')),
    ADD CONSTRAINT external_integrations_health_status_check CHECK (
        health_status IN ('healthy', 'unhealthy', 'unknown', 'timeout')),
    ADD CONSTRAINT external_integrations_rate_limit_per_minute_check CHECK (
        rate_limit_per_minute BETWEEN 1 AND 10000),
    ADD CONSTRAINT external_integrations_current_usage_check CHECK (current_usage >= 0);

-- All methods of RFC 9110 and PATCH; any status that is three digits, or 0 from clients that got no
-- answer: a log that refuses a call which happened loses it.
ALTER TABLE taskmaster.api_access_logs
    ADD CONSTRAINT api_access_logs_method_check CHECK (
        method IN ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE')),
    ADD CONSTRAINT api_access_logs_response_status_check CHECK (response_status BETWEEN 0 AND 999),
    ADD CONSTRAINT api_access_logs_response_time_ms_check CHECK (response_time_ms >= 0),
    ADD CONSTRAINT api_access_logs_retry_count_check CHECK (retry_count >= 0);
