-- Puts the database's search_path back to what the step found, then drops the ledger and the
-- schema. DROP SCHEMA is without CASCADE: an object that somebody else made in the schema stops the
-- way down.

-- SET ... FROM CURRENT stores the remembered text as it is, which no quoting of a list could
-- promise. A search_path that an operator has changed since is the operator's, and stays.
DO $down$
DECLARE
    before text := (SELECT value #>> '{}' FROM taskmaster.maintenance_state WHERE key = 'search_path_before');
    present text := (
        SELECT substr(setting, length('search_path=') + 1)
          FROM pg_db_role_setting s
          JOIN pg_database d ON d.oid = s.setdatabase,
               unnest(s.setconfig) AS setting
         WHERE d.datname = current_database() AND s.setrole = 0 AND setting LIKE 'search\_path=%');
BEGIN
    IF present IS DISTINCT FROM 'taskmaster, public' THEN
        RAISE NOTICE 'the search_path of database "%" was changed since the migration and stays as it is: %',
            current_database(), coalesce(present, 'not set');
    ELSIF before IS NULL THEN
        EXECUTE format('ALTER DATABASE %I RESET search_path', current_database());
    ELSE
        PERFORM set_config('search_path', before, true);
        EXECUTE format('ALTER DATABASE %I SET search_path FROM CURRENT', current_database());
        PERFORM set_config('search_path', 'pg_catalog', true);
    END IF;
END
$down$;

DROP TABLE taskmaster.maintenance_state;

DROP TABLE taskmaster.schema_migrations;

DROP SCHEMA taskmaster;
