-- A task has one parent, so a walk down from the root meets only the root again: leaving it out ends every cycle.

CREATE FUNCTION taskmaster_plpgsql.refuse_depth(p_task_id uuid) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $refuse_depth$
BEGIN
    PERFORM taskmaster_plpgsql.refuse(
        '54001', 'the task hierarchy is deeper than 100 levels',
        jsonb_build_object('task_id', p_task_id, 'depth_max', 100), 'Ask for a subtask further down.');
END
$refuse_depth$;

CREATE FUNCTION taskmaster_plpgsql.get_task_hierarchy(p_task_id uuid)
    RETURNS TABLE (task_id uuid, title varchar, status varchar, level integer, path text)
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $get_task_hierarchy$
BEGIN
    FOR task_id, title, status, level, path IN
        WITH RECURSIVE tree AS (
            SELECT t.id, t.title, t.status, 0 AS level, t.title::text AS path
              FROM taskmaster.tasks t WHERE t.id = p_task_id
            UNION ALL
            SELECT c.id, c.title, c.status, tree.level + 1, tree.path || ' > ' || c.title
              FROM tree JOIN taskmaster.tasks c ON c.parent_task_id = tree.id
             WHERE c.id <> p_task_id AND tree.level <= 100)
        SELECT tree.id, tree.title, tree.status, tree.level, tree.path
          FROM tree ORDER BY tree.level, tree.title, tree.id
    LOOP
        IF level > 100 THEN
            PERFORM taskmaster_plpgsql.refuse_depth(p_task_id);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$get_task_hierarchy$;
