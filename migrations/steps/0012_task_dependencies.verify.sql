SELECT format('table taskmaster.%I is missing', name)
  FROM unnest(ARRAY['task_dependencies', 'task_gates']) AS name
 WHERE to_regclass(format('taskmaster.%I', name)) IS NULL;

SELECT format('trigger %I is missing or disabled', name)
  FROM unnest(ARRAY['task_dependencies_check', 'task_dependencies_count_inserted', 'task_dependencies_count_updated',
        'task_dependencies_count_deleted', 'tasks_settle_dependencies', 'task_gates_count']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = name AND tgenabled = 'O');

SELECT 'the row that edges between tasks are serialized by is missing'
 WHERE NOT EXISTS (SELECT FROM taskmaster.maintenance_state WHERE key = 'task_dependencies');
