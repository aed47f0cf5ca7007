-- The functions in native code. Last, because nothing above may depend on them: tables whose
-- defaults, checks or triggers used the extension would go when it is dropped.
--
-- The extension has no objects but functions, so one that somebody created in another schema
-- beforehand is made anew here without loss. What depends on it stops that, since nothing is
-- cascaded.

DO $up$
BEGIN
    IF EXISTS (
        SELECT FROM pg_extension
         WHERE extname = 'taskmaster' AND extnamespace <> 'taskmaster'::regnamespace)
    THEN
        DROP EXTENSION taskmaster;
    END IF;
END
$up$;

CREATE EXTENSION taskmaster SCHEMA taskmaster;
