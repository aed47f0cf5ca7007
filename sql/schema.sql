-- What the migrations add up to, to be read and compared. Generated: run the test
-- migrate::schema_file with TASKMASTER_BLESS=1 after a new step. To make a database, use
-- "taskmaster migrate up". The dated partitions are not here: which ones there are depends on
-- the day.
--
-- PostgreSQL database dump
--



SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: taskmaster; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA taskmaster;


--
-- Name: SCHEMA taskmaster; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON SCHEMA taskmaster IS 'Tasks, workflows, metrics, integrations and API logs of the AI-driven CI/CD system';


--
-- Name: pg_trgm; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA taskmaster;


--
-- Name: EXTENSION pg_trgm; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON EXTENSION pg_trgm IS 'text similarity measurement and index searching based on trigrams';


--
-- Name: taskmaster; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS taskmaster WITH SCHEMA taskmaster;


--
-- Name: EXTENSION taskmaster; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON EXTENSION taskmaster IS 'Stored functions of Taskmaster: tasks, workflows, metrics and API calls';


--
-- Name: attempt(text); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.attempt(p_statement text) RETURNS jsonb
    LANGUAGE plpgsql STRICT
    AS $$
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
$$;


--
-- Name: FUNCTION attempt(p_statement text); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.attempt(p_statement text) IS 'Runs a statement of upkeep with the rights of the caller; {"result": n}, or {"sqlstate", "message"} when it fails';


