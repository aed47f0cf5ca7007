-- The first version of the extension, as it was. It stays here for ALTER EXTENSION ... UPDATE to be tried from. The library
-- wants more arguments of most of its functions by now, so these refuse to run until the update.

CREATE FUNCTION create_task(
    p_title character varying,
    p_description text DEFAULT NULL,
    p_type character varying DEFAULT 'general',
    p_priority integer DEFAULT 0,
    p_assigned_to character varying DEFAULT NULL,
    p_parent_task_id uuid DEFAULT NULL,
    p_requirements jsonb DEFAULT '[]',
    p_metadata jsonb DEFAULT '{}'
) RETURNS uuid
VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'create_task_wrapper';

CREATE FUNCTION update_task_status(
    p_task_id uuid,
    p_new_status character varying,
    p_user_id character varying DEFAULT NULL,
    p_notes text DEFAULT NULL
) RETURNS boolean
VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'update_task_status_wrapper';

CREATE FUNCTION get_task_hierarchy(
    p_task_id uuid
) RETURNS TABLE (
    task_id uuid,
    title character varying,
    status character varying,
    level integer,
    path text
)
STRICT STABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'get_task_hierarchy_wrapper';

CREATE FUNCTION calculate_task_completion(
    p_task_id uuid
) RETURNS numeric
STRICT STABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'calculate_task_completion_wrapper';

CREATE FUNCTION create_workflow(
    p_task_id uuid,
    p_workflow_type character varying DEFAULT 'standard',
    p_total_steps integer DEFAULT 0,
    p_timeout_minutes integer DEFAULT 60
) RETURNS uuid
VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'create_workflow_wrapper';

CREATE FUNCTION update_workflow_step(
    p_workflow_id uuid,
    p_step_name character varying,
    p_step_status character varying,
    p_step_result jsonb DEFAULT NULL,
    p_error_message text DEFAULT NULL
) RETURNS boolean
VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'update_workflow_step_wrapper';

CREATE FUNCTION record_metric(
    p_metric_name character varying,
    p_metric_value numeric,
    p_component character varying DEFAULT NULL,
    p_metric_type character varying DEFAULT 'gauge',
    p_tags jsonb DEFAULT '{}'
) RETURNS uuid
VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'record_metric_wrapper';

CREATE FUNCTION log_api_call(
    p_integration_name character varying,
    p_endpoint character varying,
    p_method character varying,
    p_response_status integer,
    p_response_time_ms integer,
    p_task_id uuid DEFAULT NULL,
    p_user_id character varying DEFAULT NULL,
    p_error_message text DEFAULT NULL
) RETURNS uuid
VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'log_api_call_wrapper';
