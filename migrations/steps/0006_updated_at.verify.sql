SELECT format('trigger %I is missing or disabled', name)
  FROM unnest(ARRAY['tasks_set_updated_at', 'external_integrations_set_updated_at']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = name AND tgenabled = 'O');
