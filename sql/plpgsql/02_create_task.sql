CREATE FUNCTION taskmaster_plpgsql.create_task(
    p_title varchar, p_description text DEFAULT NULL, p_type varchar DEFAULT 'general', p_priority integer DEFAULT 0,
    p_assigned_to varchar DEFAULT NULL, p_parent_task_id uuid DEFAULT NULL, p_requirements jsonb DEFAULT '[]',
    p_metadata jsonb DEFAULT '{}'
) RETURNS uuid
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $create_task$
DECLARE
    types CONSTANT text[] := ARRAY['general', 'bug_fix', 'feature', 'enhancement', 'refactor', 'documentation', 'test',
        'deployment'];
    task_type text := coalesce(p_type, 'general');
    task_priority integer := coalesce(p_priority, 0);
    new_id uuid;
BEGIN
    IF p_title IS NULL THEN
        PERFORM taskmaster_plpgsql.refuse_null('p_title');
    ELSIF char_length(p_title) > 255 THEN
        PERFORM taskmaster_plpgsql.refuse_length('p_title', p_title, 255);
    ELSIF btrim(p_title, E' \t\n\r\x0b\x0c') = '' THEN
        PERFORM taskmaster_plpgsql.refuse_blank('p_title', 'tasks', 'tasks_title_check');
    END IF;
    IF char_length(task_type) > 50 THEN
        PERFORM taskmaster_plpgsql.refuse_length('p_type', task_type, 50);
    ELSIF task_type <> ALL (types) THEN
        PERFORM taskmaster_plpgsql.refuse_word('p_type', task_type, types);
    END IF;
    IF task_priority NOT BETWEEN 0 AND 10 THEN
        PERFORM taskmaster_plpgsql.refuse_range('p_priority', task_priority, 0, 10, 'tasks', 'tasks_priority_check');
    END IF;
    IF char_length(p_assigned_to) > 255 THEN
        PERFORM taskmaster_plpgsql.refuse_length('p_assigned_to', p_assigned_to, 255);
    END IF;
    IF jsonb_typeof(p_metadata) <> 'object' THEN
        PERFORM taskmaster_plpgsql.refuse_document('p_metadata');
    END IF;
    IF p_parent_task_id IS NOT NULL AND NOT EXISTS (SELECT FROM taskmaster.tasks WHERE id = p_parent_task_id) THEN
        PERFORM taskmaster_plpgsql.refuse_missing(
            '23503', 'parent task', p_parent_task_id, 'tasks', 'tasks_parent_task_id_fkey');
    END IF;
    INSERT INTO taskmaster.tasks
        (title, description, type, priority, assigned_to, parent_task_id, requirements, metadata)
    VALUES (p_title, p_description, task_type, task_priority, p_assigned_to, p_parent_task_id,
        coalesce(p_requirements, '[]'), coalesce(p_metadata, '{}'))
    RETURNING id INTO new_id;
    INSERT INTO taskmaster.task_events (task_id, kind, to_status) VALUES (new_id, 'created', 'pending');
    RETURN new_id;
END
$create_task$;
