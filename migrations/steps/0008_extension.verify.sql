SELECT 'extension taskmaster is not installed in schema taskmaster'
 WHERE NOT EXISTS (
    SELECT FROM pg_extension WHERE extname = 'taskmaster' AND extnamespace = 'taskmaster'::regnamespace);

-- A table that belongs to an extension loses its rows, indexes and triggers in a dump.
SELECT format('%s belongs to the extension and would not be dumped', c.oid::regclass)
  FROM pg_depend d JOIN pg_class c ON c.oid = d.objid JOIN pg_extension e ON e.oid = d.refobjid
 WHERE d.deptype = 'e' AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass
   AND e.extname = 'taskmaster';
