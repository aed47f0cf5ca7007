CREATE FUNCTION taskmaster_plpgsql.task_status(p_word text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN p_word = 'in-progress' THEN 'in_progress'
    WHEN p_word IN ('done', 'closed') THEN 'completed'
    WHEN p_word IN ('todo', 'open') THEN 'pending'
    WHEN p_word = 'canceled' THEN 'cancelled'
    WHEN p_word IN ('pending', 'in_progress', 'review', 'blocked', 'deferred', 'completed', 'failed', 'cancelled')
        THEN p_word
END;

CREATE FUNCTION taskmaster_plpgsql.task_successors(p_status text) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE p_status
    WHEN 'pending' THEN ARRAY['in_progress', 'blocked', 'deferred', 'cancelled']
    WHEN 'in_progress' THEN ARRAY['review', 'blocked', 'deferred', 'completed', 'failed', 'cancelled']
    WHEN 'review' THEN ARRAY['in_progress', 'completed', 'failed', 'cancelled']
    WHEN 'blocked' THEN ARRAY['pending', 'in_progress', 'deferred', 'cancelled']
    WHEN 'deferred' THEN ARRAY['pending', 'cancelled']
    WHEN 'failed' THEN ARRAY['pending', 'in_progress', 'cancelled']
    WHEN 'completed' THEN ARRAY['in_progress']
    WHEN 'cancelled' THEN ARRAY['pending']
END;

CREATE FUNCTION taskmaster_plpgsql.update_task_status(
    p_task_id uuid, p_new_status varchar, p_user_id varchar DEFAULT NULL, p_notes text DEFAULT NULL
) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $update_task_status$
DECLARE
    statuses CONSTANT text[] := ARRAY['pending', 'in_progress', 'review', 'blocked', 'deferred', 'completed', 'failed',
        'cancelled'];
    target text := taskmaster_plpgsql.task_status(p_new_status);
    stored text;
    present text;
    open_subtasks bigint;
BEGIN
    IF p_task_id IS NULL THEN
        PERFORM taskmaster_plpgsql.refuse_null('p_task_id');
    ELSIF p_new_status IS NULL THEN
        PERFORM taskmaster_plpgsql.refuse_null('p_new_status');
    ELSIF char_length(p_new_status) > 50 THEN
        PERFORM taskmaster_plpgsql.refuse_length('p_new_status', p_new_status, 50);
    ELSIF target IS NULL THEN
        PERFORM taskmaster_plpgsql.refuse_word('p_new_status', p_new_status, statuses);
    ELSIF char_length(p_user_id) > 255 THEN
        PERFORM taskmaster_plpgsql.refuse_length('p_user_id', p_user_id, 255);
    ELSIF char_length(p_notes) > 4000 THEN
        PERFORM taskmaster_plpgsql.refuse_length('p_notes', p_notes, 4000);
    END IF;

    SELECT status INTO stored FROM taskmaster.tasks WHERE id = p_task_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM taskmaster_plpgsql.refuse_missing('P0002', 'task', p_task_id);
    END IF;
    present := taskmaster_plpgsql.task_status(stored);
    IF present IS NULL THEN
        PERFORM taskmaster_plpgsql.refuse_stored_status('task', p_task_id, stored, statuses);
    ELSIF present = target THEN
        RETURN true;
    ELSIF target <> ALL (taskmaster_plpgsql.task_successors(present)) THEN
        PERFORM taskmaster_plpgsql.refuse(
            '55000', format('a task cannot go from %s to %s', present, target),
            jsonb_build_object('task_id', p_task_id, 'from', present, 'to', target,
                'allowed', taskmaster_plpgsql.task_successors(present)),
            format('Allowed from %s: %s.', present,
                array_to_string(taskmaster_plpgsql.task_successors(present), ', ')));
    END IF;

    IF target = 'completed' THEN
        SELECT count(*) INTO open_subtasks FROM taskmaster.tasks
         WHERE parent_task_id = p_task_id AND id <> p_task_id
           AND coalesce(status, '') NOT IN ('completed', 'cancelled');
        IF open_subtasks > 0 THEN
            PERFORM taskmaster_plpgsql.refuse(
                '55000', format('the task has subtasks that are neither completed nor cancelled: %s', open_subtasks),
                jsonb_build_object('task_id', p_task_id, 'open_subtasks', open_subtasks),
                'Complete or cancel the subtasks first.');
        END IF;
    END IF;

    UPDATE taskmaster.tasks
       SET status = target, completed_at = CASE WHEN target = 'completed' THEN now() END
     WHERE id = p_task_id;
    INSERT INTO taskmaster.task_events (task_id, kind, from_status, to_status, payload)
    VALUES (p_task_id, 'status_changed', present, target,
        jsonb_strip_nulls(jsonb_build_object('user', p_user_id, 'notes', p_notes)));
    RETURN true;
END
$update_task_status$;
