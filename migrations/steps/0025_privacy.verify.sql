SELECT format('table taskmaster.%I is missing or not its owner''s', name)
  FROM unnest(ARRAY['personal_columns', 'legal_holds', 'erasure_requests']) AS name
 WHERE NOT EXISTS (
    SELECT FROM pg_class
     WHERE oid = to_regclass(format('taskmaster.%I', name)) AND relowner = 'taskmaster_owner'::regrole);
