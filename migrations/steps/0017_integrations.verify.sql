SELECT format('table taskmaster.%I is missing', name)
  FROM unnest(ARRAY['integration_rate_state', 'integration_health', 'integration_health_history', 'task_budgets']) AS name
 WHERE to_regclass(format('taskmaster.%I', name)) IS NULL;

SELECT 'the state of rate limits is not unlogged'
 WHERE NOT EXISTS (
    SELECT FROM pg_class WHERE oid = to_regclass('taskmaster.integration_rate_state') AND relpersistence = 'u');

SELECT 'integrations take secrets in plain text'
 WHERE NOT EXISTS (
    SELECT FROM pg_trigger
     WHERE tgrelid = 'taskmaster.external_integrations'::regclass
       AND tgname = 'external_integrations_refuse_plain_secret' AND tgenabled <> 'D');
