-- What upkeep needs besides the extension: how long data is kept, and the statements that make and
-- remove partitions. Those are helpers in PL/pgSQL, because they name tables that differ from day to day.

CREATE TABLE taskmaster.retention_policies (
    data_set text PRIMARY KEY,
    keep interval NOT NULL,
    updated_at timestamp with time zone NOT NULL DEFAULT now(),
    CONSTRAINT retention_policies_keep_check CHECK (keep >= interval '1 hour')
);

COMMENT ON TABLE taskmaster.retention_policies IS
    'How long data is kept: tables partitioned by time by their names, rollups as metric_rollups.minute, .hour, .day';

-- A data set without a row is kept for ever, as rollups by day are.
INSERT INTO taskmaster.retention_policies (data_set, keep) VALUES
    ('system_metrics', interval '30 days'),
    ('api_access_logs', interval '7 days'),
    ('metric_rollups.minute', interval '30 days'),
    ('metric_rollups.hour', interval '400 days');

-- As in step 0005, and it gives up after a moment: a lock that waits holds up everybody who comes later.
CREATE OR REPLACE FUNCTION taskmaster.make_partition(p_table name, p_from date, p_to date) RETURNS boolean
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '500ms'
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

-- make_partition, tried three times. A partition that could not be made is a warning and not an error:
-- the others stand, and the next call makes it.
CREATE FUNCTION taskmaster.try_make_partition(p_table name, p_from date, p_to date) RETURNS boolean
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $try_make_partition$
BEGIN
    FOR attempt IN 1 .. 3 LOOP
        BEGIN
            RETURN taskmaster.make_partition(p_table, p_from, p_to);
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_sleep(0.05 * attempt * (0.5 + random()));
        END;
    END LOOP;
    RAISE WARNING 'the partition of taskmaster.% from % could not be made: the table is in use', p_table, p_from
        USING ERRCODE = 'lock_not_available', HINT = 'The next call of ensure_partitions() tries again.';
    RETURN false;
END
$try_make_partition$;

COMMENT ON FUNCTION taskmaster.try_make_partition(name, date, date) IS
    'make_partition, tried three times; a warning when the table stays in use';

-- As in step 0005, and it also makes the partitions of rows that fell into a default partition, at most
-- ten of a table at a time.
CREATE OR REPLACE FUNCTION taskmaster.ensure_partitions(p_ahead integer DEFAULT 7) RETURNS integer
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $ensure_partitions$
DECLARE
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    monday date := date_trunc('week', today::timestamp)::date;
    stray date;
    made integer := 0;
BEGIN
    IF p_ahead NOT BETWEEN 1 AND 366 THEN
        RAISE EXCEPTION 'p_ahead must be between 1 and 366, not %', p_ahead
            USING ERRCODE = 'invalid_parameter_value', HINT = 'It counts partitions: days of metrics, weeks of logs.';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('taskmaster.ensure_partitions', 0));
    FOR step IN -1 .. p_ahead LOOP
        made := made
            + taskmaster.try_make_partition('system_metrics', today + step, today + step + 1)::integer
            + taskmaster.try_make_partition('api_access_logs', monday + 7 * step, monday + 7 * step + 7)::integer;
    END LOOP;
    FOR stray IN
        SELECT DISTINCT (recorded_at AT TIME ZONE 'UTC')::date FROM ONLY taskmaster.system_metrics_default
         WHERE isfinite(recorded_at) ORDER BY 1 DESC LIMIT 10
    LOOP
        made := made + taskmaster.try_make_partition('system_metrics', stray, stray + 1)::integer;
    END LOOP;
    FOR stray IN
        SELECT DISTINCT date_trunc('week', "timestamp" AT TIME ZONE 'UTC')::date
          FROM ONLY taskmaster.api_access_logs_default
         WHERE isfinite("timestamp") ORDER BY 1 DESC LIMIT 10
    LOOP
        made := made + taskmaster.try_make_partition('api_access_logs', stray, stray + 7)::integer;
    END LOOP;
    RETURN made;
END
$ensure_partitions$;

-- Removes a partition of p_table and returns whether it was there. Only names that make_partition gives
-- are taken, so that no caller can have anything else dropped. It gets its owner's rights later (step
-- 0024), so it refuses those who act for a tenant, and the audit, whose months go by their seals.
CREATE FUNCTION taskmaster.drop_partition(p_table name, p_partition name) RETURNS boolean
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '500ms'
AS $drop_partition$
DECLARE
    parent regclass := to_regclass(format('taskmaster.%I', p_table));
    child regclass := to_regclass(format('taskmaster.%I', p_partition));
