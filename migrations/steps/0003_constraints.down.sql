ALTER TABLE taskmaster.api_access_logs
    DROP CONSTRAINT api_access_logs_method_check,
    DROP CONSTRAINT api_access_logs_response_status_check,
    DROP CONSTRAINT api_access_logs_response_time_ms_check,
    DROP CONSTRAINT api_access_logs_retry_count_check;

ALTER TABLE taskmaster.external_integrations
    DROP CONSTRAINT external_integrations_type_name_key,
    DROP CONSTRAINT external_integrations_integration_type_check,
    DROP CONSTRAINT external_integrations_status_check,
    DROP CONSTRAINT external_integrations_health_status_check,
    DROP CONSTRAINT external_integrations_rate_limit_per_minute_check,
    DROP CONSTRAINT external_integrations_current_usage_check;

ALTER TABLE taskmaster.system_metrics
    DROP CONSTRAINT system_metrics_metric_type_check;

ALTER TABLE taskmaster.workflows
    DROP CONSTRAINT workflows_status_check,
    DROP CONSTRAINT workflows_workflow_type_check,
    DROP CONSTRAINT workflows_total_steps_check,
    DROP CONSTRAINT workflows_retry_count_check,
    DROP CONSTRAINT workflows_max_retries_check,
    DROP CONSTRAINT workflows_timeout_minutes_check;

ALTER TABLE taskmaster.tasks
    DROP CONSTRAINT tasks_title_check,
    DROP CONSTRAINT tasks_status_check,
    DROP CONSTRAINT tasks_type_check,
    DROP CONSTRAINT tasks_priority_check,
    DROP CONSTRAINT tasks_complexity_score_check,
    DROP CONSTRAINT tasks_estimated_hours_check,
    DROP CONSTRAINT tasks_actual_hours_check,
    DROP CONSTRAINT tasks_pr_number_check,
    DROP CONSTRAINT tasks_github_issue_number_check,
    DROP CONSTRAINT tasks_parent_task_id_check,
    DROP CONSTRAINT tasks_completed_at_check;
