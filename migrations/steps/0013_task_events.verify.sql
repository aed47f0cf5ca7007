SELECT format('table taskmaster.%I is missing', name)
  FROM unnest(ARRAY['task_events', 'task_contexts', 'idempotency_keys', 'task_status_transitions']) AS name
 WHERE to_regclass(format('taskmaster.%I', name)) IS NULL;

SELECT format('no status may follow %s', status)
  FROM unnest(ARRAY['pending', 'in_progress', 'review', 'blocked', 'deferred', 'completed', 'failed', 'cancelled']) AS status
 WHERE NOT EXISTS (SELECT FROM taskmaster.task_status_transitions WHERE from_status = status);
