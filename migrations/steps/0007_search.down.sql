DROP INDEX IF EXISTS taskmaster.tasks_title_description_trgm_idx;

DO $down$
BEGIN
    IF EXISTS (
        SELECT FROM pg_extension
         WHERE extname = 'pg_trgm' AND extnamespace = 'taskmaster'::regnamespace)
    THEN
        DROP EXTENSION pg_trgm;
    END IF;
END
$down$;
