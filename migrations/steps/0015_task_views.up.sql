-- The board as people look at it. From PostgreSQL 15 on a view has its reader's rights; on 14 it has
-- its owner's, so row-level security of the reader does not reach it there.

CREATE VIEW taskmaster.ready_tasks AS
SELECT t.id, t.display_id, t.title, t.type, t.priority, t.assigned_to, t.parent_task_id, t.created_at
  FROM taskmaster.tasks AS t
 WHERE t.status = 'pending' AND t.open_deps = 0 AND t.open_gates = 0
   AND (t.run_after IS NULL OR t.run_after <= clock_timestamp())
   AND NOT EXISTS (
        SELECT FROM taskmaster.tasks AS child
         WHERE child.parent_task_id = t.id AND child.status NOT IN ('completed', 'cancelled'))
 ORDER BY t.priority DESC, t.created_at, t.id;

COMMENT ON VIEW taskmaster.ready_tasks IS 'Tasks that can be taken now, the next one first';

CREATE VIEW taskmaster.blocked_tasks AS
SELECT t.id, t.display_id, t.title, t.status, t.priority, t.open_deps, t.open_gates,
       ARRAY(SELECT d.depends_on FROM taskmaster.task_dependencies AS d
              WHERE d.task_id = t.id AND d.dependency_type = 'blocks' AND NOT d.satisfied
              ORDER BY d.depends_on) AS waits_for,
       ARRAY(SELECT g.gate_type::text FROM taskmaster.task_gates AS g
              WHERE g.task_id = t.id AND g.resolved_at IS NULL ORDER BY g.created_at, g.id) AS gates
  FROM taskmaster.tasks AS t
 WHERE t.status NOT IN ('completed', 'failed', 'cancelled')
   AND (t.open_deps > 0 OR t.open_gates > 0 OR t.status = 'blocked')
 ORDER BY t.priority DESC, t.created_at, t.id;

COMMENT ON VIEW taskmaster.blocked_tasks IS 'Tasks that wait, and for what';

CREATE VIEW taskmaster.blocking_tasks AS
SELECT t.id, t.display_id, t.title, t.status, t.priority, t.assigned_to, count(*) AS waiting,
       array_agg(d.task_id ORDER BY d.task_id) AS blocks
  FROM taskmaster.tasks AS t
  JOIN taskmaster.task_dependencies AS d ON d.depends_on = t.id AND d.dependency_type = 'blocks' AND NOT d.satisfied
  JOIN taskmaster.tasks AS waiting ON waiting.id = d.task_id
       AND waiting.status NOT IN ('completed', 'failed', 'cancelled')
 GROUP BY t.id
 ORDER BY count(*) DESC, t.priority DESC, t.created_at, t.id;

COMMENT ON VIEW taskmaster.blocking_tasks IS 'Tasks that others wait for, those that hold up most first';

-- The words of the command line tool Task Master.
CREATE VIEW taskmaster.v_taskmaster_tasks AS
SELECT t.display_id AS id, t.id AS task_id, t.title, t.description,
       CASE t.status WHEN 'in_progress' THEN 'in-progress' WHEN 'completed' THEN 'done' WHEN 'failed' THEN 'blocked'
            ELSE t.status END::text AS status,
       CASE WHEN t.priority <= 2 THEN 'low' WHEN t.priority <= 5 THEN 'medium' WHEN t.priority <= 8 THEN 'high'
            ELSE 'critical' END AS priority,
       ARRAY(SELECT other.display_id
               FROM taskmaster.task_dependencies AS d JOIN taskmaster.tasks AS other ON other.id = d.depends_on
              WHERE d.task_id = t.id AND d.dependency_type = 'blocks' ORDER BY other.display_id) AS dependencies,
       parent.display_id AS parent_id, t.metadata ->> 'details' AS details,
       t.metadata ->> 'testStrategy' AS test_strategy, t.assigned_to AS assignee, t.updated_at
  FROM taskmaster.tasks AS t LEFT JOIN taskmaster.tasks AS parent ON parent.id = t.parent_task_id;

COMMENT ON VIEW taskmaster.v_taskmaster_tasks IS 'Tasks in the words of Task Master: statuses such as done, priorities such as high';

DO $up$
BEGIN
    IF current_setting('server_version_num')::integer >= 150000 THEN
        ALTER VIEW taskmaster.ready_tasks SET (security_invoker = true);
        ALTER VIEW taskmaster.blocked_tasks SET (security_invoker = true);
        ALTER VIEW taskmaster.blocking_tasks SET (security_invoker = true);
        ALTER VIEW taskmaster.v_taskmaster_tasks SET (security_invoker = true);
    END IF;
END
$up$;
