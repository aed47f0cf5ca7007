SELECT format('view taskmaster.%I is missing', name)
  FROM unnest(ARRAY['ready_tasks', 'blocked_tasks', 'blocking_tasks', 'v_taskmaster_tasks']) AS name
 WHERE to_regclass(format('taskmaster.%I', name)) IS NULL;
