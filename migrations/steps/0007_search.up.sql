-- Search in titles and descriptions (LIKE, ILIKE, similarity) by trigrams. pg_trgm comes with
-- PostgreSQL's contrib modules, which a server may lack or a role may not be allowed to add: then
-- the search works without the index. An extension that stands already is used where it is; one
-- made here lives in this schema, which is how the way down knows that it may drop it.

DO $up$
DECLARE
    home name;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
        CREATE EXTENSION pg_trgm SCHEMA taskmaster;
    END IF;
    SELECT n.nspname INTO STRICT home
      FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
     WHERE e.extname = 'pg_trgm';
    EXECUTE format(
        'CREATE INDEX tasks_title_description_trgm_idx ON taskmaster.tasks
            USING gin (title %1$I.gin_trgm_ops, description %1$I.gin_trgm_ops) WITH (fastupdate = off)',
        home);
EXCEPTION
    WHEN feature_not_supported OR undefined_file OR insufficient_privilege THEN
        RAISE NOTICE 'no trigram index for titles and descriptions: %', SQLERRM
            USING HINT = 'Searches read the whole table. Install the contrib package, then: CREATE EXTENSION pg_trgm; '
                'CREATE INDEX tasks_title_description_trgm_idx ON taskmaster.tasks '
                'USING gin (title gin_trgm_ops, description gin_trgm_ops) WITH (fastupdate = off);';
END
$up$;
