SELECT format('%s may write %s', a.grantee::regrole, c.oid::regclass)
  FROM pg_class c, aclexplode(c.relacl) AS a
 WHERE c.relnamespace = 'taskmaster'::regnamespace AND c.relname ~ '^audit_' AND c.relkind IN ('r', 'p')
   AND a.grantee <> c.relowner AND a.privilege_type <> 'SELECT';

SELECT format('function %s does not run as the owner of the audit with a fixed search_path', p.oid::regprocedure)
  FROM pg_proc p
 WHERE p.pronamespace = 'taskmaster'::regnamespace AND p.proname IN ('audit_row', 'audit_truncate')
   AND NOT (p.prosecdef AND p.proowner = 'taskmaster_owner'::regrole
            AND p.proconfig = '{"search_path=pg_catalog, pg_temp"}');
