CREATE FUNCTION taskmaster_plpgsql.update_workflow_step(
    p_workflow_id uuid, p_step_name varchar, p_step_status varchar, p_step_result jsonb DEFAULT NULL,
    p_error_message text DEFAULT NULL
) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $update_workflow_step$
DECLARE
    step_statuses CONSTANT text[] := ARRAY['pending', 'running', 'completed', 'failed', 'skipped'];
    workflow_statuses CONSTANT text[] := ARRAY['initialized', 'running', 'completed', 'failed', 'cancelled',
        'timeout'];
    workflow taskmaster.workflows;
    records jsonb;
    latest jsonb;
    finished bigint;
    next_status text;
BEGIN
    IF p_workflow_id IS NULL THEN
        PERFORM taskmaster_plpgsql.refuse_null('p_workflow_id');
    ELSIF p_step_name IS NULL THEN
        PERFORM taskmaster_plpgsql.refuse_null('p_step_name');
    ELSIF char_length(p_step_name) > 100 THEN
        PERFORM taskmaster_plpgsql.refuse_length('p_step_name', p_step_name, 100);
    ELSIF btrim(p_step_name, E' \t\n\r\x0b\x0c') = '' THEN
        PERFORM taskmaster_plpgsql.refuse_blank('p_step_name');
    ELSIF p_step_status IS NULL THEN
        PERFORM taskmaster_plpgsql.refuse_null('p_step_status');
    ELSIF char_length(p_step_status) > 50 THEN
        PERFORM taskmaster_plpgsql.refuse_length('p_step_status', p_step_status, 50);
    ELSIF p_step_status <> ALL (step_statuses) THEN
        PERFORM taskmaster_plpgsql.refuse_word('p_step_status', p_step_status, step_statuses);
    END IF;

    SELECT * INTO workflow FROM taskmaster.workflows WHERE id = p_workflow_id FOR NO KEY UPDATE;
    records := CASE WHEN jsonb_typeof(workflow.steps_completed) = 'array' THEN workflow.steps_completed ELSE '[]' END;
    IF NOT FOUND THEN
        PERFORM taskmaster_plpgsql.refuse_missing('P0002', 'workflow', p_workflow_id);
    ELSIF workflow.status IS NULL OR workflow.status <> ALL (workflow_statuses) THEN
        PERFORM taskmaster_plpgsql.refuse_stored_status('workflow', p_workflow_id, workflow.status, workflow_statuses);
    ELSIF workflow.status NOT IN ('initialized', 'running') THEN
        PERFORM taskmaster_plpgsql.refuse(
            '55000', format('the workflow is %s and takes no more steps', workflow.status),
            jsonb_build_object('workflow_id', p_workflow_id, 'status', workflow.status),
            'Start a new workflow with create_workflow.');
    ELSIF jsonb_array_length(records) >= 10000 THEN
        PERFORM taskmaster_plpgsql.refuse(
            '54000', 'the workflow already holds 10000 step records',
            jsonb_build_object('workflow_id', p_workflow_id, 'records_max', 10000),
            'Report a step when it starts and when it ends, not as a heartbeat.');
    END IF;

    records := records || jsonb_build_object(
        'step_name', p_step_name, 'status', p_step_status, 'timestamp', now(), 'result', p_step_result,
        'error_message', p_error_message);
    IF p_step_status = 'failed' THEN
        next_status := 'failed';
    ELSE
        -- Of several records of one step the last stays in the object.
        SELECT jsonb_object_agg(record ->> 'step_name', record -> 'status' ORDER BY number)
               FILTER (WHERE record ->> 'step_name' IS NOT NULL)
          INTO latest
          FROM jsonb_array_elements(records) WITH ORDINALITY AS steps(record, number);
        SELECT count(*) INTO finished FROM jsonb_each_text(latest) WHERE value IN ('completed', 'skipped');
        next_status := CASE
            WHEN p_step_name = 'final' AND p_step_status = 'completed' THEN 'completed'
            WHEN workflow.total_steps > 0 AND finished >= workflow.total_steps THEN 'completed'
            ELSE 'running' END;
    END IF;
    UPDATE taskmaster.workflows
       SET status = next_status, current_step = p_step_name, steps_completed = records,
           completed_at = CASE WHEN next_status = 'completed' THEN now() ELSE completed_at END,
           error_log = CASE WHEN p_step_status = 'failed' OR p_error_message IS NOT NULL
               THEN CASE WHEN jsonb_typeof(error_log) = 'array' THEN error_log ELSE '[]' END
                    || jsonb_build_object(
                        'step_name', p_step_name, 'error_message', p_error_message, 'timestamp', now())
               ELSE error_log END
     WHERE id = p_workflow_id;
    RETURN true;
END
$update_workflow_step$;
