-- Sessions load the library as they begin, so that it can tell a proxy in front of the server what
-- they hold. It does so for connections that ask (taskmaster.report in the startup packet) and
-- costs the others nothing but the loading.
--
-- The setting of a database replaces that of the server, so what the server loads is named too.

INSERT INTO taskmaster.maintenance_state (key, value)
VALUES (
    'session_preload_libraries_before',
    coalesce(
        (SELECT to_jsonb(substr(setting, length('session_preload_libraries=') + 1))
           FROM pg_db_role_setting s
           JOIN pg_database d ON d.oid = s.setdatabase,
                unnest(s.setconfig) AS setting
          WHERE d.datname = current_database()
            AND s.setrole = 0
            AND setting LIKE 'session\_preload\_libraries=%'),
        'null'::jsonb));

-- SET ... FROM CURRENT stores the list as it is, which no quoting of its parts could promise.
DO $up$
DECLARE
    present text := current_setting('session_preload_libraries');
BEGIN
    IF position('$libdir/taskmaster' IN present) = 0 THEN
        PERFORM set_config(
            'session_preload_libraries',
            concat_ws(', ', nullif(present, ''), '"$libdir/taskmaster"'),
            true);
    END IF;
    EXECUTE format(
        'ALTER DATABASE %I SET session_preload_libraries FROM CURRENT', current_database());
END
$up$;
