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
-- Name: check_task_dependency(); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.check_task_dependency() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    path uuid[];
    prerequisite_status text;
BEGIN
    -- A task of this very transaction is seen by nobody else; while nothing waits for it, it cannot
    -- close a cycle.
    IF NEW.dependency_type = 'blocks'
        AND (EXISTS (SELECT FROM taskmaster.task_dependencies WHERE depends_on = NEW.task_id)
            OR NOT EXISTS (
                SELECT FROM taskmaster.tasks
                 WHERE id = NEW.task_id AND xmin = pg_current_xact_id()::xid))
    THEN
        UPDATE taskmaster.maintenance_state SET updated_at = clock_timestamp() WHERE key = 'task_dependencies';
        path := taskmaster.dependency_path(NEW.depends_on, NEW.task_id);
        IF path IS NOT NULL THEN
            RAISE EXCEPTION USING
                ERRCODE = '23514',
                MESSAGE = format('task %s cannot wait for %s, which waits for it', NEW.task_id, NEW.depends_on),
                DETAIL = jsonb_build_object('path', NEW.task_id || path)::text,
                HINT = 'Remove one of the dependencies on the path first.',
                SCHEMA = 'taskmaster', TABLE = 'task_dependencies', CONSTRAINT = 'task_dependencies_acyclic';
        END IF;
    END IF;
    -- Whether the other task has ended must not change until this edge can be seen. Rows are locked
    -- in the order of their ids.
    IF NEW.task_id < NEW.depends_on THEN
        PERFORM FROM taskmaster.tasks WHERE id = NEW.task_id FOR NO KEY UPDATE;
    END IF;
    SELECT status INTO prerequisite_status FROM taskmaster.tasks WHERE id = NEW.depends_on FOR SHARE;
    NEW.satisfied := coalesce(prerequisite_status = ANY (NEW.satisfied_by), false);
    RETURN NEW;
END
$$;


--
-- Name: count_open_dependencies(); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.count_open_dependencies() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    change record;
    change_query CONSTANT text := 'SELECT task_id, sum(n)::integer AS n FROM (%s) AS one GROUP BY task_id
        HAVING sum(n) <> 0 ORDER BY task_id';
    added CONSTANT text := 'SELECT task_id, 1 AS n FROM added WHERE NOT satisfied AND dependency_type = ''blocks''';
    removed CONSTANT text :=
        'SELECT task_id, -1 AS n FROM removed WHERE NOT satisfied AND dependency_type = ''blocks''';
BEGIN
    FOR change IN EXECUTE format(change_query, CASE TG_OP
        WHEN 'INSERT' THEN added
        WHEN 'DELETE' THEN removed
        ELSE added || ' UNION ALL ' || removed
    END) LOOP
        -- A counter that went astray is for check_integrity() to mend, not for the caller to trip on.
        UPDATE taskmaster.tasks SET open_deps = greatest(open_deps + change.n, 0) WHERE id = change.task_id;
    END LOOP;
    RETURN NULL;
END
$$;


--
-- Name: count_open_gates(); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.count_open_gates() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.resolved_at IS NULL THEN
        UPDATE taskmaster.tasks SET open_gates = greatest(open_gates - 1, 0) WHERE id = OLD.task_id;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.resolved_at IS NULL THEN
        UPDATE taskmaster.tasks SET open_gates = open_gates + 1 WHERE id = NEW.task_id;
    END IF;
    RETURN NULL;
END
$$;


--
-- Name: count_task_version(); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.count_task_version() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF (OLD.status, OLD.title, OLD.description, OLD.requirements, OLD.priority, OLD.assigned_to,
        OLD.repository_url, OLD.branch_name, OLD.pr_number, OLD.metadata, OLD.type, OLD.complexity_score,
        OLD.affected_files, OLD.acceptance_criteria, OLD.parent_task_id, OLD.tags, OLD.estimated_hours,
        OLD.actual_hours, OLD.linear_issue_id, OLD.github_issue_number, OLD.codegen_session_id, OLD.max_attempts)
       IS DISTINCT FROM
       (NEW.status, NEW.title, NEW.description, NEW.requirements, NEW.priority, NEW.assigned_to,
        NEW.repository_url, NEW.branch_name, NEW.pr_number, NEW.metadata, NEW.type, NEW.complexity_score,
        NEW.affected_files, NEW.acceptance_criteria, NEW.parent_task_id, NEW.tags, NEW.estimated_hours,
        NEW.actual_hours, NEW.linear_issue_id, NEW.github_issue_number, NEW.codegen_session_id, NEW.max_attempts)
    THEN
        NEW.version := OLD.version + 1;
    END IF;
    RETURN NEW;
END
$$;


--
-- Name: current_actor(); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.current_actor() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SESSION_USER)::text;


--
-- Name: FUNCTION current_actor(); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.current_actor() IS 'Who acts: the name that the session logged in with';


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
-- Name: dependency_path(uuid, uuid); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.dependency_path(p_task_id uuid, p_target uuid) RETURNS uuid[]
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    path uuid[] := ARRAY[p_task_id];
    -- Everything that waits for the target, the target included.
    waiting uuid[];
    next_task uuid;
BEGIN
    IF NOT EXISTS (
        WITH RECURSIVE above(id) AS (
            SELECT p_task_id
            UNION
            SELECT d.depends_on FROM above JOIN taskmaster.task_dependencies AS d ON d.task_id = above.id
             WHERE d.dependency_type = 'blocks')
        SELECT FROM above WHERE id = p_target)
    THEN
        RETURN NULL;
    END IF;
    waiting := ARRAY(
        WITH RECURSIVE below(id) AS (
            SELECT p_target
            UNION
            SELECT d.task_id FROM below JOIN taskmaster.task_dependencies AS d ON d.depends_on = below.id
             WHERE d.dependency_type = 'blocks')
        SELECT id FROM below);
    WHILE path[cardinality(path)] <> p_target LOOP
        SELECT d.depends_on INTO STRICT next_task
          FROM taskmaster.task_dependencies AS d
         WHERE d.task_id = path[cardinality(path)] AND d.dependency_type = 'blocks'
           AND d.depends_on = ANY (waiting) AND d.depends_on <> ALL (path)
         ORDER BY d.depends_on = p_target DESC, d.depends_on
         LIMIT 1;
        path := path || next_task;
    END LOOP;
    RETURN path;
