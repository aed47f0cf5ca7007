SELECT format('column taskmaster.tasks.%I is missing', name)
  FROM unnest(ARRAY['display_id', 'version', 'tenant_id', 'created_by', 'open_deps', 'open_gates', 'run_after', 'attempt',
        'max_attempts', 'claimed_by', 'claim_token', 'claim_expires_at', 'heartbeat_at']) AS name
 WHERE NOT EXISTS (
    SELECT FROM pg_attribute
     WHERE attrelid = 'taskmaster.tasks'::regclass AND attname = name AND NOT attisdropped);

SELECT 'function taskmaster.current_actor() is missing' WHERE to_regprocedure('taskmaster.current_actor()') IS NULL;
