-- The libraries that the database had sessions load before the step.
DO $down$
DECLARE
    before text := (
        SELECT value #>> '{}' FROM taskmaster.maintenance_state
         WHERE key = 'session_preload_libraries_before');
BEGIN
    IF before IS NULL THEN
        EXECUTE format(
            'ALTER DATABASE %I RESET session_preload_libraries', current_database());
    ELSE
        PERFORM set_config('session_preload_libraries', before, true);
        EXECUTE format(
            'ALTER DATABASE %I SET session_preload_libraries FROM CURRENT', current_database());
    END IF;
END
$down$;

DELETE FROM taskmaster.maintenance_state WHERE key = 'session_preload_libraries_before';
