-- Every row that a statement of a verify script returns is a complaint.

SELECT 'the search_path of the database is not "taskmaster, public"'
 WHERE NOT EXISTS (
    SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
     WHERE d.datname = current_database() AND s.setrole = 0
       AND 'search_path=taskmaster, public' = ANY (s.setconfig));

SELECT format('table taskmaster.%I is missing', name)
  FROM unnest(ARRAY['schema_migrations', 'maintenance_state']) AS name
 WHERE to_regclass(format('taskmaster.%I', name)) IS NULL;