--
-- Name: delete_before(name, timestamp with time zone); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.delete_before(p_table name, p_before timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $_$
DECLARE
    old record;
    removed bigint;
    total bigint := 0;
BEGIN
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
$_$;


--
-- Name: FUNCTION delete_before(p_table name, p_before timestamp with time zone); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.delete_before(p_table name, p_before timestamp with time zone) IS 'Removes the rows of a partitioned table before a time and returns their number';


--
-- Name: drop_partition(name, name); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.drop_partition(p_table name, p_partition name) RETURNS boolean
    LANGUAGE plpgsql STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '500ms'
    AS $_$
DECLARE
    parent regclass := to_regclass(format('taskmaster.%I', p_table));
    child regclass := to_regclass(format('taskmaster.%I', p_partition));
BEGIN
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
$_$;


--
-- Name: FUNCTION drop_partition(p_table name, p_partition name); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.drop_partition(p_table name, p_partition name) IS 'Drops a partition that make_partition made; gives up with 55P03 when the table stays in use';


--
-- Name: ensure_partitions(integer); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.ensure_partitions(p_ahead integer DEFAULT 7) RETURNS integer
    LANGUAGE plpgsql STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;


--
-- Name: FUNCTION ensure_partitions(p_ahead integer); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.ensure_partitions(p_ahead integer) IS 'Makes the partitions from the one before the present to p_ahead after it; returns how many were missing';


--
-- Name: finite_double(numeric); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.finite_double(p_value numeric) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (p_value > '1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric) THEN ('1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision WHEN (p_value < '-1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric) THEN (- ('1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision) WHEN ((p_value >= '-0.000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001'::numeric) AND (p_value <= 0.000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001)) THEN (0)::double precision ELSE (p_value)::double precision END;


--
-- Name: FUNCTION finite_double(p_value numeric); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.finite_double(p_value numeric) IS 'The nearest double precision within 1e300 of zero; what is below 1e-300 is zero';


--
-- Name: make_partition(name, date, date); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.make_partition(p_table name, p_from date, p_to date) RETURNS boolean
    LANGUAGE plpgsql STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '500ms'
    AS $_$
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
$_$;


--
-- Name: FUNCTION make_partition(p_table name, p_from date, p_to date); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.make_partition(p_table name, p_from date, p_to date) IS 'Makes one partition of a table partitioned by time, bounds in UTC; false when it stands already';


--
-- Name: metric_labels_key(character varying, character varying, character varying, jsonb); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.metric_labels_key(p_component character varying, p_metric_type character varying, p_metric_unit character varying, p_tags jsonb) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (md5((((quote_nullable((p_component)::text) || quote_nullable((p_metric_type)::text)) || quote_nullable((p_metric_unit)::text)) || (p_tags)::text)))::uuid;


--
-- Name: FUNCTION metric_labels_key(p_component character varying, p_metric_type character varying, p_metric_unit character varying, p_tags jsonb); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.metric_labels_key(p_component character varying, p_metric_type character varying, p_metric_unit character varying, p_tags jsonb) IS 'Stands for the labels of a series in metric_series.labels_key';


--
-- Name: set_updated_at(); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.set_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.updated_at := pg_catalog.now();
    RETURN NEW;
END
$$;


--
-- Name: try_make_partition(name, date, date); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.try_make_partition(p_table name, p_from date, p_to date) RETURNS boolean
    LANGUAGE plpgsql STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;


--
-- Name: FUNCTION try_make_partition(p_table name, p_from date, p_to date); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.try_make_partition(p_table name, p_from date, p_to date) IS 'make_partition, tried three times; a warning when the table stays in use';


SET default_tablespace = '';

--
-- Name: api_access_logs; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.api_access_logs (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    integration_id uuid,
    endpoint character varying(255) NOT NULL,
    method character varying(10) NOT NULL,
    request_headers jsonb,
    request_body jsonb,
    response_status integer,
    response_headers jsonb,
    response_body jsonb,
    response_time_ms integer,
    "timestamp" timestamp with time zone DEFAULT now() NOT NULL,
    correlation_id character varying(255),
    user_id character varying(255),
    task_id uuid,
    error_message text,
    retry_count integer DEFAULT 0,
    CONSTRAINT api_access_logs_method_check CHECK (((method)::text = ANY ((ARRAY['GET'::character varying, 'HEAD'::character varying, 'POST'::character varying, 'PUT'::character varying, 'PATCH'::character varying, 'DELETE'::character varying, 'OPTIONS'::character varying, 'CONNECT'::character varying, 'TRACE'::character varying])::text[]))),
    CONSTRAINT api_access_logs_response_status_check CHECK (((response_status >= 0) AND (response_status <= 999))),
    CONSTRAINT api_access_logs_response_time_ms_check CHECK ((response_time_ms >= 0)),
    CONSTRAINT api_access_logs_retry_count_check CHECK ((retry_count >= 0))
)
PARTITION BY RANGE ("timestamp");


--
-- Name: TABLE api_access_logs; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.api_access_logs IS 'Calls to external services, one partition per week in UTC';


SET default_table_access_method = heap;

--
-- Name: api_access_logs_default; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.api_access_logs_default (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    integration_id uuid,
    endpoint character varying(255) NOT NULL,
    method character varying(10) NOT NULL,
    request_headers jsonb,
    request_body jsonb,
    response_status integer,
    response_headers jsonb,
    response_body jsonb,
    response_time_ms integer,
    "timestamp" timestamp with time zone DEFAULT now() NOT NULL,
    correlation_id character varying(255),
    user_id character varying(255),
    task_id uuid,
    error_message text,
    retry_count integer DEFAULT 0,
    CONSTRAINT api_access_logs_method_check CHECK (((method)::text = ANY ((ARRAY['GET'::character varying, 'HEAD'::character varying, 'POST'::character varying, 'PUT'::character varying, 'PATCH'::character varying, 'DELETE'::character varying, 'OPTIONS'::character varying, 'CONNECT'::character varying, 'TRACE'::character varying])::text[]))),
    CONSTRAINT api_access_logs_response_status_check CHECK (((response_status >= 0) AND (response_status <= 999))),
    CONSTRAINT api_access_logs_response_time_ms_check CHECK ((response_time_ms >= 0)),
    CONSTRAINT api_access_logs_retry_count_check CHECK ((retry_count >= 0))
);


--
-- Name: external_integrations; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.external_integrations (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    integration_type character varying(50) NOT NULL,
    integration_name character varying(100) NOT NULL,
    configuration jsonb NOT NULL,
    status character varying(50) DEFAULT 'active'::character varying,
    created_at timestamp with time zone DEFAULT now(),
    updated_at timestamp with time zone DEFAULT now(),
    last_used_at timestamp with time zone,
    health_check_url character varying(500),
    last_health_check timestamp with time zone,
    health_status character varying(20) DEFAULT 'unknown'::character varying,
    rate_limit_per_minute integer DEFAULT 60,
    current_usage integer DEFAULT 0,
    usage_reset_at timestamp with time zone DEFAULT (now() + '00:01:00'::interval),
    CONSTRAINT external_integrations_current_usage_check CHECK ((current_usage >= 0)),
    CONSTRAINT external_integrations_health_status_check CHECK (((health_status)::text = ANY ((ARRAY['healthy'::character varying, 'unhealthy'::character varying, 'unknown'::character varying, 'timeout'::character varying])::text[]))),
    CONSTRAINT external_integrations_integration_type_check CHECK (((integration_type)::text = ANY ((ARRAY['codegen'::character varying, 'github'::character varying, 'linear'::character varying, 'claude'::character varying, 'webhook'::character varying, 'slack'::character varying, 'email'::character varying])::text[]))),
    CONSTRAINT external_integrations_rate_limit_per_minute_check CHECK (((rate_limit_per_minute >= 1) AND (rate_limit_per_minute <= 10000))),
    CONSTRAINT external_integrations_status_check CHECK (((status)::text = ANY ((ARRAY['active'::character varying, 'inactive'::character varying, 'error'::character varying, 'maintenance'::character varying])::text[])))
)
WITH (fillfactor='50');


--
-- Name: TABLE external_integrations; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.external_integrations IS 'Services that are called, their health and rate limits';


--
-- Name: maintenance_state; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.maintenance_state (
    key text NOT NULL,
    value jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: TABLE maintenance_state; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.maintenance_state IS 'Facts that upkeep remembers between runs, by key';


--
-- Name: metric_dirty_buckets; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.metric_dirty_buckets (
    mark_id bigint NOT NULL,
    bucket timestamp with time zone NOT NULL
);


--
-- Name: TABLE metric_dirty_buckets; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.metric_dirty_buckets IS 'Minutes that measurements came late for, to be rolled up anew';


--
-- Name: metric_dirty_buckets_mark_id_seq; Type: SEQUENCE; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.metric_dirty_buckets ALTER COLUMN mark_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME taskmaster.metric_dirty_buckets_mark_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: metric_rollups; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.metric_rollups (
    series_id bigint NOT NULL,
    resolution character varying(10) NOT NULL,
    bucket timestamp with time zone NOT NULL,
    samples bigint NOT NULL,
    sum double precision NOT NULL,
    min double precision NOT NULL,
    max double precision NOT NULL,
    first double precision NOT NULL,
    last double precision NOT NULL,
    increase double precision,
    sketch bytea NOT NULL,
    CONSTRAINT metric_rollups_resolution_check CHECK (((resolution)::text = ANY ((ARRAY['minute'::character varying, 'hour'::character varying, 'day'::character varying])::text[]))),
    CONSTRAINT metric_rollups_samples_check CHECK ((samples > 0))
);


--
-- Name: TABLE metric_rollups; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.metric_rollups IS 'Measurements summed up by minute, hour and day (UTC)';


--
-- Name: metric_series; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.metric_series (
    series_id bigint NOT NULL,
    metric_name character varying(100) NOT NULL,
    component character varying(100),
    metric_type character varying(50) NOT NULL,
    metric_unit character varying(20),
    tags jsonb DEFAULT '{}'::jsonb NOT NULL,
    labels_key uuid NOT NULL,
    is_overflow boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: TABLE metric_series; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.metric_series IS 'The series that measurements belong to: a name and its labels';


--
-- Name: metric_series_series_id_seq; Type: SEQUENCE; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.metric_series ALTER COLUMN series_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME taskmaster.metric_series_series_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: partition_bounds; Type: VIEW; Schema: taskmaster; Owner: -
--

CREATE VIEW taskmaster.partition_bounds AS
 SELECT parent.relname AS table_name,
    child.relname AS partition,
    child.oid AS partition_oid,
    (child.oid = p.partdefid) AS is_default,
    ((regexp_match(pg_get_expr(child.relpartbound, child.oid), 'FROM \(''([^'']+)''\)'::text))[1])::timestamp with time zone AS lower_bound,
    ((regexp_match(pg_get_expr(child.relpartbound, child.oid), 'TO \(''([^'']+)''\)'::text))[1])::timestamp with time zone AS upper_bound
   FROM ((((pg_partitioned_table p
     JOIN pg_class parent ON ((parent.oid = p.partrelid)))
     JOIN pg_attribute a ON (((a.attrelid = p.partrelid) AND (a.attnum = p.partattrs[0]))))
     JOIN pg_inherits i ON ((i.inhparent = parent.oid)))
     JOIN pg_class child ON ((child.oid = i.inhrelid)))
  WHERE ((parent.relnamespace = ('taskmaster'::regnamespace)::oid) AND (p.partstrat = 'r'::"char") AND (p.partnatts = 1) AND (a.atttypid = ('timestamp with time zone'::regtype)::oid));


--
-- Name: VIEW partition_bounds; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON VIEW taskmaster.partition_bounds IS 'The partitions of tables partitioned by time, with their bounds';


--
-- Name: retention_policies; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.retention_policies (
    data_set text NOT NULL,
    keep interval NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT retention_policies_keep_check CHECK ((keep >= '01:00:00'::interval))
);


--
-- Name: TABLE retention_policies; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.retention_policies IS 'How long data is kept: tables partitioned by time by their names, rollups as metric_rollups.minute, .hour, .day';


--
-- Name: rollup_samples; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.rollup_samples (
    xid xid8 NOT NULL,
    sampled_at timestamp with time zone NOT NULL
);


--
-- Name: TABLE rollup_samples; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.rollup_samples IS 'Transaction ids and times, by which rollups know what may still be open';


--
-- Name: rollup_watermarks; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.rollup_watermarks (
    resolution character varying(10) NOT NULL,
    rolled_until timestamp with time zone,
    source_gone_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    CONSTRAINT rollup_watermarks_resolution_check CHECK (((resolution)::text = ANY ((ARRAY['minute'::character varying, 'hour'::character varying, 'day'::character varying])::text[])))
);


--
-- Name: TABLE rollup_watermarks; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.rollup_watermarks IS 'How far each resolution of the rollups has come';


--
-- Name: schema_migrations; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.schema_migrations (
    version text NOT NULL,
    description text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    checksum character varying(64) NOT NULL,
    migration_type text NOT NULL,
    rollback_available boolean NOT NULL,
    execution_time_ms bigint NOT NULL,
    applied_by text DEFAULT SESSION_USER NOT NULL,
    tool_version text NOT NULL,
    down_sql text,
    down_checksum character varying(64),
    CONSTRAINT schema_migrations_down_check CHECK (((rollback_available = (down_sql IS NOT NULL)) AND ((down_sql IS NULL) = (down_checksum IS NULL)))),
    CONSTRAINT schema_migrations_version_check CHECK ((version ~ '^[0-9]{4}$'::text))
);


--
-- Name: TABLE schema_migrations; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.schema_migrations IS 'One row per applied migration step; down_sql is what "taskmaster migrate down" runs, whatever binary it is';


--
-- Name: system_metrics; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.system_metrics (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    metric_name character varying(100) NOT NULL,
    metric_value numeric NOT NULL,
    metric_metadata jsonb DEFAULT '{}'::jsonb,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    component character varying(100),
    metric_type character varying(50) DEFAULT 'gauge'::character varying NOT NULL,
    metric_unit character varying(20),
    tags jsonb DEFAULT '{}'::jsonb,
    source_system character varying(50),
    CONSTRAINT system_metrics_metric_type_check CHECK (((metric_type)::text = ANY ((ARRAY['gauge'::character varying, 'counter'::character varying, 'histogram'::character varying, 'timer'::character varying])::text[])))
)
PARTITION BY RANGE (recorded_at);


--
-- Name: TABLE system_metrics; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.system_metrics IS 'Measurements, one partition per day in UTC';


--
-- Name: system_metrics_default; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.system_metrics_default (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    metric_name character varying(100) NOT NULL,
    metric_value numeric NOT NULL,
    metric_metadata jsonb DEFAULT '{}'::jsonb,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    component character varying(100),
    metric_type character varying(50) DEFAULT 'gauge'::character varying NOT NULL,
    metric_unit character varying(20),
    tags jsonb DEFAULT '{}'::jsonb,
    source_system character varying(50),
    CONSTRAINT system_metrics_metric_type_check CHECK (((metric_type)::text = ANY ((ARRAY['gauge'::character varying, 'counter'::character varying, 'histogram'::character varying, 'timer'::character varying])::text[])))
);


--
-- Name: tasks; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.tasks (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    title character varying(255) NOT NULL,
    description text,
    requirements jsonb DEFAULT '[]'::jsonb,
    status character varying(50) DEFAULT 'pending'::character varying,
    priority integer DEFAULT 0,
    created_at timestamp with time zone DEFAULT now(),
    updated_at timestamp with time zone DEFAULT now(),
    assigned_to character varying(255),
    repository_url character varying(500),
    branch_name character varying(255),
    pr_number integer,
    metadata jsonb DEFAULT '{}'::jsonb,
    type character varying(50) DEFAULT 'general'::character varying NOT NULL,
    complexity_score integer DEFAULT 5,
    affected_files jsonb DEFAULT '[]'::jsonb,
    acceptance_criteria jsonb DEFAULT '[]'::jsonb,
    parent_task_id uuid,
    tags jsonb DEFAULT '[]'::jsonb,
    estimated_hours numeric(8,2),
    actual_hours numeric(8,2),
    completed_at timestamp with time zone,
    linear_issue_id character varying(255),
    github_issue_number integer,
    codegen_session_id character varying(255),
    CONSTRAINT tasks_actual_hours_check CHECK ((actual_hours >= (0)::numeric)),
    CONSTRAINT tasks_completed_at_check CHECK (((completed_at IS NULL) OR ((status)::text = 'completed'::text))),
    CONSTRAINT tasks_complexity_score_check CHECK (((complexity_score >= 1) AND (complexity_score <= 10))),
    CONSTRAINT tasks_estimated_hours_check CHECK ((estimated_hours >= (0)::numeric)),
    CONSTRAINT tasks_github_issue_number_check CHECK ((github_issue_number > 0)),
    CONSTRAINT tasks_parent_task_id_check CHECK ((parent_task_id <> id)),
    CONSTRAINT tasks_pr_number_check CHECK ((pr_number > 0)),
    CONSTRAINT tasks_priority_check CHECK (((priority >= 0) AND (priority <= 10))),
    CONSTRAINT tasks_status_check CHECK (((status)::text = ANY ((ARRAY['pending'::character varying, 'in_progress'::character varying, 'review'::character varying, 'blocked'::character varying, 'deferred'::character varying, 'completed'::character varying, 'failed'::character varying, 'cancelled'::character varying])::text[]))),
    CONSTRAINT tasks_title_check CHECK ((btrim((title)::text) <> ''::text)),
    CONSTRAINT tasks_type_check CHECK (((type)::text = ANY ((ARRAY['general'::character varying, 'bug_fix'::character varying, 'feature'::character varying, 'enhancement'::character varying, 'refactor'::character varying, 'documentation'::character varying, 'test'::character varying, 'deployment'::character varying])::text[])))
)
WITH (fillfactor='85', autovacuum_vacuum_scale_factor='0.02', autovacuum_analyze_scale_factor='0.02');


--
-- Name: TABLE tasks; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.tasks IS 'Work to be done, by people and by agents';


--
-- Name: workflows; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.workflows (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    task_id uuid,
    status character varying(50) DEFAULT 'initialized'::character varying,
    current_step character varying(100),
    steps_completed jsonb DEFAULT '[]'::jsonb,
    error_log jsonb DEFAULT '[]'::jsonb,
    started_at timestamp with time zone DEFAULT now(),
    completed_at timestamp with time zone,
    metadata jsonb DEFAULT '{}'::jsonb,
    workflow_type character varying(50) DEFAULT 'standard'::character varying,
    total_steps integer DEFAULT 0,
    retry_count integer DEFAULT 0,
    max_retries integer DEFAULT 3,
    timeout_minutes integer DEFAULT 60,
    codegen_pr_url character varying(500),
    claude_session_id character varying(255),
    validation_results jsonb DEFAULT '{}'::jsonb,
    CONSTRAINT workflows_max_retries_check CHECK ((max_retries >= 0)),
    CONSTRAINT workflows_retry_count_check CHECK ((retry_count >= 0)),
    CONSTRAINT workflows_status_check CHECK (((status)::text = ANY ((ARRAY['initialized'::character varying, 'running'::character varying, 'completed'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'timeout'::character varying])::text[]))),
    CONSTRAINT workflows_timeout_minutes_check CHECK (((timeout_minutes >= 1) AND (timeout_minutes <= 1440))),
    CONSTRAINT workflows_total_steps_check CHECK ((total_steps >= 0)),
    CONSTRAINT workflows_workflow_type_check CHECK (((workflow_type)::text = ANY ((ARRAY['standard'::character varying, 'hotfix'::character varying, 'rollback'::character varying, 'deployment'::character varying, 'validation'::character varying, 'cleanup'::character varying])::text[])))
)
WITH (fillfactor='85');


--
-- Name: TABLE workflows; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.workflows IS 'Runs of a task: its steps, their results and errors';


--
-- Name: api_access_logs_default; Type: TABLE ATTACH; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.api_access_logs ATTACH PARTITION taskmaster.api_access_logs_default DEFAULT;


--
-- Name: system_metrics_default; Type: TABLE ATTACH; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.system_metrics ATTACH PARTITION taskmaster.system_metrics_default DEFAULT;


--
-- Name: api_access_logs api_access_logs_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.api_access_logs
    ADD CONSTRAINT api_access_logs_pkey PRIMARY KEY (id, "timestamp");


--
-- Name: api_access_logs_default api_access_logs_default_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.api_access_logs_default
    ADD CONSTRAINT api_access_logs_default_pkey PRIMARY KEY (id, "timestamp");


--
-- Name: external_integrations external_integrations_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.external_integrations
    ADD CONSTRAINT external_integrations_pkey PRIMARY KEY (id);


--
-- Name: external_integrations external_integrations_type_name_key; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.external_integrations
    ADD CONSTRAINT external_integrations_type_name_key UNIQUE (integration_type, integration_name);


--
-- Name: maintenance_state maintenance_state_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.maintenance_state
    ADD CONSTRAINT maintenance_state_pkey PRIMARY KEY (key);


--
-- Name: metric_dirty_buckets metric_dirty_buckets_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.metric_dirty_buckets
    ADD CONSTRAINT metric_dirty_buckets_pkey PRIMARY KEY (mark_id);


--
-- Name: metric_rollups metric_rollups_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.metric_rollups
    ADD CONSTRAINT metric_rollups_pkey PRIMARY KEY (series_id, resolution, bucket);


--
-- Name: metric_series metric_series_labels_key; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.metric_series
    ADD CONSTRAINT metric_series_labels_key UNIQUE (metric_name, labels_key);


--
-- Name: metric_series metric_series_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.metric_series
    ADD CONSTRAINT metric_series_pkey PRIMARY KEY (series_id);


--
-- Name: retention_policies retention_policies_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.retention_policies
    ADD CONSTRAINT retention_policies_pkey PRIMARY KEY (data_set);


--
-- Name: rollup_samples rollup_samples_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.rollup_samples
    ADD CONSTRAINT rollup_samples_pkey PRIMARY KEY (xid);


--
-- Name: rollup_watermarks rollup_watermarks_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.rollup_watermarks
    ADD CONSTRAINT rollup_watermarks_pkey PRIMARY KEY (resolution);


--
-- Name: schema_migrations schema_migrations_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);


--
-- Name: system_metrics system_metrics_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.system_metrics
    ADD CONSTRAINT system_metrics_pkey PRIMARY KEY (id, recorded_at);


--
-- Name: system_metrics_default system_metrics_default_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.system_metrics_default
    ADD CONSTRAINT system_metrics_default_pkey PRIMARY KEY (id, recorded_at);


--
-- Name: tasks tasks_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (id);


--
-- Name: workflows workflows_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.workflows
    ADD CONSTRAINT workflows_pkey PRIMARY KEY (id);


--
-- Name: api_access_logs_integration_id_timestamp_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX api_access_logs_integration_id_timestamp_idx ON ONLY taskmaster.api_access_logs USING btree (integration_id, "timestamp" DESC);


--
-- Name: api_access_logs_default_integration_id_timestamp_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX api_access_logs_default_integration_id_timestamp_idx ON taskmaster.api_access_logs_default USING btree (integration_id, "timestamp" DESC);


--
-- Name: api_access_logs_task_id_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX api_access_logs_task_id_idx ON ONLY taskmaster.api_access_logs USING btree (task_id) WHERE (task_id IS NOT NULL);


--
-- Name: api_access_logs_default_task_id_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX api_access_logs_default_task_id_idx ON taskmaster.api_access_logs_default USING btree (task_id) WHERE (task_id IS NOT NULL);


--
-- Name: api_access_logs_errors_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX api_access_logs_errors_idx ON ONLY taskmaster.api_access_logs USING btree ("timestamp") WHERE (response_status >= 400);


--
-- Name: api_access_logs_default_timestamp_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX api_access_logs_default_timestamp_idx ON taskmaster.api_access_logs_default USING btree ("timestamp") WHERE (response_status >= 400);


--
-- Name: api_access_logs_timestamp_brin_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX api_access_logs_timestamp_brin_idx ON ONLY taskmaster.api_access_logs USING brin ("timestamp") WITH (pages_per_range='32');


--
-- Name: api_access_logs_default_timestamp_idx1; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX api_access_logs_default_timestamp_idx1 ON taskmaster.api_access_logs_default USING brin ("timestamp") WITH (pages_per_range='32');


--
-- Name: metric_dirty_buckets_bucket_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX metric_dirty_buckets_bucket_idx ON taskmaster.metric_dirty_buckets USING btree (bucket);


--
-- Name: metric_rollups_resolution_bucket_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX metric_rollups_resolution_bucket_idx ON taskmaster.metric_rollups USING btree (resolution, bucket);


--
-- Name: system_metrics_metric_name_recorded_at_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX system_metrics_metric_name_recorded_at_idx ON ONLY taskmaster.system_metrics USING btree (metric_name, recorded_at DESC) INCLUDE (metric_value, component);


--
-- Name: system_metrics_default_metric_name_recorded_at_metric_value_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX system_metrics_default_metric_name_recorded_at_metric_value_idx ON taskmaster.system_metrics_default USING btree (metric_name, recorded_at DESC) INCLUDE (metric_value, component);


--
-- Name: system_metrics_recorded_at_brin_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX system_metrics_recorded_at_brin_idx ON ONLY taskmaster.system_metrics USING brin (recorded_at) WITH (pages_per_range='32');


--
-- Name: system_metrics_default_recorded_at_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX system_metrics_default_recorded_at_idx ON taskmaster.system_metrics_default USING brin (recorded_at) WITH (pages_per_range='32');


--
-- Name: tasks_affected_files_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_affected_files_idx ON taskmaster.tasks USING gin (affected_files) WITH (fastupdate=off);


--
-- Name: tasks_assigned_to_status_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_assigned_to_status_idx ON taskmaster.tasks USING btree (assigned_to, status);


--
-- Name: tasks_linear_issue_id_key; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE UNIQUE INDEX tasks_linear_issue_id_key ON taskmaster.tasks USING btree (linear_issue_id) WHERE (linear_issue_id IS NOT NULL);


--
-- Name: tasks_metadata_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_metadata_idx ON taskmaster.tasks USING gin (metadata jsonb_path_ops) WITH (fastupdate=off);


--
-- Name: tasks_parent_task_id_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_parent_task_id_idx ON taskmaster.tasks USING btree (parent_task_id) WHERE (parent_task_id IS NOT NULL);


--
-- Name: tasks_pending_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_pending_idx ON taskmaster.tasks USING btree (priority DESC, created_at, id) WHERE ((status)::text = 'pending'::text);


--
-- Name: tasks_repository_url_github_issue_number_key; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE UNIQUE INDEX tasks_repository_url_github_issue_number_key ON taskmaster.tasks USING btree (repository_url, github_issue_number) WHERE ((repository_url IS NOT NULL) AND (github_issue_number IS NOT NULL));


--
-- Name: tasks_requirements_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_requirements_idx ON taskmaster.tasks USING gin (requirements jsonb_path_ops) WITH (fastupdate=off);


--
-- Name: tasks_status_priority_created_at_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_status_priority_created_at_idx ON taskmaster.tasks USING btree (status, priority DESC, created_at);


--
-- Name: tasks_tags_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_tags_idx ON taskmaster.tasks USING gin (tags) WITH (fastupdate=off);


--
-- Name: tasks_title_description_trgm_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_title_description_trgm_idx ON taskmaster.tasks USING gin (title taskmaster.gin_trgm_ops, description taskmaster.gin_trgm_ops) WITH (fastupdate=off);


--
-- Name: workflows_active_started_at_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX workflows_active_started_at_idx ON taskmaster.workflows USING btree (started_at) WHERE ((status)::text = ANY ((ARRAY['initialized'::character varying, 'running'::character varying])::text[]));


--
-- Name: workflows_active_task_id_key; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE UNIQUE INDEX workflows_active_task_id_key ON taskmaster.workflows USING btree (task_id) WHERE ((status)::text = ANY ((ARRAY['initialized'::character varying, 'running'::character varying])::text[]));


--
-- Name: workflows_task_id_status_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX workflows_task_id_status_idx ON taskmaster.workflows USING btree (task_id, status);


--
-- Name: api_access_logs_default_integration_id_timestamp_idx; Type: INDEX ATTACH; Schema: taskmaster; Owner: -
--

ALTER INDEX taskmaster.api_access_logs_integration_id_timestamp_idx ATTACH PARTITION taskmaster.api_access_logs_default_integration_id_timestamp_idx;


--
-- Name: api_access_logs_default_pkey; Type: INDEX ATTACH; Schema: taskmaster; Owner: -
--

ALTER INDEX taskmaster.api_access_logs_pkey ATTACH PARTITION taskmaster.api_access_logs_default_pkey;


--
-- Name: api_access_logs_default_task_id_idx; Type: INDEX ATTACH; Schema: taskmaster; Owner: -
--

ALTER INDEX taskmaster.api_access_logs_task_id_idx ATTACH PARTITION taskmaster.api_access_logs_default_task_id_idx;


--
-- Name: api_access_logs_default_timestamp_idx; Type: INDEX ATTACH; Schema: taskmaster; Owner: -
--

ALTER INDEX taskmaster.api_access_logs_errors_idx ATTACH PARTITION taskmaster.api_access_logs_default_timestamp_idx;


--
-- Name: api_access_logs_default_timestamp_idx1; Type: INDEX ATTACH; Schema: taskmaster; Owner: -
--

ALTER INDEX taskmaster.api_access_logs_timestamp_brin_idx ATTACH PARTITION taskmaster.api_access_logs_default_timestamp_idx1;


--
-- Name: system_metrics_default_metric_name_recorded_at_metric_value_idx; Type: INDEX ATTACH; Schema: taskmaster; Owner: -
--

ALTER INDEX taskmaster.system_metrics_metric_name_recorded_at_idx ATTACH PARTITION taskmaster.system_metrics_default_metric_name_recorded_at_metric_value_idx;


--
-- Name: system_metrics_default_pkey; Type: INDEX ATTACH; Schema: taskmaster; Owner: -
--

ALTER INDEX taskmaster.system_metrics_pkey ATTACH PARTITION taskmaster.system_metrics_default_pkey;


--
-- Name: system_metrics_default_recorded_at_idx; Type: INDEX ATTACH; Schema: taskmaster; Owner: -
--

ALTER INDEX taskmaster.system_metrics_recorded_at_brin_idx ATTACH PARTITION taskmaster.system_metrics_default_recorded_at_idx;


--
-- Name: external_integrations external_integrations_set_updated_at; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER external_integrations_set_updated_at BEFORE UPDATE ON taskmaster.external_integrations FOR EACH ROW WHEN ((old.* IS DISTINCT FROM new.*)) EXECUTE FUNCTION taskmaster.set_updated_at();


--
-- Name: tasks tasks_set_updated_at; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER tasks_set_updated_at BEFORE UPDATE ON taskmaster.tasks FOR EACH ROW WHEN ((old.* IS DISTINCT FROM new.*)) EXECUTE FUNCTION taskmaster.set_updated_at();


--
-- Name: api_access_logs api_access_logs_integration_id_fkey; Type: FK CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.api_access_logs
    ADD CONSTRAINT api_access_logs_integration_id_fkey FOREIGN KEY (integration_id) REFERENCES taskmaster.external_integrations(id);


--
-- Name: api_access_logs api_access_logs_task_id_fkey; Type: FK CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.api_access_logs
    ADD CONSTRAINT api_access_logs_task_id_fkey FOREIGN KEY (task_id) REFERENCES taskmaster.tasks(id);


--
-- Name: metric_rollups metric_rollups_series_id_fkey; Type: FK CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.metric_rollups
    ADD CONSTRAINT metric_rollups_series_id_fkey FOREIGN KEY (series_id) REFERENCES taskmaster.metric_series(series_id) ON DELETE CASCADE;


--
-- Name: tasks tasks_parent_task_id_fkey; Type: FK CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.tasks
    ADD CONSTRAINT tasks_parent_task_id_fkey FOREIGN KEY (parent_task_id) REFERENCES taskmaster.tasks(id);


--
-- Name: workflows workflows_task_id_fkey; Type: FK CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.workflows
    ADD CONSTRAINT workflows_task_id_fkey FOREIGN KEY (task_id) REFERENCES taskmaster.tasks(id) ON DELETE CASCADE;


--
-- PostgreSQL database dump complete
--


