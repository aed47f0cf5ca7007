CREATE FUNCTION taskmaster_plpgsql.create_workflow(
    p_task_id uuid, p_workflow_type varchar DEFAULT 'standard', p_total_steps integer DEFAULT 0,
    p_timeout_minutes integer DEFAULT 60
) RETURNS uuid
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $create_workflow$
DECLARE
    types CONSTANT text[] := ARRAY['standard', 'hotfix', 'rollback', 'deployment', 'validation', 'cleanup'];
    new_type text := coalesce(p_workflow_type, 'standard');
    new_steps integer := coalesce(p_total_steps, 0);
    new_timeout integer := coalesce(p_timeout_minutes, 60);
    new_id uuid;
BEGIN
    IF p_task_id IS NULL THEN
        PERFORM taskmaster_plpgsql.refuse_null('p_task_id');
    ELSIF char_length(new_type) > 50 THEN
        PERFORM taskmaster_plpgsql.refuse_length('p_workflow_type', new_type, 50);
    ELSIF new_type <> ALL (types) THEN
        PERFORM taskmaster_plpgsql.refuse_word('p_workflow_type', new_type, types);
    ELSIF new_steps < 0 THEN
        PERFORM taskmaster_plpgsql.refuse_range('p_total_steps', new_steps, 0, 2147483647);
    ELSIF new_timeout NOT BETWEEN 1 AND 1440 THEN
        PERFORM taskmaster_plpgsql.refuse_range('p_timeout_minutes', new_timeout, 1, 1440);
    END IF;
    IF NOT EXISTS (SELECT FROM taskmaster.tasks WHERE id = p_task_id) THEN
        PERFORM taskmaster_plpgsql.refuse_missing('23503', 'task', p_task_id, 'workflows', 'workflows_task_id_fkey');
    END IF;
    INSERT INTO taskmaster.workflows (task_id, workflow_type, total_steps, timeout_minutes)
    VALUES (p_task_id, new_type, new_steps, new_timeout)
    ON CONFLICT DO NOTHING
    RETURNING id INTO new_id;
    IF new_id IS NULL THEN
        PERFORM taskmaster_plpgsql.refuse(
            '23505', format('task %s already has a workflow that has not ended', p_task_id),
            jsonb_build_object('task_id', p_task_id),
            'Report its steps to the end or cancel it before another is started.',
            'workflows', 'workflows_active_task_id_key');
    END IF;
    RETURN new_id;
END
$create_workflow$;
