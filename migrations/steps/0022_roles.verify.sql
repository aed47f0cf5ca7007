SELECT format('role %s is missing', name)
  FROM unnest(ARRAY['taskmaster_owner', 'taskmaster_admin', 'taskmaster_agent', 'taskmaster_integration',
                    'taskmaster_readonly', 'taskmaster_auditor']) AS name
 WHERE to_regrole(name) IS NULL;

SELECT format('PUBLIC may execute %s', p.oid::regprocedure)
  FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS granted
 WHERE p.pronamespace = 'taskmaster'::regnamespace AND granted.grantee = 0
   AND NOT EXISTS (
        SELECT FROM pg_depend e JOIN pg_extension x ON x.oid = e.refobjid
         WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e'
           AND e.refclassid = 'pg_extension'::regclass AND x.extname <> 'taskmaster');
