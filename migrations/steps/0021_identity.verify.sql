SELECT 'table taskmaster.proxy_keys is missing' WHERE to_regclass('taskmaster.proxy_keys') IS NULL;

SELECT format('function taskmaster.%s is not STABLE and PARALLEL SAFE', signature)
  FROM unnest(ARRAY['current_actor()', 'current_tenant()']) AS signature
 WHERE NOT EXISTS (
    SELECT FROM pg_proc
     WHERE oid = to_regprocedure('taskmaster.' || signature) AND provolatile = 's' AND proparallel = 's');