END
$$;


--
-- Name: FUNCTION dependency_path(p_task_id uuid, p_target uuid); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.dependency_path(p_task_id uuid, p_target uuid) IS 'The tasks from one to another that it waits for, directly or not; null when it does not';


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
-- Name: find_tasks(text); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.find_tasks(p_query text) RETURNS TABLE(task_id uuid, similarity real)
    LANGUAGE sql STABLE STRICT ROWS 50 PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH wanted AS (
        SELECT websearch_to_tsquery('pg_catalog.english', p_query) AS words,
               '%' || replace(replace(replace(p_query, '\', '\\'), '%', '\%'), '_', '\_') || '%' AS part),
    found AS (
        SELECT t.id FROM taskmaster.tasks AS t
         WHERE to_tsvector('pg_catalog.english'::regconfig, t.title || ' ' || coalesce(t.description, ''))
               @@ (SELECT words FROM wanted)
        UNION
        SELECT t.id FROM taskmaster.tasks AS t WHERE t.title ILIKE (SELECT part FROM wanted)
        UNION
        SELECT t.id FROM taskmaster.tasks AS t WHERE t.description ILIKE (SELECT part FROM wanted)
        UNION SELECT t.id FROM taskmaster.tasks AS t WHERE t.title OPERATOR(taskmaster.%) p_query)
    SELECT t.id,
           (greatest(taskmaster.similarity(t.title, p_query), CASE WHEN t.title ILIKE wanted.part THEN 0.5 ELSE 0 END)
            + ts_rank(to_tsvector('pg_catalog.english'::regconfig, t.title || ' ' || coalesce(t.description, '')),
                      wanted.words))::real
      FROM wanted, taskmaster.tasks AS t WHERE t.id = ANY (ARRAY(SELECT id FROM found))
$$;


--
-- Name: FUNCTION find_tasks(p_query text); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.find_tasks(p_query text) IS 'The tasks whose title or description a text finds, and how well; search_tasks() filters and orders them';


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
-- Name: holds_plain_secret(jsonb); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.holds_plain_secret(p_document jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
    WITH RECURSIVE node(key, value) AS (
        SELECT '', p_document
        UNION ALL
        SELECT child.key, child.value
          FROM node, LATERAL (
            SELECT member.key, member.value
              FROM jsonb_each(CASE WHEN jsonb_typeof(node.value) = 'object' THEN node.value ELSE '{}' END) AS member
            UNION ALL
            SELECT node.key, element
              FROM jsonb_array_elements(CASE WHEN jsonb_typeof(node.value) = 'array' THEN node.value ELSE '[]' END)
                   AS element) AS child)
    SELECT EXISTS (
        SELECT FROM node, LATERAL (SELECT node.value #>> '{}' AS text) AS leaf
         WHERE jsonb_typeof(node.value) = 'string' AND leaf.text <> ''
           AND (leaf.text ~ '(gh[pousr]_|github_pat_|lin_api_|sk-ant-|xox[abprs]-|-----BEGIN [A-Z ]*PRIVATE KEY)'
             OR node.key ~* '(secret|passw|passphrase|api[_-]?key|private[_-]?key|access[_-]?key|credential|authorization|cookie|token$)'
                AND leaf.text !~ '^((Bearer|Basic|token) )?(env:|file:/|vault:)'));
$_$;


--
-- Name: FUNCTION holds_plain_secret(p_document jsonb); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.holds_plain_secret(p_document jsonb) IS 'Whether a document holds what looks like a secret in plain text';


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
-- Name: refuse_plain_secret(); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.refuse_plain_secret() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF taskmaster.holds_plain_secret(NEW.configuration) THEN
        RAISE EXCEPTION 'the configuration holds a secret in plain text'
            USING ERRCODE = 'invalid_parameter_value', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
                HINT = 'Store where the secret is: env:NAME, file:/path or vault:path.';
    END IF;
    RETURN NEW;
END
$$;


--
-- Name: refuse_rewriting(); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.refuse_rewriting() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = '55000',
        MESSAGE = pg_catalog.format('the history in taskmaster.%I is not rewritten', TG_TABLE_NAME),
        DETAIL = pg_catalog.jsonb_build_object('table', TG_TABLE_NAME)::pg_catalog.text,
        HINT = 'Only actor and payload of an event may be changed, to make a person unrecognisable.';
END
$$;


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
-- Name: settle_task_dependencies(); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.settle_task_dependencies() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    UPDATE taskmaster.task_dependencies
       SET satisfied = NOT satisfied
     WHERE depends_on = NEW.id
       AND satisfied <> coalesce(NEW.status = ANY (satisfied_by), false);
    RETURN NULL;
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
    tokens_in bigint,
    tokens_out bigint,
    cost_usd numeric,
    adjustments jsonb,
    CONSTRAINT api_access_logs_cost_usd_check CHECK ((cost_usd >= (0)::numeric)),
    CONSTRAINT api_access_logs_method_check CHECK (((method)::text = ANY ((ARRAY['GET'::character varying, 'HEAD'::character varying, 'POST'::character varying, 'PUT'::character varying, 'PATCH'::character varying, 'DELETE'::character varying, 'OPTIONS'::character varying, 'CONNECT'::character varying, 'TRACE'::character varying, 'OTHER'::character varying])::text[]))),
    CONSTRAINT api_access_logs_response_status_check CHECK (((response_status >= 0) AND (response_status <= 999))),
    CONSTRAINT api_access_logs_response_time_ms_check CHECK ((response_time_ms >= 0)),
    CONSTRAINT api_access_logs_retry_count_check CHECK ((retry_count >= 0)),
    CONSTRAINT api_access_logs_tokens_check CHECK (((tokens_in >= 0) AND (tokens_out >= 0)))
)
PARTITION BY RANGE ("timestamp");


--
-- Name: TABLE api_access_logs; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.api_access_logs IS 'Calls to external services, one partition per week in UTC';


--
-- Name: COLUMN api_access_logs.adjustments; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.api_access_logs.adjustments IS 'What log_api_call had to change so that the call could be stored: argument to original value or reason';


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
    tokens_in bigint,
    tokens_out bigint,
    cost_usd numeric,
    adjustments jsonb,
    CONSTRAINT api_access_logs_cost_usd_check CHECK ((cost_usd >= (0)::numeric)),
    CONSTRAINT api_access_logs_method_check CHECK (((method)::text = ANY ((ARRAY['GET'::character varying, 'HEAD'::character varying, 'POST'::character varying, 'PUT'::character varying, 'PATCH'::character varying, 'DELETE'::character varying, 'OPTIONS'::character varying, 'CONNECT'::character varying, 'TRACE'::character varying, 'OTHER'::character varying])::text[]))),
    CONSTRAINT api_access_logs_response_status_check CHECK (((response_status >= 0) AND (response_status <= 999))),
    CONSTRAINT api_access_logs_response_time_ms_check CHECK ((response_time_ms >= 0)),
    CONSTRAINT api_access_logs_retry_count_check CHECK ((retry_count >= 0)),
    CONSTRAINT api_access_logs_tokens_check CHECK (((tokens_in >= 0) AND (tokens_out >= 0)))
);


--
-- Name: task_dependencies; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.task_dependencies (
    task_id uuid NOT NULL,
    depends_on uuid NOT NULL,
    dependency_type character varying(50) DEFAULT 'blocks'::character varying NOT NULL,
    satisfied_by text[] DEFAULT '{completed}'::text[] NOT NULL,
    satisfied boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text DEFAULT taskmaster.current_actor(),
    CONSTRAINT task_dependencies_dependency_type_check CHECK (((dependency_type)::text = ANY ((ARRAY['blocks'::character varying, 'related'::character varying])::text[]))),
    CONSTRAINT task_dependencies_satisfied_by_check CHECK (((satisfied_by <@ ARRAY['completed'::text, 'failed'::text, 'cancelled'::text]) AND (cardinality(satisfied_by) > 0))),
    CONSTRAINT task_dependencies_self_check CHECK ((task_id <> depends_on))
)
WITH (fillfactor='90');


--
-- Name: TABLE task_dependencies; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.task_dependencies IS 'Which task waits for which; "related" is for people and blocks nothing';


--
-- Name: task_gates; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.task_gates (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    task_id uuid NOT NULL,
    gate_type character varying(50) NOT NULL,
    await jsonb DEFAULT '{}'::jsonb NOT NULL,
    due_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text DEFAULT taskmaster.current_actor(),
    resolved_at timestamp with time zone,
    resolved_by text,
    result jsonb,
    CONSTRAINT task_gates_due_at_check CHECK ((((gate_type)::text = 'timer'::text) = (due_at IS NOT NULL))),
    CONSTRAINT task_gates_gate_type_check CHECK (((gate_type)::text = ANY ((ARRAY['gh:pr'::character varying, 'gh:run'::character varying, 'timer'::character varying, 'human'::character varying, 'integration'::character varying])::text[])))
);


--
-- Name: TABLE task_gates; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.task_gates IS 'What a task waits for outside: a pull request, a CI run, a time, a person, a service';


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
    display_id bigint,
    version bigint DEFAULT 1 NOT NULL,
    tenant_id text,
    created_by text DEFAULT taskmaster.current_actor(),
    open_deps integer DEFAULT 0 NOT NULL,
    open_gates integer DEFAULT 0 NOT NULL,
    run_after timestamp with time zone,
    attempt integer DEFAULT 0 NOT NULL,
    max_attempts integer DEFAULT 3 NOT NULL,
    claimed_by text,
    claim_token bigint,
    claim_expires_at timestamp with time zone,
    heartbeat_at timestamp with time zone,
    CONSTRAINT tasks_actual_hours_check CHECK ((actual_hours >= (0)::numeric)),
    CONSTRAINT tasks_attempt_check CHECK ((attempt >= 0)),
    CONSTRAINT tasks_claim_check CHECK ((((claim_expires_at IS NULL) = (claimed_by IS NULL)) AND ((claim_expires_at IS NULL) OR ((claim_token IS NOT NULL) AND ((status)::text = 'in_progress'::text))))),
    CONSTRAINT tasks_completed_at_check CHECK (((completed_at IS NULL) OR ((status)::text = 'completed'::text))),
    CONSTRAINT tasks_complexity_score_check CHECK (((complexity_score >= 1) AND (complexity_score <= 10))),
    CONSTRAINT tasks_display_id_check CHECK ((display_id IS NOT NULL)),
    CONSTRAINT tasks_estimated_hours_check CHECK ((estimated_hours >= (0)::numeric)),
    CONSTRAINT tasks_github_issue_number_check CHECK ((github_issue_number > 0)),
    CONSTRAINT tasks_max_attempts_check CHECK (((max_attempts >= 1) AND (max_attempts <= 100))),
    CONSTRAINT tasks_open_deps_check CHECK ((open_deps >= 0)),
    CONSTRAINT tasks_open_gates_check CHECK ((open_gates >= 0)),
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
-- Name: COLUMN tasks.version; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.tasks.version IS 'Counts changes of what the task says; bookkeeping does not count';


--
-- Name: COLUMN tasks.open_deps; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.tasks.open_deps IS 'How many blocking dependencies are not satisfied; kept by triggers';


--
-- Name: COLUMN tasks.open_gates; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.tasks.open_gates IS 'How many gates are not resolved; kept by triggers';


--
-- Name: COLUMN tasks.claim_token; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.tasks.claim_token IS 'The number of the last lease';


--
-- Name: blocked_tasks; Type: VIEW; Schema: taskmaster; Owner: -
--

CREATE VIEW taskmaster.blocked_tasks WITH (security_invoker='true') AS
 SELECT t.id,
    t.display_id,
    t.title,
    t.status,
    t.priority,
    t.open_deps,
    t.open_gates,
    ARRAY( SELECT d.depends_on
           FROM taskmaster.task_dependencies d
          WHERE ((d.task_id = t.id) AND ((d.dependency_type)::text = 'blocks'::text) AND (NOT d.satisfied))
          ORDER BY d.depends_on) AS waits_for,
    ARRAY( SELECT (g.gate_type)::text AS gate_type
           FROM taskmaster.task_gates g
          WHERE ((g.task_id = t.id) AND (g.resolved_at IS NULL))
          ORDER BY g.created_at, g.id) AS gates
   FROM taskmaster.tasks t
  WHERE (((t.status)::text <> ALL ((ARRAY['completed'::character varying, 'failed'::character varying, 'cancelled'::character varying])::text[])) AND ((t.open_deps > 0) OR (t.open_gates > 0) OR ((t.status)::text = 'blocked'::text)))
  ORDER BY t.priority DESC, t.created_at, t.id;


--
-- Name: VIEW blocked_tasks; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON VIEW taskmaster.blocked_tasks IS 'Tasks that wait, and for what';


--
-- Name: blocking_tasks; Type: VIEW; Schema: taskmaster; Owner: -
--

CREATE VIEW taskmaster.blocking_tasks AS
SELECT
    NULL::uuid AS id,
    NULL::bigint AS display_id,
    NULL::character varying(255) AS title,
    NULL::character varying(50) AS status,
    NULL::integer AS priority,
    NULL::character varying(255) AS assigned_to,
    NULL::bigint AS waiting,
    NULL::uuid[] AS blocks;


--
-- Name: VIEW blocking_tasks; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON VIEW taskmaster.blocking_tasks IS 'Tasks that others wait for, those that hold up most first';


--
-- Name: claim_token_seq; Type: SEQUENCE; Schema: taskmaster; Owner: -
--

CREATE SEQUENCE taskmaster.claim_token_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: claim_token_seq; Type: SEQUENCE OWNED BY; Schema: taskmaster; Owner: -
--

ALTER SEQUENCE taskmaster.claim_token_seq OWNED BY taskmaster.tasks.claim_token;


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
    rate_limit_requests integer,
    rate_window_seconds integer DEFAULT 60 NOT NULL,
    rate_burst integer,
    health_check_interval_seconds integer DEFAULT 60 NOT NULL,
    CONSTRAINT external_integrations_current_usage_check CHECK ((current_usage >= 0)),
    CONSTRAINT external_integrations_health_check_interval_seconds_check CHECK (((health_check_interval_seconds >= 1) AND (health_check_interval_seconds <= 86400))),
    CONSTRAINT external_integrations_health_status_check CHECK (((health_status)::text = ANY ((ARRAY['healthy'::character varying, 'unhealthy'::character varying, 'unknown'::character varying, 'timeout'::character varying])::text[]))),
    CONSTRAINT external_integrations_integration_type_check CHECK (((integration_type)::text ~ '^[a-z][a-z0-9_-]*$'::text)),
    CONSTRAINT external_integrations_rate_burst_check CHECK ((rate_burst > 0)),
    CONSTRAINT external_integrations_rate_limit_per_minute_check CHECK (((rate_limit_per_minute >= 1) AND (rate_limit_per_minute <= 10000))),
    CONSTRAINT external_integrations_rate_limit_requests_check CHECK ((rate_limit_requests > 0)),
    CONSTRAINT external_integrations_rate_window_seconds_check CHECK (((rate_window_seconds >= 1) AND (rate_window_seconds <= 86400))),
    CONSTRAINT external_integrations_status_check CHECK (((status)::text = ANY ((ARRAY['active'::character varying, 'inactive'::character varying, 'error'::character varying, 'maintenance'::character varying])::text[])))
)
WITH (fillfactor='50');


--
-- Name: TABLE external_integrations; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.external_integrations IS 'Services that are called, their health and rate limits';


--
-- Name: COLUMN external_integrations.rate_limit_requests; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.external_integrations.rate_limit_requests IS 'Requests in a window of rate_window_seconds; NULL means what rate_limit_per_minute comes to';


--
-- Name: idempotency_keys; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.idempotency_keys (
    scope character varying(300) NOT NULL,
    key character varying(255) NOT NULL,
    request_hash bytea NOT NULL,
    result_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone DEFAULT (clock_timestamp() + '7 days'::interval) NOT NULL
);


--
-- Name: TABLE idempotency_keys; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.idempotency_keys IS 'Requests that were carried out, so that one sent again is answered and not repeated';


--
-- Name: integration_health; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.integration_health (
    integration_id uuid NOT NULL,
    breaker character varying(20) DEFAULT 'closed'::character varying NOT NULL,
    recent character varying(20) DEFAULT ''::character varying NOT NULL,
    open_until timestamp with time zone,
    opens integer DEFAULT 0 NOT NULL,
    probes_used integer DEFAULT 0 NOT NULL,
    probes_since timestamp with time zone,
    next_check_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    leased_until timestamp with time zone,
    CONSTRAINT integration_health_breaker_check CHECK (((breaker)::text = ANY ((ARRAY['closed'::character varying, 'open'::character varying, 'half_open'::character varying])::text[]))),
    CONSTRAINT integration_health_recent_check CHECK (((recent)::text ~ '^[01]*$'::text))
)
WITH (fillfactor='70');


--
-- Name: TABLE integration_health; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.integration_health IS 'The circuit breaker of each integration, and when its health is to be checked';


--
-- Name: COLUMN integration_health.recent; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.integration_health.recent IS 'The last checks, oldest first: 1 passed, 0 failed';


--
-- Name: integration_health_history; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.integration_health_history (
    id bigint NOT NULL,
    integration_id uuid NOT NULL,
    checked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ok boolean NOT NULL,
    response_time_ms integer,
    error text,
    health_status character varying(20) NOT NULL,
    breaker character varying(20) NOT NULL,
    CONSTRAINT integration_health_history_response_time_ms_check CHECK ((response_time_ms >= 0))
);


--
-- Name: TABLE integration_health_history; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.integration_health_history IS 'Health checks of the last 30 days and what each came to';


--
-- Name: integration_health_history_id_seq; Type: SEQUENCE; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.integration_health_history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME taskmaster.integration_health_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: integration_rate_state; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE UNLOGGED TABLE taskmaster.integration_rate_state (
    integration_id uuid NOT NULL,
    window_started_at timestamp with time zone,
    window_used integer DEFAULT 0 NOT NULL,
    arrival_at timestamp with time zone,
    remote_remaining bigint,
    remote_reset_at timestamp with time zone,
    blocked_until timestamp with time zone,
    remote jsonb DEFAULT '{}'::jsonb NOT NULL
)
WITH (fillfactor='50');


--
-- Name: TABLE integration_rate_state; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.integration_rate_state IS 'The rate limiter of each integration; not crash-safe by intent';


--
-- Name: COLUMN integration_rate_state.arrival_at; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.integration_rate_state.arrival_at IS 'The theoretical arrival time of the GCRA';


--
-- Name: COLUMN integration_rate_state.remote; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.integration_rate_state.remote IS 'The limits as the service''s headers told them, by scope';


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
-- Name: ready_tasks; Type: VIEW; Schema: taskmaster; Owner: -
--

CREATE VIEW taskmaster.ready_tasks WITH (security_invoker='true') AS
 SELECT t.id,
    t.display_id,
    t.title,
    t.type,
    t.priority,
    t.assigned_to,
    t.parent_task_id,
    t.created_at
   FROM taskmaster.tasks t
  WHERE (((t.status)::text = 'pending'::text) AND (t.open_deps = 0) AND (t.open_gates = 0) AND ((t.run_after IS NULL) OR (t.run_after <= clock_timestamp())) AND (NOT (EXISTS ( SELECT
           FROM taskmaster.tasks child
          WHERE ((child.parent_task_id = t.id) AND ((child.status)::text <> ALL ((ARRAY['completed'::character varying, 'cancelled'::character varying])::text[])))))))
  ORDER BY t.priority DESC, t.created_at, t.id;


--
-- Name: VIEW ready_tasks; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON VIEW taskmaster.ready_tasks IS 'Tasks that can be taken now, the next one first';


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
-- Name: task_budgets; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.task_budgets (
    task_id uuid NOT NULL,
    tokens_max bigint,
    cost_usd_max numeric,
    warn_ratio numeric DEFAULT 0.8 NOT NULL,
    tokens_used bigint DEFAULT 0 NOT NULL,
    cost_usd_used numeric DEFAULT 0 NOT NULL,
    CONSTRAINT task_budgets_cost_usd_max_check CHECK ((cost_usd_max >= (0)::numeric)),
    CONSTRAINT task_budgets_tokens_max_check CHECK ((tokens_max >= 0)),
    CONSTRAINT task_budgets_used_check CHECK (((tokens_used >= 0) AND (cost_usd_used >= (0)::numeric))),
    CONSTRAINT task_budgets_warn_ratio_check CHECK (((warn_ratio > (0)::numeric) AND (warn_ratio <= (1)::numeric)))
)
WITH (fillfactor='70');


--
-- Name: TABLE task_budgets; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.task_budgets IS 'Tokens and cost that the calls for a task used, and their limits';


--
-- Name: task_contexts; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.task_contexts (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    task_id uuid NOT NULL,
    context_type character varying(50) NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    context_data jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    created_by text DEFAULT taskmaster.current_actor(),
    CONSTRAINT task_contexts_context_type_check CHECK ((btrim((context_type)::text) <> ''::text))
);


--
-- Name: TABLE task_contexts; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.task_contexts IS 'What belongs to an attempt at a task: progress, result, error, and what agents add';


--
-- Name: task_display_id_seq; Type: SEQUENCE; Schema: taskmaster; Owner: -
--

CREATE SEQUENCE taskmaster.task_display_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: task_display_id_seq; Type: SEQUENCE OWNED BY; Schema: taskmaster; Owner: -
--

ALTER SEQUENCE taskmaster.task_display_id_seq OWNED BY taskmaster.tasks.display_id;


--
-- Name: task_events; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.task_events (
    seq bigint NOT NULL,
    occurred_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    task_id uuid NOT NULL,
    kind character varying(50) NOT NULL,
    from_status character varying(50),
    to_status character varying(50),
    actor text DEFAULT taskmaster.current_actor(),
    payload jsonb DEFAULT '{}'::jsonb NOT NULL
);


--
-- Name: TABLE task_events; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.task_events IS 'What happened to tasks, in order; read it with get_task_events()';


--
-- Name: task_events_seq_seq; Type: SEQUENCE; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.task_events ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME taskmaster.task_events_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: task_status_transitions; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.task_status_transitions (
    from_status character varying(50) NOT NULL,
    to_status character varying(50) NOT NULL,
    guard character varying(50),
    CONSTRAINT task_status_transitions_guard_check CHECK (((guard)::text = ANY ((ARRAY['ready'::character varying, 'subtasks_ended'::character varying])::text[]))),
    CONSTRAINT task_status_transitions_words_check CHECK ((((from_status)::text <> (to_status)::text) AND ((from_status)::text = ANY ((ARRAY['pending'::character varying, 'in_progress'::character varying, 'review'::character varying, 'blocked'::character varying, 'deferred'::character varying, 'completed'::character varying, 'failed'::character varying, 'cancelled'::character varying])::text[])) AND ((to_status)::text = ANY ((ARRAY['pending'::character varying, 'in_progress'::character varying, 'review'::character varying, 'blocked'::character varying, 'deferred'::character varying, 'completed'::character varying, 'failed'::character varying, 'cancelled'::character varying])::text[]))))
);


--
-- Name: TABLE task_status_transitions; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.task_status_transitions IS 'Which status may follow which, and what must hold before';


--
-- Name: v_taskmaster_tasks; Type: VIEW; Schema: taskmaster; Owner: -
--

CREATE VIEW taskmaster.v_taskmaster_tasks WITH (security_invoker='true') AS
 SELECT t.display_id AS id,
    t.id AS task_id,
    t.title,
    t.description,
    (
        CASE t.status
            WHEN 'in_progress'::text THEN 'in-progress'::character varying
            WHEN 'completed'::text THEN 'done'::character varying
            WHEN 'failed'::text THEN 'blocked'::character varying
            ELSE t.status
        END)::text AS status,
        CASE
            WHEN (t.priority <= 2) THEN 'low'::text
            WHEN (t.priority <= 5) THEN 'medium'::text
            WHEN (t.priority <= 8) THEN 'high'::text
            ELSE 'critical'::text
        END AS priority,
    ARRAY( SELECT other.display_id
           FROM (taskmaster.task_dependencies d
             JOIN taskmaster.tasks other ON ((other.id = d.depends_on)))
          WHERE ((d.task_id = t.id) AND ((d.dependency_type)::text = 'blocks'::text))
          ORDER BY other.display_id) AS dependencies,
    parent.display_id AS parent_id,
    (t.metadata ->> 'details'::text) AS details,
    (t.metadata ->> 'testStrategy'::text) AS test_strategy,
    t.assigned_to AS assignee,
    t.updated_at
   FROM (taskmaster.tasks t
     LEFT JOIN taskmaster.tasks parent ON ((parent.id = t.parent_task_id)));


--
-- Name: VIEW v_taskmaster_tasks; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON VIEW taskmaster.v_taskmaster_tasks IS 'Tasks in the words of Task Master: statuses such as done, priorities such as high';


--
-- Name: workflow_steps; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.workflow_steps (
    workflow_id uuid NOT NULL,
    name character varying(100) NOT NULL,
    step_no integer NOT NULL,
    status character varying(50) DEFAULT 'pending'::character varying NOT NULL,
    attempt integer DEFAULT 1 NOT NULL,
    planned boolean DEFAULT false NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    result jsonb,
    error text,
    CONSTRAINT workflow_steps_attempt_check CHECK ((attempt >= 1)),
    CONSTRAINT workflow_steps_status_check CHECK (((status)::text = ANY ((ARRAY['pending'::character varying, 'running'::character varying, 'completed'::character varying, 'failed'::character varying, 'skipped'::character varying])::text[])))
)
WITH (fillfactor='85');


--
-- Name: TABLE workflow_steps; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.workflow_steps IS 'Where each step of a workflow stands, in the order of step_no';


--
-- Name: COLUMN workflow_steps.planned; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.workflow_steps.planned IS 'Whether create_workflow named the step; no others are taken then';


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
    resumed_at timestamp with time zone,
    idempotency_key character varying(255),
    idempotency_hash bytea,
    CONSTRAINT workflows_idempotency_hash_check CHECK (((idempotency_key IS NULL) = (idempotency_hash IS NULL))),
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
-- Name: tasks display_id; Type: DEFAULT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.tasks ALTER COLUMN display_id SET DEFAULT nextval('taskmaster.task_display_id_seq'::regclass);


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
-- Name: idempotency_keys idempotency_keys_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (scope, key);


--
-- Name: integration_health_history integration_health_history_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.integration_health_history
    ADD CONSTRAINT integration_health_history_pkey PRIMARY KEY (id);


--
-- Name: integration_health integration_health_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.integration_health
    ADD CONSTRAINT integration_health_pkey PRIMARY KEY (integration_id);


--
-- Name: integration_rate_state integration_rate_state_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.integration_rate_state
    ADD CONSTRAINT integration_rate_state_pkey PRIMARY KEY (integration_id);


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
-- Name: task_budgets task_budgets_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.task_budgets
    ADD CONSTRAINT task_budgets_pkey PRIMARY KEY (task_id);


--
-- Name: task_contexts task_contexts_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.task_contexts
    ADD CONSTRAINT task_contexts_pkey PRIMARY KEY (id);


--
-- Name: task_dependencies task_dependencies_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.task_dependencies
    ADD CONSTRAINT task_dependencies_pkey PRIMARY KEY (task_id, depends_on);


--
-- Name: task_events task_events_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.task_events
    ADD CONSTRAINT task_events_pkey PRIMARY KEY (seq);


--
-- Name: task_gates task_gates_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.task_gates
    ADD CONSTRAINT task_gates_pkey PRIMARY KEY (id);


--
-- Name: task_status_transitions task_status_transitions_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.task_status_transitions
    ADD CONSTRAINT task_status_transitions_pkey PRIMARY KEY (from_status, to_status);


--
-- Name: tasks tasks_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (id);


--
-- Name: workflow_steps workflow_steps_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.workflow_steps
    ADD CONSTRAINT workflow_steps_pkey PRIMARY KEY (workflow_id, name);


--
-- Name: workflow_steps workflow_steps_workflow_id_step_no_key; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.workflow_steps
    ADD CONSTRAINT workflow_steps_workflow_id_step_no_key UNIQUE (workflow_id, step_no);


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
-- Name: idempotency_keys_expires_at_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX idempotency_keys_expires_at_idx ON taskmaster.idempotency_keys USING btree (expires_at);


--
-- Name: integration_health_history_integration_id_checked_at_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX integration_health_history_integration_id_checked_at_idx ON taskmaster.integration_health_history USING btree (integration_id, checked_at DESC);


--
-- Name: integration_health_next_check_at_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX integration_health_next_check_at_idx ON taskmaster.integration_health USING btree (next_check_at);


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
-- Name: task_contexts_progress_key; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE UNIQUE INDEX task_contexts_progress_key ON taskmaster.task_contexts USING btree (task_id, attempt) WHERE ((context_type)::text = 'progress'::text);


--
-- Name: task_contexts_task_id_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX task_contexts_task_id_idx ON taskmaster.task_contexts USING btree (task_id, created_at);


--
-- Name: task_dependencies_depends_on_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX task_dependencies_depends_on_idx ON taskmaster.task_dependencies USING btree (depends_on);


--
-- Name: task_events_occurred_at_brin_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX task_events_occurred_at_brin_idx ON taskmaster.task_events USING brin (occurred_at) WITH (pages_per_range='32');


--
-- Name: task_events_task_id_seq_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX task_events_task_id_seq_idx ON taskmaster.task_events USING btree (task_id, seq);


--
-- Name: task_gates_due_at_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX task_gates_due_at_idx ON taskmaster.task_gates USING btree (due_at) WHERE ((due_at IS NOT NULL) AND (resolved_at IS NULL));


--
-- Name: task_gates_task_id_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX task_gates_task_id_idx ON taskmaster.task_gates USING btree (task_id);


--
-- Name: tasks_affected_files_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_affected_files_idx ON taskmaster.tasks USING gin (affected_files) WITH (fastupdate=off);


--
-- Name: tasks_assigned_to_status_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_assigned_to_status_idx ON taskmaster.tasks USING btree (assigned_to, status);


--
-- Name: tasks_claimed_by_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_claimed_by_idx ON taskmaster.tasks USING btree (claimed_by) WHERE (claimed_by IS NOT NULL);


--
-- Name: tasks_display_id_key; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE UNIQUE INDEX tasks_display_id_key ON taskmaster.tasks USING btree (display_id);


--
-- Name: tasks_files_at_work_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_files_at_work_idx ON taskmaster.tasks USING gin (affected_files) WITH (fastupdate=off) WHERE (((status)::text = 'in_progress'::text) AND (affected_files <> '[]'::jsonb));


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
-- Name: tasks_ready_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_ready_idx ON taskmaster.tasks USING btree (priority DESC, created_at, id) WHERE (((status)::text = 'pending'::text) AND (open_deps = 0) AND (open_gates = 0) AND (run_after IS NULL));


--
-- Name: tasks_repository_url_github_issue_number_key; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE UNIQUE INDEX tasks_repository_url_github_issue_number_key ON taskmaster.tasks USING btree (repository_url, github_issue_number) WHERE ((repository_url IS NOT NULL) AND (github_issue_number IS NOT NULL));


--
-- Name: tasks_requirements_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_requirements_idx ON taskmaster.tasks USING gin (requirements jsonb_path_ops) WITH (fastupdate=off);


--
-- Name: tasks_run_after_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_run_after_idx ON taskmaster.tasks USING btree (run_after) WHERE (((status)::text = 'pending'::text) AND (run_after IS NOT NULL));


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
-- Name: tasks_words_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_words_idx ON taskmaster.tasks USING gin (to_tsvector('english'::regconfig, (((title)::text || ' '::text) || COALESCE(description, ''::text)))) WITH (fastupdate=off);


--
-- Name: workflows_active_started_at_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX workflows_active_started_at_idx ON taskmaster.workflows USING btree (started_at) WHERE ((status)::text = ANY ((ARRAY['initialized'::character varying, 'running'::character varying])::text[]));


--
-- Name: workflows_active_task_id_key; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE UNIQUE INDEX workflows_active_task_id_key ON taskmaster.workflows USING btree (task_id) WHERE ((status)::text = ANY ((ARRAY['initialized'::character varying, 'running'::character varying])::text[]));


--
-- Name: workflows_task_id_idempotency_key_key; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE UNIQUE INDEX workflows_task_id_idempotency_key_key ON taskmaster.workflows USING btree (task_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);


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
-- Name: blocking_tasks _RETURN; Type: RULE; Schema: taskmaster; Owner: -
--

CREATE OR REPLACE VIEW taskmaster.blocking_tasks WITH (security_invoker='true') AS
 SELECT t.id,
    t.display_id,
    t.title,
    t.status,
    t.priority,
    t.assigned_to,
    count(*) AS waiting,
    array_agg(d.task_id ORDER BY d.task_id) AS blocks
   FROM ((taskmaster.tasks t
     JOIN taskmaster.task_dependencies d ON (((d.depends_on = t.id) AND ((d.dependency_type)::text = 'blocks'::text) AND (NOT d.satisfied))))
     JOIN taskmaster.tasks waiting ON (((waiting.id = d.task_id) AND ((waiting.status)::text <> ALL ((ARRAY['completed'::character varying, 'failed'::character varying, 'cancelled'::character varying])::text[])))))
  GROUP BY t.id
  ORDER BY (count(*)) DESC, t.priority DESC, t.created_at, t.id;


--
-- Name: external_integrations external_integrations_refuse_plain_secret; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER external_integrations_refuse_plain_secret BEFORE INSERT OR UPDATE OF configuration ON taskmaster.external_integrations FOR EACH ROW EXECUTE FUNCTION taskmaster.refuse_plain_secret();


--
-- Name: external_integrations external_integrations_set_updated_at; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER external_integrations_set_updated_at BEFORE UPDATE ON taskmaster.external_integrations FOR EACH ROW WHEN ((old.* IS DISTINCT FROM new.*)) EXECUTE FUNCTION taskmaster.set_updated_at();


--
-- Name: task_dependencies task_dependencies_check; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER task_dependencies_check BEFORE INSERT OR UPDATE OF task_id, depends_on, dependency_type, satisfied_by ON taskmaster.task_dependencies FOR EACH ROW EXECUTE FUNCTION taskmaster.check_task_dependency();


--
-- Name: task_dependencies task_dependencies_count_deleted; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER task_dependencies_count_deleted AFTER DELETE ON taskmaster.task_dependencies REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.count_open_dependencies();


--
-- Name: task_dependencies task_dependencies_count_inserted; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER task_dependencies_count_inserted AFTER INSERT ON taskmaster.task_dependencies REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.count_open_dependencies();


--
-- Name: task_dependencies task_dependencies_count_updated; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER task_dependencies_count_updated AFTER UPDATE ON taskmaster.task_dependencies REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.count_open_dependencies();


--
-- Name: task_events task_events_append_only; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER task_events_append_only BEFORE UPDATE OF seq, occurred_at, task_id, kind, from_status, to_status ON taskmaster.task_events FOR EACH ROW EXECUTE FUNCTION taskmaster.refuse_rewriting();


--
-- Name: task_gates task_gates_count; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER task_gates_count AFTER INSERT OR DELETE OR UPDATE OF task_id, resolved_at ON taskmaster.task_gates FOR EACH ROW EXECUTE FUNCTION taskmaster.count_open_gates();


--
-- Name: tasks tasks_count_version; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER tasks_count_version BEFORE UPDATE ON taskmaster.tasks FOR EACH ROW WHEN ((old.* IS DISTINCT FROM new.*)) EXECUTE FUNCTION taskmaster.count_task_version();


--
-- Name: tasks tasks_set_updated_at; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER tasks_set_updated_at BEFORE UPDATE ON taskmaster.tasks FOR EACH ROW WHEN ((old.* IS DISTINCT FROM new.*)) EXECUTE FUNCTION taskmaster.set_updated_at();


--
-- Name: tasks tasks_settle_dependencies; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER tasks_settle_dependencies AFTER UPDATE OF status ON taskmaster.tasks FOR EACH ROW WHEN ((((old.status)::text IS DISTINCT FROM (new.status)::text) AND (((old.status)::text = ANY ((ARRAY['completed'::character varying, 'failed'::character varying, 'cancelled'::character varying])::text[])) OR ((new.status)::text = ANY ((ARRAY['completed'::character varying, 'failed'::character varying, 'cancelled'::character varying])::text[]))))) EXECUTE FUNCTION taskmaster.settle_task_dependencies();


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
-- Name: integration_health_history integration_health_history_integration_id_fkey; Type: FK CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.integration_health_history
    ADD CONSTRAINT integration_health_history_integration_id_fkey FOREIGN KEY (integration_id) REFERENCES taskmaster.external_integrations(id) ON DELETE CASCADE;


--
-- Name: integration_health integration_health_integration_id_fkey; Type: FK CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.integration_health
    ADD CONSTRAINT integration_health_integration_id_fkey FOREIGN KEY (integration_id) REFERENCES taskmaster.external_integrations(id) ON DELETE CASCADE;


--
-- Name: integration_rate_state integration_rate_state_integration_id_fkey; Type: FK CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.integration_rate_state
    ADD CONSTRAINT integration_rate_state_integration_id_fkey FOREIGN KEY (integration_id) REFERENCES taskmaster.external_integrations(id) ON DELETE CASCADE;


--
-- Name: metric_rollups metric_rollups_series_id_fkey; Type: FK CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.metric_rollups
    ADD CONSTRAINT metric_rollups_series_id_fkey FOREIGN KEY (series_id) REFERENCES taskmaster.metric_series(series_id) ON DELETE CASCADE;


--
-- Name: task_budgets task_budgets_task_id_fkey; Type: FK CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.task_budgets
    ADD CONSTRAINT task_budgets_task_id_fkey FOREIGN KEY (task_id) REFERENCES taskmaster.tasks(id) ON DELETE CASCADE;


--
-- Name: task_contexts task_contexts_task_id_fkey; Type: FK CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.task_contexts
    ADD CONSTRAINT task_contexts_task_id_fkey FOREIGN KEY (task_id) REFERENCES taskmaster.tasks(id) ON DELETE CASCADE;


--
-- Name: task_dependencies task_dependencies_depends_on_fkey; Type: FK CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.task_dependencies
    ADD CONSTRAINT task_dependencies_depends_on_fkey FOREIGN KEY (depends_on) REFERENCES taskmaster.tasks(id) ON DELETE CASCADE;


--
-- Name: task_dependencies task_dependencies_task_id_fkey; Type: FK CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.task_dependencies
    ADD CONSTRAINT task_dependencies_task_id_fkey FOREIGN KEY (task_id) REFERENCES taskmaster.tasks(id) ON DELETE CASCADE;


--
-- Name: task_gates task_gates_task_id_fkey; Type: FK CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.task_gates
    ADD CONSTRAINT task_gates_task_id_fkey FOREIGN KEY (task_id) REFERENCES taskmaster.tasks(id) ON DELETE CASCADE;


--
-- Name: tasks tasks_parent_task_id_fkey; Type: FK CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.tasks
    ADD CONSTRAINT tasks_parent_task_id_fkey FOREIGN KEY (parent_task_id) REFERENCES taskmaster.tasks(id);


--
-- Name: workflow_steps workflow_steps_workflow_id_fkey; Type: FK CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.workflow_steps
    ADD CONSTRAINT workflow_steps_workflow_id_fkey FOREIGN KEY (workflow_id) REFERENCES taskmaster.workflows(id) ON DELETE CASCADE;


--
-- Name: workflows workflows_task_id_fkey; Type: FK CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.workflows
    ADD CONSTRAINT workflows_task_id_fkey FOREIGN KEY (task_id) REFERENCES taskmaster.tasks(id) ON DELETE CASCADE;


--
-- PostgreSQL database dump complete
--


