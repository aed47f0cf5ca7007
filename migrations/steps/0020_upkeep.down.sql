DROP FUNCTION taskmaster.attempt(text);

DROP FUNCTION taskmaster.delete_before(name, timestamp with time zone);

DROP VIEW taskmaster.partition_bounds;

DROP FUNCTION taskmaster.drop_partition(name, name);

-- The two functions of step 0005 as they were.
CREATE OR REPLACE FUNCTION taskmaster.ensure_partitions(p_ahead integer DEFAULT 7) RETURNS integer
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $ensure_partitions$
DECLARE
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    monday date := date_trunc('week', today::timestamp)::date;
    made integer := 0;
BEGIN
    IF p_ahead NOT BETWEEN 1 AND 366 THEN
        RAISE EXCEPTION 'p_ahead must be between 1 and 366, not %', p_ahead
            USING ERRCODE = 'invalid_parameter_value', HINT = 'It counts partitions: days of metrics, weeks of logs.';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('taskmaster.ensure_partitions', 0));
    FOR step IN -1 .. p_ahead LOOP
        made := made
            + taskmaster.make_partition('system_metrics', today + step, today + step + 1)::integer
            + taskmaster.make_partition('api_access_logs', monday + 7 * step, monday + 7 * step + 7)::integer;
    END LOOP;
    RETURN made;
END
$ensure_partitions$;

DROP FUNCTION taskmaster.try_make_partition(name, date, date);

CREATE OR REPLACE FUNCTION taskmaster.make_partition(p_table name, p_from date, p_to date) RETURNS boolean
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $make_partition$
DECLARE
    made text := format('taskmaster.%I', p_table || '_p' || to_char(p_from, 'YYYYMMDD'));
    parent text := format('taskmaster.%I', p_table);
    fallback text := format('taskmaster.%I', p_table || '_default');
    lower_bound text := to_char(p_from, 'YYYY-MM-DD') || ' 00:00:00+00';
    upper_bound text := to_char(p_to, 'YYYY-MM-DD') || ' 00:00:00+00';
    partition_key name := (
        SELECT a.attname FROM pg_partitioned_table p
          JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
         WHERE p.partrelid = parent::regclass);
BEGIN
    IF to_regclass(made) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', parent);
    EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', fallback);
    EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', made, parent);
    EXECUTE format(
        'WITH moved AS (DELETE FROM ONLY %1$s WHERE %2$I >= %3$L AND %2$I < %4$L RETURNING *)
         INSERT INTO %5$s SELECT * FROM moved',
        fallback, partition_key, lower_bound, upper_bound, made);
    EXECUTE format(
        'ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', parent, made, lower_bound, upper_bound);
    RETURN true;
END
$make_partition$;

DROP TABLE taskmaster.retention_policies;
