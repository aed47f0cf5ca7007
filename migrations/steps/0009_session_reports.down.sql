-- Takes the library out of what the database has sessions load, and leaves what is there besides.
-- A list that nobody changed since becomes what the step found.
DO $down$
DECLARE
    before text := (
        SELECT value #>> '{}' FROM taskmaster.maintenance_state
         WHERE key = 'session_preload_libraries_before');
    present text := (
        SELECT substr(setting, length('session_preload_libraries=') + 1)
          FROM pg_db_role_setting s
          JOIN pg_database d ON d.oid = s.setdatabase,
               unnest(s.setconfig) AS setting
         WHERE d.datname = current_database() AND s.setrole = 0
           AND setting LIKE 'session\_preload\_libraries=%');
    -- PostgreSQL stores the names of a list with ', ' between. One that is part of a quoted name
    -- parts it here, and comes back as it was.
    others text := array_to_string(
        array_remove(string_to_array(present, ', '), '"$libdir/taskmaster"'), ', ');
    servers text := (
        SELECT setting FROM pg_file_settings
         WHERE name = 'session_preload_libraries' AND error IS NULL
         ORDER BY seqno DESC LIMIT 1);
BEGIN
    IF present IS NULL THEN
        RETURN;
    END IF;
    IF before IS NULL AND others = coalesce(servers, '') THEN
        EXECUTE format(
            'ALTER DATABASE %I RESET session_preload_libraries', current_database());
        RETURN;
    END IF;
    IF position('$libdir/taskmaster' IN before) > 0 THEN
        others := present;
    END IF;
    PERFORM set_config('session_preload_libraries', others, true);
    EXECUTE format(
        'ALTER DATABASE %I SET session_preload_libraries FROM CURRENT', current_database());
END
$down$;

DELETE FROM taskmaster.maintenance_state WHERE key = 'session_preload_libraries_before';
