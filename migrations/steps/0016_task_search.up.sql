-- What a text finds, in one place. Words by full-text search; parts of words and titles that are
-- spelt alike by trigrams, where pg_trgm is (step 0007). Without it, parts of words are looked for
-- in every row.

DO $up$
DECLARE
    home name := (
        SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
         WHERE e.extname = 'pg_trgm');
    alike text := '';
    likeness text := '0';
BEGIN
    IF home IS NOT NULL THEN
        alike := format('UNION SELECT t.id FROM taskmaster.tasks AS t WHERE t.title OPERATOR(%I.%%) p_query', home);
        likeness := format('%I.similarity(t.title, p_query)', home);
    END IF;
    EXECUTE format($create$
CREATE FUNCTION taskmaster.find_tasks(p_query text) RETURNS TABLE (task_id uuid, similarity real)
    LANGUAGE sql STABLE STRICT PARALLEL SAFE ROWS 50
    SET search_path = pg_catalog, pg_temp
AS $find_tasks$
    WITH wanted AS (
        SELECT websearch_to_tsquery('pg_catalog.english', p_query) AS words,
               '%%' || replace(replace(replace(p_query, '\', '\\'), '%%', '\%%'), '_', '\_') || '%%' AS part),
    found AS (
        SELECT t.id FROM taskmaster.tasks AS t
         WHERE to_tsvector('pg_catalog.english'::regconfig, t.title || ' ' || coalesce(t.description, ''))
               @@ (SELECT words FROM wanted)
        UNION
        SELECT t.id FROM taskmaster.tasks AS t WHERE t.title ILIKE (SELECT part FROM wanted)
        UNION
        SELECT t.id FROM taskmaster.tasks AS t WHERE t.description ILIKE (SELECT part FROM wanted)
        %1$s)
    SELECT t.id,
           (greatest(%2$s, CASE WHEN t.title ILIKE wanted.part THEN 0.5 ELSE 0 END)
            + ts_rank(to_tsvector('pg_catalog.english'::regconfig, t.title || ' ' || coalesce(t.description, '')),
                      wanted.words))::real
      FROM wanted, taskmaster.tasks AS t WHERE t.id = ANY (ARRAY(SELECT id FROM found))
$find_tasks$
$create$, alike, likeness);
END
$up$;

COMMENT ON FUNCTION taskmaster.find_tasks(text) IS
    'The tasks whose title or description a text finds, and how well; search_tasks() filters and orders them';
