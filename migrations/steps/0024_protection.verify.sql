SELECT format('%s is without row-level security, which its tenant_id asks for', c.oid::regclass)
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
 WHERE c.relnamespace = 'taskmaster'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND c.relname <> 'audit_log' AND NOT (c.relrowsecurity AND c.relforcerowsecurity);

SELECT format('PUBLIC has rights on %s', c.oid::regclass)
  FROM pg_class c, aclexplode(c.relacl) AS a
 WHERE c.relnamespace = 'taskmaster'::regnamespace AND a.grantee = 0;
