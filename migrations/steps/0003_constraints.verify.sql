SELECT format('constraint %I of %s is not validated', conname, conrelid::regclass)
  FROM pg_constraint
 WHERE connamespace = 'taskmaster'::regnamespace AND NOT convalidated;

SELECT format('table taskmaster.%I has no CHECK constraint', name)
  FROM unnest(ARRAY['tasks', 'workflows', 'system_metrics', 'external_integrations', 'api_access_logs']) AS name
 WHERE NOT EXISTS (
    SELECT FROM pg_constraint WHERE conrelid = to_regclass(format('taskmaster.%I', name)) AND contype = 'c');
