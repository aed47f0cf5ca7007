SELECT format('table taskmaster.%I is missing', name)
  FROM unnest(ARRAY['tasks', 'workflows', 'system_metrics', 'external_integrations', 'api_access_logs']) AS name
 WHERE to_regclass(format('taskmaster.%I', name)) IS NULL;

SELECT format('table taskmaster.%I is not partitioned by time with a default partition', name)
  FROM unnest(ARRAY['system_metrics', 'api_access_logs']) AS name
 WHERE NOT EXISTS (
    SELECT FROM pg_partitioned_table p
     WHERE p.partrelid = to_regclass(format('taskmaster.%I', name)) AND p.partstrat = 'r' AND p.partdefid <> 0);