BEGIN
    IF p_table = 'audit_log' OR nullif(current_setting('taskmaster_identity', true), '')::jsonb ->> 'tenant' IS NOT NULL THEN
        RAISE EXCEPTION 'rows of taskmaster.% are not removed here, or not by this session', p_table
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Act without a tenant; see drop_audit_months() for the audit.';
    END IF;
    IF child IS NULL OR p_partition !~ ('^' || p_table || '_p[0-9]{8}$')
       OR NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = child AND inhparent = parent)
    THEN
        RETURN false;
    END IF;
    FOR attempt IN 1 .. 3 LOOP
        BEGIN
            EXECUTE format('DROP TABLE taskmaster.%I', p_partition);
            RETURN true;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            IF attempt = 3 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.05 * attempt * (0.5 + random()));
        END;
    END LOOP;
END
$drop_partition$;

COMMENT ON FUNCTION taskmaster.drop_partition(name, name) IS
    'Drops a partition that make_partition made; gives up with 55P03 when the table stays in use';

-- The rows of a partitioned table before a time, of all tenants: whole partitions are dropped, the rest
-- is deleted. Refuses what drop_partition refuses.
-- Returns how many rows went.
CREATE FUNCTION taskmaster.delete_before(p_table name, p_before timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $delete_before$
DECLARE
    old record;
    removed bigint;
    total bigint := 0;
BEGIN
    IF p_table = 'audit_log' OR nullif(current_setting('taskmaster_identity', true), '')::jsonb ->> 'tenant' IS NOT NULL THEN
        RAISE EXCEPTION 'rows of taskmaster.% are not removed here, or not by this session', p_table
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Act without a tenant; see drop_audit_months() for the audit.';
    END IF;
    FOR old IN
        SELECT partition FROM taskmaster.partition_bounds
         WHERE table_name = p_table AND NOT is_default AND upper_bound <= p_before
    LOOP
        EXECUTE format('SELECT count(*) FROM taskmaster.%I', old.partition) INTO removed;
        IF taskmaster.drop_partition(p_table, old.partition) THEN
            total := total + removed;
        END IF;
    END LOOP;
    EXECUTE format(
        'DELETE FROM taskmaster.%I WHERE %I < $1', p_table,
        (SELECT a.attname FROM pg_partitioned_table p
           JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
          WHERE p.partrelid = format('taskmaster.%I', p_table)::regclass)) USING p_before;
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN total + removed;
END
$delete_before$;

COMMENT ON FUNCTION taskmaster.delete_before(name, timestamp with time zone) IS
    'Removes the rows of a partitioned table before a time and returns their number';

-- The partitions of the tables in this schema that are partitioned by one time, with their bounds as
-- times: pg_get_expr prints those in the session's TimeZone, with the offset, so the cast is exact.
CREATE VIEW taskmaster.partition_bounds AS
SELECT parent.relname AS table_name,
       child.relname AS partition,
       child.oid AS partition_oid,
       child.oid = p.partdefid AS is_default,
       (regexp_match(pg_get_expr(child.relpartbound, child.oid), 'FROM \(''([^'']+)''\)'))[1]::timestamp with time zone
           AS lower_bound,
       (regexp_match(pg_get_expr(child.relpartbound, child.oid), 'TO \(''([^'']+)''\)'))[1]::timestamp with time zone
           AS upper_bound
  FROM pg_partitioned_table p
  JOIN pg_class parent ON parent.oid = p.partrelid
  JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
  JOIN pg_inherits i ON i.inhparent = parent.oid
  JOIN pg_class child ON child.oid = i.inhrelid
 WHERE parent.relnamespace = 'taskmaster'::regnamespace
   AND p.partstrat = 'r' AND p.partnatts = 1 AND a.atttypid = 'timestamp with time zone'::regtype;

COMMENT ON VIEW taskmaster.partition_bounds IS 'The partitions of tables partitioned by time, with their bounds';

-- One statement whose failure does not end the transaction: what its first column was, or why it failed.
CREATE FUNCTION taskmaster.attempt(p_statement text) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $attempt$
DECLARE
    result bigint;
    state text;
    reason text;
BEGIN
    EXECUTE p_statement INTO result;
    RETURN pg_catalog.jsonb_build_object('result', coalesce(result, 0));
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, reason = MESSAGE_TEXT;
    RETURN pg_catalog.jsonb_build_object('sqlstate', state, 'message', pg_catalog."left"(reason, 500));
END
$attempt$;

COMMENT ON FUNCTION taskmaster.attempt(text) IS
    'Runs a statement of upkeep with the rights of the caller; {"result": n}, or {"sqlstate", "message"} when it fails';
