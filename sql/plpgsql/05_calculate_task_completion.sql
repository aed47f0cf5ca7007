-- The completion of one task of the tree below p_root_id, unrounded.
CREATE FUNCTION taskmaster_plpgsql.completion_of(p_task_id uuid, p_status text, p_root_id uuid, p_level integer)
    RETURNS numeric
    LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $completion_of$
DECLARE
    mean numeric;
BEGIN
    IF p_level > 100 THEN
        PERFORM taskmaster_plpgsql.refuse_depth(p_root_id);
    END IF;
    SELECT avg(taskmaster_plpgsql.completion_of(c.id, c.status, p_root_id, p_level + 1)) INTO mean
      FROM taskmaster.tasks c
     WHERE c.parent_task_id = p_task_id AND c.id <> p_root_id AND c.status IS DISTINCT FROM 'cancelled';
    RETURN coalesce(mean, CASE WHEN p_status = 'completed' THEN 100 ELSE 0 END);
END
$completion_of$;

CREATE FUNCTION taskmaster_plpgsql.calculate_task_completion(p_task_id uuid) RETURNS numeric
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $calculate_task_completion$
DECLARE
    root_status text;
BEGIN
    SELECT status INTO root_status FROM taskmaster.tasks WHERE id = p_task_id;
    IF NOT FOUND THEN
        PERFORM taskmaster_plpgsql.refuse_missing('P0002', 'task', p_task_id);
    END IF;
    -- The addend makes a mean of exactly half a hundredth round up although a third before it was cut off.
    RETURN round(taskmaster_plpgsql.completion_of(p_task_id, root_status, p_task_id, 0) + 0.000000001, 2);
END
$calculate_task_completion$;
