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
-- Name: apply_audit_retention(); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.apply_audit_retention() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    ttl interval;
BEGIN
    IF to_regclass('taskmaster.retention_policies') IS NULL THEN
        RETURN 0;
    END IF;
    EXECUTE 'SELECT keep FROM taskmaster.retention_policies WHERE data_set = ''audit_log.sealed''' INTO ttl;
    RETURN (
        SELECT count(*) FROM taskmaster.drop_audit_months(clock_timestamp() - ttl, false) WHERE action = 'dropped');
END
$$;


--
-- Name: FUNCTION apply_audit_retention(); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.apply_audit_retention() IS 'Drops sealed months of the audit that are older than its retention; returns how many';


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
-- Name: audit_event(text, text, jsonb); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.audit_event(p_table text, p_operation text, p_changes jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    who CONSTANT jsonb := nullif(current_setting('taskmaster_identity', true), '');
BEGIN
    PERFORM pg_current_xact_id();
    INSERT INTO taskmaster.audit_log (
        table_name, operation, changes, tenant_id, actor, application_name, client_addr, client_port)
    VALUES (
        p_table, p_operation, p_changes, coalesce(who ->> 'tenant', ''), coalesce(who ->> 'actor', session_user),
        current_setting('application_name'), (who ->> 'client_addr')::inet, (who ->> 'client_port')::integer);
END
$$;


--
-- Name: FUNCTION audit_event(p_table text, p_operation text, p_changes jsonb); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.audit_event(p_table text, p_operation text, p_changes jsonb) IS 'Logs what is not the change of a row; with the rights of the caller, who must own the log';


--
-- Name: audit_row(); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.audit_row() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    key_columns CONSTANT text[] := TG_ARGV[1];
    ignored CONSTANT text[] := TG_ARGV[2];
    who CONSTANT jsonb := nullif(current_setting('taskmaster_identity', true), '');
    present jsonb;
    former jsonb;
    difference jsonb;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        present := to_jsonb(NEW);
        former := to_jsonb(OLD);
        difference := (
            SELECT jsonb_object_agg(key, jsonb_build_array(former -> key, value)) FROM jsonb_each(present)
             WHERE value IS DISTINCT FROM former -> key AND key <> ALL (ignored));
        IF difference IS NULL THEN
            RETURN NULL;
        END IF;
    ELSIF TG_OP = 'INSERT' THEN
        present := to_jsonb(NEW);
        difference := (
            SELECT jsonb_object_agg(key, jsonb_build_array(NULL, value)) FROM jsonb_each(present)
             WHERE value <> 'null' AND key <> ALL (ignored));
    ELSE
        present := to_jsonb(OLD);
        difference := (
            SELECT jsonb_object_agg(key, jsonb_build_array(value, NULL)) FROM jsonb_each(present)
             WHERE value <> 'null' AND key <> ALL (ignored));
    END IF;
    INSERT INTO taskmaster.audit_log (
        table_name, operation, row_key, changes, tenant_id, actor, application_name, client_addr, client_port)
    VALUES (
        TG_ARGV[0], TG_OP,
        CASE cardinality(key_columns)
            WHEN 1 THEN present ->> key_columns[1]
            ELSE (SELECT jsonb_agg(present -> name ORDER BY place)
                    FROM unnest(key_columns) WITH ORDINALITY AS key (name, place))::text
        END,
        coalesce(difference, '{}'),
        coalesce(present ->> 'tenant_id', who ->> 'tenant', ''),
        coalesce(who ->> 'actor', session_user),
        current_setting('application_name'),
        (who ->> 'client_addr')::inet,
        (who ->> 'client_port')::integer);
    RETURN NULL;
END
$$;


--
-- Name: FUNCTION audit_row(); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.audit_row() IS 'Logs the change of a row; enable_audit() puts it on a table';


--
-- Name: audit_truncate(); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.audit_truncate() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM taskmaster.audit_event(TG_ARGV[0], 'TRUNCATE', '{}');
    RETURN NULL;
END
$$;


--
-- Name: FUNCTION audit_truncate(); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.audit_truncate() IS 'Logs that a table was emptied; enable_audit() puts it on a table';


--
-- Name: check_subject(text); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.check_subject(p_subject text) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF p_subject IS NULL THEN
        RAISE EXCEPTION 'p_subject must not be null'
            USING ERRCODE = 'null_value_not_allowed', DETAIL = '{"argument": "p_subject"}',
                  HINT = 'Pass a value for p_subject.';
    END IF;
    IF length(btrim(p_subject)) < 3 OR length(p_subject) > 255 OR p_subject LIKE 'erased-%' THEN
        RAISE EXCEPTION 'p_subject is not the name of a person'
            USING ERRCODE = 'invalid_parameter_value', DETAIL = '{"argument": "p_subject"}',
                  HINT = 'Pass the identifier that assignments and logs use, of 3 to 255 characters.';
    END IF;
    IF taskmaster.current_tenant() IS NOT NULL THEN
        RAISE EXCEPTION 'a person''s data is looked for in all tenants, and this session acts for one'
            USING ERRCODE = 'insufficient_privilege', DETAIL = '{}', HINT = 'Act without a tenant.';
    END IF;
    RETURN '(?<![[:alnum:]])' || regexp_replace(p_subject, '([^[:alnum:][:space:]])', '\\\1', 'g') || '(?![[:alnum:]])';
END
$$;


--
-- Name: FUNCTION check_subject(p_subject text); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.check_subject(p_subject text) IS 'Refuses what is no subject; else the subject as a regular expression';


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
    RETURN COALESCE(((NULLIF(current_setting('taskmaster_identity'::text, true), ''::text))::jsonb ->> 'actor'::text), (SESSION_USER)::text);


--
-- Name: FUNCTION current_actor(); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.current_actor() IS 'Who acts: the client as the proxy has verified it, or else the name that the session logged in with';


--
-- Name: current_tenant(); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.current_tenant() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN ((NULLIF(current_setting('taskmaster_identity'::text, true), ''::text))::jsonb ->> 'tenant'::text);


--
-- Name: FUNCTION current_tenant(); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.current_tenant() IS 'The tenant of the client as the proxy has verified it; NULL when there is none';


--
-- Name: delete_before(name, timestamp with time zone); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.delete_before(p_table name, p_before timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql STRICT SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $_$
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
-- Name: disable_audit(regclass); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.disable_audit(p_table regclass) RETURNS boolean
    LANGUAGE plpgsql STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    member regclass;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = p_table AND tgname = 'audit_row') THEN
        RETURN false;
    END IF;
    PERFORM taskmaster.audit_event((SELECT relname FROM pg_class WHERE oid = p_table), 'DISABLE AUDIT', '{}');
    EXECUTE format('DROP TRIGGER audit_row ON %s', p_table);
    FOR member IN SELECT * FROM taskmaster.partition_family(p_table) LOOP
        EXECUTE format('DROP TRIGGER IF EXISTS audit_truncate ON %s', member);
    END LOOP;
    RETURN true;
END
$$;


--
-- Name: FUNCTION disable_audit(p_table regclass); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.disable_audit(p_table regclass) IS 'Stops logging changes of a table''s rows, and logs that; for its owner';


--
-- Name: drop_audit_months(timestamp with time zone, boolean); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.drop_audit_months(p_before timestamp with time zone, p_dry_run boolean DEFAULT true) RETURNS TABLE(partition text, action text, rows bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET lock_timeout TO '2s'
    AS $_$
DECLARE
    began date;
    sealed record;
    is_held CONSTANT boolean := EXISTS (SELECT FROM taskmaster.legal_holds WHERE until > clock_timestamp());
BEGIN
    FOR partition, began IN
        SELECT c.relname, substring(c.relname FROM 12)::date FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'taskmaster.audit_log'::regclass AND c.relname ~ '^audit_log_p[0-9]{8}$'
           AND substring(c.relname FROM 12)::date + interval '1 month' <= p_before
         ORDER BY 2
    LOOP
        IF NOT coalesce(p_dry_run, true) THEN
            EXECUTE format('LOCK TABLE taskmaster.%I IN ACCESS EXCLUSIVE MODE', partition);
        END IF;
        EXECUTE format('SELECT count(*) FROM taskmaster.%I', partition) INTO rows;
        SELECT * INTO sealed FROM taskmaster.audit_seals s WHERE s.kind = 'month' AND s.month = began;
        action := CASE
            WHEN is_held THEN 'kept: a legal hold'
            WHEN rows > 0 AND (sealed IS NULL OR sealed.row_count <> rows) THEN 'kept: not sealed'
            WHEN coalesce(p_dry_run, true) THEN 'would be dropped'
            ELSE 'dropped'
        END;
        IF action = 'dropped' THEN
            EXECUTE format('DROP TABLE taskmaster.%I', partition);
            UPDATE taskmaster.audit_seals s SET dropped_at = clock_timestamp() WHERE s.seal_no = sealed.seal_no;
            PERFORM taskmaster.audit_event(
                partition, 'DROP', jsonb_build_object('rows', rows, 'seal_no', sealed.seal_no));
        END IF;
        RETURN NEXT;
    END LOOP;
END
$_$;


--
-- Name: FUNCTION drop_audit_months(p_before timestamp with time zone, p_dry_run boolean); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.drop_audit_months(p_before timestamp with time zone, p_dry_run boolean) IS 'Drops sealed months of the audit, keeping their seals; a dry run only says which';


--
-- Name: drop_partition(name, name); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.drop_partition(p_table name, p_partition name) RETURNS boolean
    LANGUAGE plpgsql STRICT SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '500ms'
    AS $_$
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
$_$;


--
-- Name: FUNCTION drop_partition(p_table name, p_partition name); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.drop_partition(p_table name, p_partition name) IS 'Drops a partition that make_partition made; gives up with 55P03 when the table stays in use';


--
-- Name: enable_audit(regclass, text, text[]); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.enable_audit(p_table regclass, p_what text DEFAULT 'all'::text, p_ignored text[] DEFAULT '{}'::text[]) RETURNS void
    LANGUAGE plpgsql STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    named text;
    events text;
    key_columns text[];
    ignored text[];
    member regclass;
BEGIN
    SELECT relname INTO STRICT named FROM pg_class WHERE oid = p_table;
    events := CASE p_what WHEN 'all' THEN 'INSERT OR UPDATE OR DELETE' WHEN 'changes' THEN 'UPDATE OR DELETE' END;
    IF events IS NULL THEN
        RAISE EXCEPTION '"%" is not a value of p_what', p_what
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Known values: all, changes.';
    END IF;
    IF p_table = ANY (ARRAY['taskmaster.audit_log', 'taskmaster.audit_seals']::regclass[]) THEN
        RAISE EXCEPTION 'the audit is not audited' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Its seals show whether it was changed: see verify_audit().';
    END IF;
    key_columns := ARRAY(
        SELECT a.attname FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS key (number, place)
          JOIN pg_attribute a ON a.attnum = key.number
         WHERE i.indrelid = p_table AND i.indisprimary AND a.attrelid = p_table ORDER BY key.place);
    ignored := ARRAY(
        SELECT attname FROM pg_attribute
         WHERE attrelid = p_table AND attnum > 0 AND NOT attisdropped AND (attgenerated <> '' OR attname = ANY (p_ignored))
         ORDER BY attname);
    PERFORM taskmaster.disable_audit(p_table);
    EXECUTE format(
        'CREATE TRIGGER audit_row AFTER %s ON %s FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row(%L, %L, %L)',
        events, p_table, named, key_columns, ignored);
    FOR member IN SELECT * FROM taskmaster.partition_family(p_table) LOOP
        EXECUTE format(
            'CREATE TRIGGER audit_truncate AFTER TRUNCATE ON %s EXECUTE FUNCTION taskmaster.audit_truncate(%L)',
            member, (SELECT relname FROM pg_class WHERE oid = member));
    END LOOP;
    PERFORM taskmaster.audit_event(named, 'ENABLE AUDIT', jsonb_build_object('what', p_what));
END
$$;


--
-- Name: FUNCTION enable_audit(p_table regclass, p_what text, p_ignored text[]); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.enable_audit(p_table regclass, p_what text, p_ignored text[]) IS 'Logs changes of a table''s rows; for its owner';


--
-- Name: ensure_audit_partitions(integer); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.ensure_audit_partitions(p_ahead integer DEFAULT 2) RETURNS integer
    LANGUAGE plpgsql STRICT SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    present timestamp := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC');
    made integer := 0;
BEGIN
    IF p_ahead NOT BETWEEN 0 AND 120 THEN
        RAISE EXCEPTION 'p_ahead must be between 0 and 120, not %', p_ahead
            USING ERRCODE = 'invalid_parameter_value', HINT = 'It counts months.';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('taskmaster.ensure_partitions', 0));
    FOR step IN 0 .. p_ahead LOOP
        made := made + taskmaster.make_partition(
            'audit_log', (present + step * interval '1 month')::date,
            (present + (step + 1) * interval '1 month')::date)::integer;
    END LOOP;
    RETURN made;
END
$$;


--
-- Name: FUNCTION ensure_audit_partitions(p_ahead integer); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.ensure_audit_partitions(p_ahead integer) IS 'Makes the monthly partitions of the audit from the present to p_ahead after it; returns how many were missing';


--
-- Name: ensure_partitions(integer); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.ensure_partitions(p_ahead integer DEFAULT 7) RETURNS integer
    LANGUAGE plpgsql STRICT SECURITY DEFINER
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
-- Name: erase_subject(text, text, text, boolean); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.erase_subject(p_subject text, p_mode text DEFAULT 'pseudonymize'::text, p_reason text DEFAULT NULL::text, p_dry_run boolean DEFAULT true) RETURNS TABLE(table_name text, column_name text, rows bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
DECLARE
    pattern CONSTANT text := taskmaster.check_subject(p_subject);
    quoted CONSTANT text := to_json(p_subject)::text;
    request CONSTANT uuid := gen_random_uuid();
    pseudonym CONSTANT text := 'erased-' || "left"(replace(request::text, '-', ''), 16);
    is_dry CONSTANT boolean := coalesce(p_dry_run, true);
    counts jsonb := '{}';
    source record;
BEGIN
    IF p_mode IS NULL OR p_mode NOT IN ('pseudonymize', 'delete') THEN
        RAISE EXCEPTION '"%" is not a value of p_mode', p_mode
            USING ERRCODE = 'invalid_parameter_value', DETAIL = '{"argument": "p_mode"}',
                  HINT = 'Known values: pseudonymize, delete.';
    END IF;
    IF NOT is_dry AND (coalesce(btrim(p_reason), '') = '' OR p_reason ~ pattern) THEN
        RAISE EXCEPTION 'p_reason must say why, without naming the subject'
            USING ERRCODE = 'invalid_parameter_value', DETAIL = '{"argument": "p_reason"}',
                  HINT = 'The reason stays in the receipt.';
    END IF;
    IF EXISTS (SELECT FROM taskmaster.legal_holds h WHERE h.subject = p_subject AND h.until > clock_timestamp()) THEN
        RAISE EXCEPTION 'the subject is under a legal hold'
            USING ERRCODE = 'insufficient_privilege', DETAIL = '{}',
                  HINT = 'See taskmaster.legal_holds; set_legal_hold() with a time that has passed ends a hold.';
    END IF;
    IF to_regprocedure('taskmaster.redact_audit(text,text,uuid,text[],boolean)') IS NULL THEN
        RAISE EXCEPTION 'the extension taskmaster is missing, without which the audit cannot be erased'
            USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = '{}',
                  HINT = 'Run CREATE EXTENSION taskmaster SCHEMA taskmaster.';
    END IF;
    FOR source IN SELECT * FROM taskmaster.personal_data ORDER BY 1, 2 LOOP
        IF is_dry THEN
            EXECUTE format(
                'SELECT count(*) FROM taskmaster.%I WHERE %s', source.table_name, source.condition)
                INTO rows USING p_subject, pseudonym, quoted, pattern;
        ELSE
            EXECUTE CASE
                WHEN p_mode = 'delete' AND source.on_delete = 'row' THEN format(
                    'DELETE FROM taskmaster.%I WHERE %s', source.table_name, source.condition)
                WHEN p_mode = 'delete' AND source.kind = 'identifier' AND source.on_delete = 'clear'
                     AND NOT source.attnotnull THEN format(
                    'UPDATE taskmaster.%I SET %I = NULL WHERE %s',
                    source.table_name, source.column_name, source.condition)
                ELSE format(
                    'UPDATE taskmaster.%I SET %I = %s WHERE %s',
                    source.table_name, source.column_name, source.replacement, source.condition)
            END USING p_subject, pseudonym, quoted, pattern;
            GET DIAGNOSTICS rows = ROW_COUNT;
        END IF;
        CONTINUE WHEN rows = 0;
        counts := counts || jsonb_build_object(source.table_name || '.' || source.column_name, rows);
        table_name := source.table_name;
        column_name := source.column_name;
        RETURN NEXT;
    END LOOP;
    IF NOT is_dry THEN
        INSERT INTO taskmaster.erasure_requests (id, mode, reason, counts) VALUES (request, p_mode, p_reason, counts);
    END IF;
    EXECUTE 'SELECT taskmaster.redact_audit($1, $2, $3, $4, $5)' INTO rows
      USING p_subject, pseudonym, request,
            ARRAY(SELECT d.table_name || '.' || d.column_name FROM taskmaster.personal_data d WHERE d.kind = 'text'),
            is_dry;
    IF rows > 0 THEN
        table_name := 'audit_log';
        column_name := 'changes';
        RETURN NEXT;
    END IF;
    IF NOT is_dry THEN
        UPDATE taskmaster.erasure_requests r SET counts = r.counts || jsonb_build_object('audit_log', rows)
         WHERE r.id = request;
    END IF;
END
$_$;


--
-- Name: FUNCTION erase_subject(p_subject text, p_mode text, p_reason text, p_dry_run boolean); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.erase_subject(p_subject text, p_mode text, p_reason text, p_dry_run boolean) IS 'Erases a person from all tables and the audit; a dry run only counts';


--
-- Name: export_subject(text); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.export_subject(p_subject text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    rows_max CONSTANT integer := 10000;
    pattern CONSTANT text := taskmaster.check_subject(p_subject);
    quoted CONSTANT text := to_json(p_subject)::text;
    source record;
    found jsonb;
    tables jsonb := '{}';
    truncated jsonb := '[]';
BEGIN
    FOR source IN
        SELECT table_name, string_agg(condition, ' OR ' ORDER BY column_name) AS condition
          FROM taskmaster.personal_data GROUP BY table_name
        UNION ALL
        SELECT 'audit_log', 'login = $1 OR actor = $1 OR strpos(changes::text, $3) > 0 OR changes::text ~ $4'
         ORDER BY table_name
    LOOP
        EXECUTE format(
            'SELECT jsonb_agg(row) FROM (
                 SELECT to_jsonb(t) - ''salt'' - ''kept'' AS row FROM taskmaster.%I t WHERE (%s) LIMIT %s) AS r',
            source.table_name, source.condition, rows_max + 1)
            INTO found USING p_subject, NULL::text, quoted, pattern;
        CONTINUE WHEN found IS NULL;
        IF jsonb_array_length(found) > rows_max THEN
            found := found - rows_max;
            truncated := truncated || to_jsonb(source.table_name);
        END IF;
        tables := tables || jsonb_build_object(source.table_name, found);
    END LOOP;
    RETURN jsonb_build_object(
        'subject', p_subject, 'exported_at', clock_timestamp(), 'tables', tables, 'truncated', truncated);
END
$_$;


--
-- Name: FUNCTION export_subject(p_subject text); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.export_subject(p_subject text) IS 'All rows that name a person, by table';


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
-- Name: follow_parent(regclass, name, regclass); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.follow_parent(p_table regclass, p_column name, p_parent regclass) RETURNS void
    LANGUAGE plpgsql STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
    EXECUTE format(
        'ALTER POLICY tenant_rows ON %1$s USING (
             tenant_id = (SELECT coalesce(taskmaster.current_tenant(), ''''))
             OR tenant_id = '''' AND EXISTS (SELECT FROM %2$s AS parent WHERE parent.id = %1$s.%3$I))',
        p_table, p_parent, p_column);
END
$_$;


--
-- Name: FUNCTION follow_parent(p_table regclass, p_column name, p_parent regclass); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.follow_parent(p_table regclass, p_column name, p_parent regclass) IS 'Shows rows that operators made to those who see the row they belong to';


--
-- Name: grant_functions(); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.grant_functions() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    routine record;
    changed integer := 0;
BEGIN
    FOR routine IN
        WITH roles AS (
            SELECT oid, rolname FROM pg_roles
             WHERE rolname IN ('taskmaster_owner', 'taskmaster_admin', 'taskmaster_agent', 'taskmaster_integration',
                               'taskmaster_readonly', 'taskmaster_auditor')
            UNION ALL SELECT 0, 'public'
        ), wanted AS (
            SELECT p.oid, r.oid AS role
              FROM pg_proc p
              LEFT JOIN taskmaster.function_access a ON a.function_name = p.proname
              JOIN roles r ON r.oid NOT IN (0, p.proowner) AND CASE
                  WHEN r.rolname = 'taskmaster_owner' THEN true
                  WHEN p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype) THEN false
                  WHEN a.roles IS NOT NULL THEN r.rolname = ANY (a.roles)
                  WHEN p.provolatile = 'v' THEN r.rolname = 'taskmaster_admin'
                  ELSE true
              END
        ), present AS (
            SELECT p.oid, granted.grantee AS role
              FROM pg_proc p,
                   aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS granted
             WHERE granted.grantee IN (SELECT oid FROM roles) AND granted.grantee <> p.proowner
        ), differing AS (
            SELECT oid, role, false AS is_granted FROM (TABLE present EXCEPT TABLE wanted) AS surplus
            UNION ALL
            SELECT oid, role, true FROM (TABLE wanted EXCEPT TABLE present) AS missing
        )
        SELECT p.oid::regprocedure AS signature,
               string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname) FILTER (WHERE d.is_granted) AS missing,
               string_agg(CASE r.oid WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END, ', ' ORDER BY r.rolname)
                   FILTER (WHERE NOT d.is_granted) AS surplus
          FROM differing d
          JOIN pg_proc p ON p.oid = d.oid
          JOIN roles r ON r.oid = d.role
         WHERE p.pronamespace = 'taskmaster'::regnamespace
           AND NOT EXISTS (
                SELECT FROM pg_depend e JOIN pg_extension x ON x.oid = e.refobjid
                 WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e'
                   AND e.refclassid = 'pg_extension'::regclass AND x.extname <> 'taskmaster')
         GROUP BY p.oid
         ORDER BY p.oid::regprocedure::text
    LOOP
        IF routine.surplus IS NOT NULL THEN
            EXECUTE format('REVOKE ALL ON ROUTINE %s FROM %s', routine.signature, routine.surplus);
        END IF;
        IF routine.missing IS NOT NULL THEN
            EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %s', routine.signature, routine.missing);
        END IF;
        changed := changed + 1;
    END LOOP;
    RETURN changed;
END
$$;


--
-- Name: FUNCTION grant_functions(); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.grant_functions() IS 'Brings EXECUTE on the functions of schema taskmaster in line with function_access; returns how many it changed';


--
-- Name: grant_sequences(regclass, text); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.grant_sequences(p_table regclass, p_roles text) RETURNS void
    LANGUAGE plpgsql STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    sequence regclass;
BEGIN
    FOR sequence IN
        SELECT d.objid FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
         WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = p_table
           AND d.deptype = 'a' AND c.relkind = 'S'
    LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %s', sequence, p_roles);
    END LOOP;
END
$$;


--
-- Name: FUNCTION grant_sequences(p_table regclass, p_roles text); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.grant_sequences(p_table regclass, p_roles text) IS 'Grants the sequences of a table''s columns to roles that insert; protect_table() uses it';


--
-- Name: hide_from_tenants(regclass); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.hide_from_tenants(p_table regclass) RETURNS void
    LANGUAGE plpgsql STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
    EXECUTE format('ALTER TABLE %1$s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', p_table);
    EXECUTE format('DROP POLICY IF EXISTS no_tenants_rows ON %s', p_table);
    EXECUTE format(
        'CREATE POLICY no_tenants_rows ON %s USING ((SELECT taskmaster.current_tenant()) IS NULL)', p_table);
    EXECUTE format('DROP POLICY IF EXISTS owners_rows ON %s', p_table);
    EXECUTE format('CREATE POLICY owners_rows ON %s TO taskmaster_owner USING (true)', p_table);
END
$_$;


--
-- Name: FUNCTION hide_from_tenants(p_table regclass); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.hide_from_tenants(p_table regclass) IS 'Shows a table''s rows only to those who act for no tenant; after protect_table() with shared rows';


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
    LANGUAGE plpgsql STRICT SECURITY DEFINER
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
-- Name: on_new_functions(); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.on_new_functions() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_event_trigger_ddl_commands()
         WHERE schema_name = 'taskmaster'
            OR classid = 'pg_extension'::regclass AND object_identity = 'taskmaster')
    THEN
        PERFORM taskmaster.grant_functions();
    END IF;
END
$$;


--
-- Name: FUNCTION on_new_functions(); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.on_new_functions() IS 'Keeps PUBLIC out of functions that are new in schema taskmaster';


--
-- Name: partition_family(regclass); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.partition_family(p_table regclass) RETURNS SETOF regclass
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    BEGIN ATOMIC
 SELECT partition_family.p_table AS p_table
 UNION
  SELECT pg_partition_tree.relid
    FROM pg_partition_tree(partition_family.p_table) pg_partition_tree(relid, parentrelid, isleaf, level);
END;


--
-- Name: FUNCTION partition_family(p_table regclass); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.partition_family(p_table regclass) IS 'A table and its partitions';


--
-- Name: protect_table(regclass, text, text, text, text, text[], text, text); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.protect_table(p_table regclass, p_agent text DEFAULT 'SELECT, INSERT, UPDATE'::text, p_integration text DEFAULT 'SELECT'::text, p_rows text DEFAULT 'tenant'::text, p_audit text DEFAULT 'all'::text, p_unaudited text[] DEFAULT '{}'::text[], p_admin text DEFAULT 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE'::text, p_readers text DEFAULT 'SELECT'::text) RETURNS void
    LANGUAGE plpgsql STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    member regclass;
    granted record;
BEGIN
    IF p_rows NOT IN ('tenant', 'shared') OR p_audit NOT IN ('all', 'changes', 'none') THEN
        RAISE EXCEPTION 'p_rows "%" or p_audit "%" is not a known word', p_rows, p_audit
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'p_rows is tenant or shared, p_audit all, changes or none.';
    END IF;
    FOR member IN SELECT * FROM taskmaster.partition_family(p_table) LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO taskmaster_owner', member);
        EXECUTE format(
            'REVOKE ALL ON %s FROM PUBLIC, taskmaster_admin, taskmaster_agent, taskmaster_integration,
                 taskmaster_readonly, taskmaster_auditor', member);
    END LOOP;
    FOR granted IN
        SELECT * FROM (VALUES
            ('taskmaster_admin', p_admin), ('taskmaster_agent', p_agent), ('taskmaster_integration', p_integration),
            ('taskmaster_readonly, taskmaster_auditor', p_readers)
        ) AS wanted (roles, privileges)
         WHERE privileges <> ''
    LOOP
        EXECUTE format('GRANT %s ON %s TO %s', granted.privileges, p_table, granted.roles);
        IF granted.privileges ~* '\minsert\M' THEN
            PERFORM taskmaster.grant_sequences(p_table, granted.roles);
        END IF;
    END LOOP;
    IF p_rows = 'tenant' THEN
        PERFORM taskmaster.separate_tenants(p_table);
    END IF;
    IF p_audit = 'none' THEN
        PERFORM taskmaster.disable_audit(p_table);
    ELSE
        PERFORM taskmaster.enable_audit(p_table, p_audit, p_unaudited);
    END IF;
END
$$;


--
-- Name: FUNCTION protect_table(p_table regclass, p_agent text, p_integration text, p_rows text, p_audit text, p_unaudited text[], p_admin text, p_readers text); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.protect_table(p_table regclass, p_agent text, p_integration text, p_rows text, p_audit text, p_unaudited text[], p_admin text, p_readers text) IS 'Brings a table under ownership, grants, row-level security and audit in one call; for its owner';


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
-- Name: rows_in_default(name); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.rows_in_default(p_partition name) RETURNS bigint
    LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    counted bigint;
BEGIN
    IF EXISTS (SELECT FROM taskmaster.partition_bounds WHERE partition = p_partition AND is_default) THEN
        EXECUTE format(
            'SELECT count(*) FROM (SELECT FROM ONLY taskmaster.%I LIMIT 100000) AS counted', p_partition) INTO counted;
    END IF;
    RETURN counted;
END
$$;


--
-- Name: FUNCTION rows_in_default(p_partition name); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.rows_in_default(p_partition name) IS 'How many rows a default partition holds, up to 100,000; NULL for what is none';


--
-- Name: separate_tenants(regclass); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.separate_tenants(p_table regclass) RETURNS void
    LANGUAGE plpgsql STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
    -- A constant first: no row is written for it.
    EXECUTE format('ALTER TABLE %s ADD COLUMN IF NOT EXISTS tenant_id text NOT NULL DEFAULT ''''', p_table);
    EXECUTE format(
        'ALTER TABLE %s ALTER COLUMN tenant_id SET DEFAULT coalesce(taskmaster.current_tenant(), '''')', p_table);
    IF NOT (SELECT attnotnull FROM pg_attribute WHERE attrelid = p_table AND attname = 'tenant_id') THEN
        EXECUTE format('UPDATE %s SET tenant_id = '''' WHERE tenant_id IS NULL', p_table);
        EXECUTE format('ALTER TABLE %s ALTER COLUMN tenant_id SET NOT NULL', p_table);
    END IF;
    EXECUTE format('ALTER TABLE %1$s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', p_table);
    EXECUTE format('DROP POLICY IF EXISTS tenant_rows ON %s', p_table);
    EXECUTE format(
        'CREATE POLICY tenant_rows ON %s
             USING (tenant_id = (SELECT coalesce(taskmaster.current_tenant(), '''')))', p_table);
    EXECUTE format('DROP POLICY IF EXISTS all_rows ON %s', p_table);
    EXECUTE format(
        'CREATE POLICY all_rows ON %s TO taskmaster_admin, taskmaster_auditor
             USING ((SELECT taskmaster.current_tenant()) IS NULL)', p_table);
    EXECUTE format('DROP POLICY IF EXISTS owners_rows ON %s', p_table);
    EXECUTE format('CREATE POLICY owners_rows ON %s TO taskmaster_owner USING (true)', p_table);
END
$_$;


--
-- Name: FUNCTION separate_tenants(p_table regclass); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.separate_tenants(p_table regclass) IS 'Adds tenant_id and the policies that go by it; protect_table() uses it';


--
-- Name: set_legal_hold(text, timestamp with time zone, text); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.set_legal_hold(p_subject text, p_until timestamp with time zone, p_reason text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    hold uuid;
BEGIN
    PERFORM taskmaster.check_subject(p_subject);
    IF p_until IS NULL OR coalesce(btrim(p_reason), '') = '' THEN
        RAISE EXCEPTION 'a legal hold has an end and a reason'
            USING ERRCODE = 'null_value_not_allowed', DETAIL = '{}', HINT = 'Pass p_until and p_reason.';
    END IF;
    INSERT INTO taskmaster.legal_holds AS h (subject, until, reason) VALUES (p_subject, p_until, p_reason)
    ON CONFLICT (subject) DO UPDATE SET until = excluded.until, reason = excluded.reason, updated_at = now()
    RETURNING h.id INTO hold;
    RETURN hold;
END
$$;


--
-- Name: FUNCTION set_legal_hold(p_subject text, p_until timestamp with time zone, p_reason text); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.set_legal_hold(p_subject text, p_until timestamp with time zone, p_reason text) IS 'Keeps a person''s data from being erased until a time';


--
-- Name: set_retention(regclass, interval, text); Type: FUNCTION; Schema: taskmaster; Owner: -
--

CREATE FUNCTION taskmaster.set_retention(p_table regclass, p_ttl interval, p_mode text DEFAULT 'drop'::text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    data_set CONSTANT text := (
        SELECT CASE relname WHEN 'audit_log' THEN 'audit_log.sealed' ELSE relname END
          FROM pg_class WHERE oid = p_table AND relnamespace = 'taskmaster'::regnamespace AND relkind = 'p');
BEGIN
    IF to_regclass('taskmaster.retention_policies') IS NULL THEN
        RAISE EXCEPTION 'table taskmaster.retention_policies does not exist'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = '{"schema": "taskmaster", "table": "retention_policies"}',
                  HINT = 'run `taskmaster migrate up`';
    END IF;
    IF data_set IS NULL OR p_mode IS NULL OR p_mode NOT IN ('drop', 'keep') OR p_mode = 'drop' AND p_ttl IS NULL THEN
        RAISE EXCEPTION 'no retention of %, % for %', p_ttl, p_mode, p_table
            USING ERRCODE = 'invalid_parameter_value', DETAIL = '{}',
                  HINT = 'Pass a table of schema taskmaster that is partitioned by time, and drop with an interval, or keep.';
    END IF;
    IF p_mode = 'keep' THEN
        EXECUTE 'DELETE FROM taskmaster.retention_policies WHERE data_set = $1' USING data_set;
    ELSE
        EXECUTE 'INSERT INTO taskmaster.retention_policies (data_set, keep) VALUES ($1, $2)
                 ON CONFLICT (data_set) DO UPDATE SET keep = excluded.keep, updated_at = now()'
          USING data_set, p_ttl;
    END IF;
END
$_$;


--
-- Name: FUNCTION set_retention(p_table regclass, p_ttl interval, p_mode text); Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON FUNCTION taskmaster.set_retention(p_table regclass, p_ttl interval, p_mode text) IS 'How long the rows of a table partitioned by time are kept';


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
    tenant_id text DEFAULT COALESCE(taskmaster.current_tenant(), ''::text) NOT NULL,
    CONSTRAINT api_access_logs_cost_usd_check CHECK ((cost_usd >= (0)::numeric)),
    CONSTRAINT api_access_logs_method_check CHECK (((method)::text = ANY ((ARRAY['GET'::character varying, 'HEAD'::character varying, 'POST'::character varying, 'PUT'::character varying, 'PATCH'::character varying, 'DELETE'::character varying, 'OPTIONS'::character varying, 'CONNECT'::character varying, 'TRACE'::character varying, 'OTHER'::character varying])::text[]))),
    CONSTRAINT api_access_logs_response_status_check CHECK (((response_status >= 0) AND (response_status <= 999))),
    CONSTRAINT api_access_logs_response_time_ms_check CHECK ((response_time_ms >= 0)),
    CONSTRAINT api_access_logs_retry_count_check CHECK ((retry_count >= 0)),
    CONSTRAINT api_access_logs_tokens_check CHECK (((tokens_in >= 0) AND (tokens_out >= 0)))
)
PARTITION BY RANGE ("timestamp");

ALTER TABLE ONLY taskmaster.api_access_logs FORCE ROW LEVEL SECURITY;


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
    tenant_id text DEFAULT COALESCE(taskmaster.current_tenant(), ''::text) NOT NULL,
    CONSTRAINT api_access_logs_cost_usd_check CHECK ((cost_usd >= (0)::numeric)),
    CONSTRAINT api_access_logs_method_check CHECK (((method)::text = ANY ((ARRAY['GET'::character varying, 'HEAD'::character varying, 'POST'::character varying, 'PUT'::character varying, 'PATCH'::character varying, 'DELETE'::character varying, 'OPTIONS'::character varying, 'CONNECT'::character varying, 'TRACE'::character varying, 'OTHER'::character varying])::text[]))),
    CONSTRAINT api_access_logs_response_status_check CHECK (((response_status >= 0) AND (response_status <= 999))),
    CONSTRAINT api_access_logs_response_time_ms_check CHECK ((response_time_ms >= 0)),
    CONSTRAINT api_access_logs_retry_count_check CHECK ((retry_count >= 0)),
    CONSTRAINT api_access_logs_tokens_check CHECK (((tokens_in >= 0) AND (tokens_out >= 0)))
);


--
-- Name: audit_log; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.audit_log (
    id bigint NOT NULL,
    occurred_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    transaction_id xid8 DEFAULT pg_current_xact_id() NOT NULL,
    table_name text NOT NULL,
    operation text NOT NULL,
    row_key text,
    changes jsonb DEFAULT '{}'::jsonb NOT NULL,
    tenant_id text DEFAULT ''::text NOT NULL,
    login text DEFAULT SESSION_USER,
    actor text,
    application_name text,
    peer_addr inet DEFAULT inet_client_addr(),
    peer_port integer DEFAULT inet_client_port(),
    client_addr inet,
    client_port integer,
    salt uuid DEFAULT gen_random_uuid(),
    kept jsonb,
    erased_by uuid,
    CONSTRAINT audit_log_operation_check CHECK ((operation = ANY (ARRAY['INSERT'::text, 'UPDATE'::text, 'DELETE'::text, 'TRUNCATE'::text, 'DROP'::text, 'ENABLE AUDIT'::text, 'DISABLE AUDIT'::text]))),
    CONSTRAINT audit_log_salt_check CHECK ((((salt IS NULL) = (kept IS NOT NULL)) AND ((salt IS NULL) = (erased_by IS NOT NULL))))
)
PARTITION BY RANGE (occurred_at);


--
-- Name: TABLE audit_log; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.audit_log IS 'Changes of rows, one partition per month in UTC; written by triggers alone';


--
-- Name: COLUMN audit_log.row_key; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.audit_log.row_key IS 'The primary key: its value, or the values as a JSON array';


--
-- Name: COLUMN audit_log.changes; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.audit_log.changes IS 'The changed columns: {"column": [before, after]}';


--
-- Name: COLUMN audit_log.login; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.audit_log.login IS 'The role that logged in (session_user)';


--
-- Name: COLUMN audit_log.actor; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.audit_log.actor IS 'The client as the proxy has verified it, or else the login';


--
-- Name: COLUMN audit_log.peer_addr; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.audit_log.peer_addr IS 'Who is connected to the server: the proxy, when there is one';


--
-- Name: COLUMN audit_log.client_addr; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.audit_log.client_addr IS 'Where the client is, as the proxy has verified it';


--
-- Name: COLUMN audit_log.salt; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.audit_log.salt IS 'Makes digests of the values unguessable; goes with the first erasure';


--
-- Name: COLUMN audit_log.kept; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.audit_log.kept IS 'After an erasure: the salts of the values that are left, and the digests of those that are gone';


--
-- Name: audit_log_default; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.audit_log_default (
    id bigint NOT NULL,
    occurred_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    transaction_id xid8 DEFAULT pg_current_xact_id() NOT NULL,
    table_name text NOT NULL,
    operation text NOT NULL,
    row_key text,
    changes jsonb DEFAULT '{}'::jsonb NOT NULL,
    tenant_id text DEFAULT ''::text NOT NULL,
    login text DEFAULT SESSION_USER,
    actor text,
    application_name text,
    peer_addr inet DEFAULT inet_client_addr(),
    peer_port integer DEFAULT inet_client_port(),
    client_addr inet,
    client_port integer,
    salt uuid DEFAULT gen_random_uuid(),
    kept jsonb,
    erased_by uuid,
    CONSTRAINT audit_log_operation_check CHECK ((operation = ANY (ARRAY['INSERT'::text, 'UPDATE'::text, 'DELETE'::text, 'TRUNCATE'::text, 'DROP'::text, 'ENABLE AUDIT'::text, 'DISABLE AUDIT'::text]))),
    CONSTRAINT audit_log_salt_check CHECK ((((salt IS NULL) = (kept IS NOT NULL)) AND ((salt IS NULL) = (erased_by IS NOT NULL))))
);


--
-- Name: audit_log_id_seq; Type: SEQUENCE; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.audit_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME taskmaster.audit_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: audit_seals; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.audit_seals (
    seal_no bigint NOT NULL,
    kind text NOT NULL,
    month date,
    first_id bigint NOT NULL,
    last_id bigint NOT NULL,
    row_count bigint NOT NULL,
    from_time timestamp with time zone NOT NULL,
    to_time timestamp with time zone NOT NULL,
    root bytea NOT NULL,
    leaves bytea,
    previous bytea NOT NULL,
    seal bytea NOT NULL,
    sealed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    dropped_at timestamp with time zone,
    CONSTRAINT audit_seals_kind_check CHECK (((kind = ANY (ARRAY['batch'::text, 'month'::text])) AND ((kind = 'month'::text) = (month IS NOT NULL)) AND ((kind = 'batch'::text) = (leaves IS NOT NULL)))),
    CONSTRAINT audit_seals_length_check CHECK (((octet_length(root) = 32) AND (octet_length(previous) = 32) AND (octet_length(seal) = 32))),
    CONSTRAINT audit_seals_range_check CHECK (((first_id <= last_id) AND (row_count > 0) AND (from_time <= to_time)))
);


--
-- Name: TABLE audit_seals; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.audit_seals IS 'Merkle roots of the audit, chained; leaves are 48 bytes a row: id, time, hash';


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
    tenant_id text DEFAULT COALESCE(taskmaster.current_tenant(), ''::text) NOT NULL,
    CONSTRAINT task_dependencies_dependency_type_check CHECK (((dependency_type)::text = ANY ((ARRAY['blocks'::character varying, 'related'::character varying])::text[]))),
    CONSTRAINT task_dependencies_satisfied_by_check CHECK (((satisfied_by <@ ARRAY['completed'::text, 'failed'::text, 'cancelled'::text]) AND (cardinality(satisfied_by) > 0))),
    CONSTRAINT task_dependencies_self_check CHECK ((task_id <> depends_on))
)
WITH (fillfactor='90');

ALTER TABLE ONLY taskmaster.task_dependencies FORCE ROW LEVEL SECURITY;


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
    tenant_id text DEFAULT COALESCE(taskmaster.current_tenant(), ''::text) NOT NULL,
    CONSTRAINT task_gates_due_at_check CHECK ((((gate_type)::text = 'timer'::text) = (due_at IS NOT NULL))),
    CONSTRAINT task_gates_gate_type_check CHECK (((gate_type)::text = ANY ((ARRAY['gh:pr'::character varying, 'gh:run'::character varying, 'timer'::character varying, 'human'::character varying, 'integration'::character varying])::text[])))
);

ALTER TABLE ONLY taskmaster.task_gates FORCE ROW LEVEL SECURITY;


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
    tenant_id text DEFAULT COALESCE(taskmaster.current_tenant(), ''::text) NOT NULL,
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

ALTER TABLE ONLY taskmaster.tasks FORCE ROW LEVEL SECURITY;


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
-- Name: erasure_requests; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.erasure_requests (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    mode text NOT NULL,
    reason text NOT NULL,
    erased_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    counts jsonb NOT NULL,
    CONSTRAINT erasure_requests_mode_check CHECK ((mode = ANY (ARRAY['pseudonymize'::text, 'delete'::text])))
);


--
-- Name: TABLE erasure_requests; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.erasure_requests IS 'Receipts of erasures: when, why and how many values, but not of whom';


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
    tenant_id text DEFAULT COALESCE(taskmaster.current_tenant(), ''::text) NOT NULL,
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

ALTER TABLE ONLY taskmaster.external_integrations FORCE ROW LEVEL SECURITY;


--
-- Name: TABLE external_integrations; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.external_integrations IS 'Services that are called, their health and rate limits';


--
-- Name: COLUMN external_integrations.rate_limit_requests; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.external_integrations.rate_limit_requests IS 'Requests in a window of rate_window_seconds; NULL means what rate_limit_per_minute comes to';


--
-- Name: function_access; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.function_access (
    function_name name NOT NULL,
    roles name[] NOT NULL,
    CONSTRAINT function_access_roles_check CHECK ((roles <@ ARRAY['taskmaster_admin'::name, 'taskmaster_agent'::name, 'taskmaster_integration'::name, 'taskmaster_readonly'::name, 'taskmaster_auditor'::name]))
);


--
-- Name: TABLE function_access; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.function_access IS 'Which roles may call a function; without a row, all if it only reads, else taskmaster_admin';


--
-- Name: idempotency_keys; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.idempotency_keys (
    scope character varying(300) NOT NULL,
    key character varying(255) NOT NULL,
    request_hash bytea NOT NULL,
    result_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone DEFAULT (clock_timestamp() + '7 days'::interval) NOT NULL,
    tenant_id text DEFAULT COALESCE(taskmaster.current_tenant(), ''::text) NOT NULL
);

ALTER TABLE ONLY taskmaster.idempotency_keys FORCE ROW LEVEL SECURITY;


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
    tenant_id text DEFAULT COALESCE(taskmaster.current_tenant(), ''::text) NOT NULL,
    CONSTRAINT integration_health_breaker_check CHECK (((breaker)::text = ANY ((ARRAY['closed'::character varying, 'open'::character varying, 'half_open'::character varying])::text[]))),
    CONSTRAINT integration_health_recent_check CHECK (((recent)::text ~ '^[01]*$'::text))
)
WITH (fillfactor='70');

ALTER TABLE ONLY taskmaster.integration_health FORCE ROW LEVEL SECURITY;


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
    tenant_id text DEFAULT COALESCE(taskmaster.current_tenant(), ''::text) NOT NULL,
    CONSTRAINT integration_health_history_response_time_ms_check CHECK ((response_time_ms >= 0))
);

ALTER TABLE ONLY taskmaster.integration_health_history FORCE ROW LEVEL SECURITY;


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
    remote jsonb DEFAULT '{}'::jsonb NOT NULL,
    tenant_id text DEFAULT COALESCE(taskmaster.current_tenant(), ''::text) NOT NULL
)
WITH (fillfactor='50');

ALTER TABLE ONLY taskmaster.integration_rate_state FORCE ROW LEVEL SECURITY;


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
-- Name: legal_holds; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.legal_holds (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    subject text NOT NULL,
    until timestamp with time zone NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT legal_holds_reason_check CHECK ((btrim(reason) <> ''::text))
);


--
-- Name: TABLE legal_holds; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.legal_holds IS 'Persons whose data must not be erased until a time';


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

ALTER TABLE ONLY taskmaster.metric_rollups FORCE ROW LEVEL SECURITY;


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

ALTER TABLE ONLY taskmaster.metric_series FORCE ROW LEVEL SECURITY;


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

CREATE VIEW taskmaster.partition_bounds WITH (security_invoker='true') AS
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
-- Name: personal_columns; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.personal_columns (
    table_name text NOT NULL,
    column_name text NOT NULL,
    kind text NOT NULL,
    on_delete text DEFAULT 'clear'::text NOT NULL,
    CONSTRAINT personal_columns_kind_check CHECK ((kind = ANY (ARRAY['identifier'::text, 'json'::text, 'text'::text]))),
    CONSTRAINT personal_columns_on_delete_check CHECK (((on_delete = ANY (ARRAY['clear'::text, 'pseudonym'::text])) OR ((on_delete = 'row'::text) AND (kind = 'identifier'::text))))
);


--
-- Name: TABLE personal_columns; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.personal_columns IS 'Columns that may name a person: as their whole value, as a string within JSON, or within text';


--
-- Name: COLUMN personal_columns.on_delete; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON COLUMN taskmaster.personal_columns.on_delete IS 'What deletion does: "clear" the value, put a "pseudonym", or delete the "row", which then is about nobody else';


--
-- Name: personal_data; Type: VIEW; Schema: taskmaster; Owner: -
--

CREATE VIEW taskmaster.personal_data AS
 SELECT p.table_name,
    p.column_name,
    p.kind,
    p.on_delete,
        CASE p.kind
            WHEN 'identifier'::text THEN format('%I::text = $1'::text, p.column_name)
            WHEN 'json'::text THEN format('strpos(%I::text, $3) > 0'::text, p.column_name)
            ELSE format('%I ~ $4'::text, p.column_name)
        END AS condition,
        CASE p.kind
            WHEN 'identifier'::text THEN '$2'::text
            WHEN 'json'::text THEN format('replace(%I::text, $3, to_json($2)::text)::%s'::text, p.column_name, (a.atttypid)::regtype)
            ELSE format('"left"(regexp_replace(%I, $4, $2, ''g''), %s)'::text, p.column_name,
            CASE
                WHEN (a.atttypmod > 4) THEN (a.atttypmod - 4)
                ELSE 2147483647
            END)
        END AS replacement,
    a.attnotnull
   FROM ((taskmaster.personal_columns p
     JOIN pg_class c ON (((c.relnamespace = ('taskmaster'::regnamespace)::oid) AND (c.relname = p.table_name) AND (c.relkind = ANY (ARRAY['r'::"char", 'p'::"char"])))))
     JOIN pg_attribute a ON (((a.attrelid = c.oid) AND (a.attname = p.column_name) AND (NOT a.attisdropped))));


--
-- Name: VIEW personal_data; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON VIEW taskmaster.personal_data IS 'The personal columns that there are, and the SQL that finds and replaces a subject';


--
-- Name: proxy_keys; Type: TABLE; Schema: taskmaster; Owner: -
--

CREATE TABLE taskmaster.proxy_keys (
    name text NOT NULL,
    stored_key bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT proxy_keys_name_check CHECK ((btrim(name) <> ''::text)),
    CONSTRAINT proxy_keys_stored_key_check CHECK ((octet_length(stored_key) = 32))
);


--
-- Name: TABLE proxy_keys; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.proxy_keys IS 'Proxies that may say who their clients are, with the SHA-256 of their keys';


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
    tenant_id text DEFAULT COALESCE(taskmaster.current_tenant(), ''::text) NOT NULL,
    CONSTRAINT system_metrics_metric_type_check CHECK (((metric_type)::text = ANY ((ARRAY['gauge'::character varying, 'counter'::character varying, 'histogram'::character varying, 'timer'::character varying])::text[])))
)
PARTITION BY RANGE (recorded_at);

ALTER TABLE ONLY taskmaster.system_metrics FORCE ROW LEVEL SECURITY;


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
    tenant_id text DEFAULT COALESCE(taskmaster.current_tenant(), ''::text) NOT NULL,
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
    tenant_id text DEFAULT COALESCE(taskmaster.current_tenant(), ''::text) NOT NULL,
    CONSTRAINT task_budgets_cost_usd_max_check CHECK ((cost_usd_max >= (0)::numeric)),
    CONSTRAINT task_budgets_tokens_max_check CHECK ((tokens_max >= 0)),
    CONSTRAINT task_budgets_used_check CHECK (((tokens_used >= 0) AND (cost_usd_used >= (0)::numeric))),
    CONSTRAINT task_budgets_warn_ratio_check CHECK (((warn_ratio > (0)::numeric) AND (warn_ratio <= (1)::numeric)))
)
WITH (fillfactor='70');

ALTER TABLE ONLY taskmaster.task_budgets FORCE ROW LEVEL SECURITY;


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
    tenant_id text DEFAULT COALESCE(taskmaster.current_tenant(), ''::text) NOT NULL,
    CONSTRAINT task_contexts_context_type_check CHECK ((btrim((context_type)::text) <> ''::text))
);

ALTER TABLE ONLY taskmaster.task_contexts FORCE ROW LEVEL SECURITY;


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
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    tenant_id text DEFAULT COALESCE(taskmaster.current_tenant(), ''::text) NOT NULL
);

ALTER TABLE ONLY taskmaster.task_events FORCE ROW LEVEL SECURITY;


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
    tenant_id text DEFAULT COALESCE(taskmaster.current_tenant(), ''::text) NOT NULL,
    CONSTRAINT workflow_steps_attempt_check CHECK ((attempt >= 1)),
    CONSTRAINT workflow_steps_status_check CHECK (((status)::text = ANY ((ARRAY['pending'::character varying, 'running'::character varying, 'completed'::character varying, 'failed'::character varying, 'skipped'::character varying])::text[])))
)
WITH (fillfactor='85');

ALTER TABLE ONLY taskmaster.workflow_steps FORCE ROW LEVEL SECURITY;


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
    tenant_id text DEFAULT COALESCE(taskmaster.current_tenant(), ''::text) NOT NULL,
    CONSTRAINT workflows_idempotency_hash_check CHECK (((idempotency_key IS NULL) = (idempotency_hash IS NULL))),
    CONSTRAINT workflows_max_retries_check CHECK ((max_retries >= 0)),
    CONSTRAINT workflows_retry_count_check CHECK ((retry_count >= 0)),
    CONSTRAINT workflows_status_check CHECK (((status)::text = ANY ((ARRAY['initialized'::character varying, 'running'::character varying, 'completed'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'timeout'::character varying])::text[]))),
    CONSTRAINT workflows_timeout_minutes_check CHECK (((timeout_minutes >= 1) AND (timeout_minutes <= 1440))),
    CONSTRAINT workflows_total_steps_check CHECK ((total_steps >= 0)),
    CONSTRAINT workflows_workflow_type_check CHECK (((workflow_type)::text = ANY ((ARRAY['standard'::character varying, 'hotfix'::character varying, 'rollback'::character varying, 'deployment'::character varying, 'validation'::character varying, 'cleanup'::character varying])::text[])))
)
WITH (fillfactor='85');

ALTER TABLE ONLY taskmaster.workflows FORCE ROW LEVEL SECURITY;


--
-- Name: TABLE workflows; Type: COMMENT; Schema: taskmaster; Owner: -
--

COMMENT ON TABLE taskmaster.workflows IS 'Runs of a task: its steps, their results and errors';


--
-- Name: api_access_logs_default; Type: TABLE ATTACH; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.api_access_logs ATTACH PARTITION taskmaster.api_access_logs_default DEFAULT;


--
-- Name: audit_log_default; Type: TABLE ATTACH; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.audit_log ATTACH PARTITION taskmaster.audit_log_default DEFAULT;


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
-- Name: audit_log audit_log_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (id, occurred_at);


--
-- Name: audit_log_default audit_log_default_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.audit_log_default
    ADD CONSTRAINT audit_log_default_pkey PRIMARY KEY (id, occurred_at);


--
-- Name: audit_seals audit_seals_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.audit_seals
    ADD CONSTRAINT audit_seals_pkey PRIMARY KEY (seal_no);


--
-- Name: erasure_requests erasure_requests_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.erasure_requests
    ADD CONSTRAINT erasure_requests_pkey PRIMARY KEY (id);


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
-- Name: function_access function_access_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.function_access
    ADD CONSTRAINT function_access_pkey PRIMARY KEY (function_name);


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
-- Name: legal_holds legal_holds_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.legal_holds
    ADD CONSTRAINT legal_holds_pkey PRIMARY KEY (id);


--
-- Name: legal_holds legal_holds_subject_key; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.legal_holds
    ADD CONSTRAINT legal_holds_subject_key UNIQUE (subject);


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
-- Name: personal_columns personal_columns_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.personal_columns
    ADD CONSTRAINT personal_columns_pkey PRIMARY KEY (table_name, column_name);


--
-- Name: proxy_keys proxy_keys_pkey; Type: CONSTRAINT; Schema: taskmaster; Owner: -
--

ALTER TABLE ONLY taskmaster.proxy_keys
    ADD CONSTRAINT proxy_keys_pkey PRIMARY KEY (name);


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
-- Name: audit_log_occurred_at_brin_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX audit_log_occurred_at_brin_idx ON ONLY taskmaster.audit_log USING brin (occurred_at) WITH (pages_per_range='32');


--
-- Name: audit_log_default_occurred_at_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX audit_log_default_occurred_at_idx ON taskmaster.audit_log_default USING brin (occurred_at) WITH (pages_per_range='32');


--
-- Name: audit_log_table_name_row_key_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX audit_log_table_name_row_key_idx ON ONLY taskmaster.audit_log USING btree (table_name, row_key);


--
-- Name: audit_log_default_table_name_row_key_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX audit_log_default_table_name_row_key_idx ON taskmaster.audit_log_default USING btree (table_name, row_key);


--
-- Name: audit_seals_month_key; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE UNIQUE INDEX audit_seals_month_key ON taskmaster.audit_seals USING btree (month) WHERE (kind = 'month'::text);


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
-- Name: tasks_tenant_id_status_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX tasks_tenant_id_status_idx ON taskmaster.tasks USING btree (tenant_id, status);


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
-- Name: workflows_tenant_id_idx; Type: INDEX; Schema: taskmaster; Owner: -
--

CREATE INDEX workflows_tenant_id_idx ON taskmaster.workflows USING btree (tenant_id);


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
-- Name: audit_log_default_occurred_at_idx; Type: INDEX ATTACH; Schema: taskmaster; Owner: -
--

ALTER INDEX taskmaster.audit_log_occurred_at_brin_idx ATTACH PARTITION taskmaster.audit_log_default_occurred_at_idx;


--
-- Name: audit_log_default_pkey; Type: INDEX ATTACH; Schema: taskmaster; Owner: -
--

ALTER INDEX taskmaster.audit_log_pkey ATTACH PARTITION taskmaster.audit_log_default_pkey;


--
-- Name: audit_log_default_table_name_row_key_idx; Type: INDEX ATTACH; Schema: taskmaster; Owner: -
--

ALTER INDEX taskmaster.audit_log_table_name_row_key_idx ATTACH PARTITION taskmaster.audit_log_default_table_name_row_key_idx;


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
-- Name: api_access_logs audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER DELETE OR UPDATE ON taskmaster.api_access_logs FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('api_access_logs', '{id,timestamp}', '{}');


--
-- Name: erasure_requests audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER INSERT OR DELETE OR UPDATE ON taskmaster.erasure_requests FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('erasure_requests', '{id}', '{}');


--
-- Name: external_integrations audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER INSERT OR DELETE OR UPDATE ON taskmaster.external_integrations FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('external_integrations', '{id}', '{current_usage,last_health_check,last_used_at,updated_at,usage_reset_at}');


--
-- Name: function_access audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER INSERT OR DELETE OR UPDATE ON taskmaster.function_access FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('function_access', '{function_name}', '{}');


--
-- Name: legal_holds audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER INSERT OR DELETE OR UPDATE ON taskmaster.legal_holds FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('legal_holds', '{id}', '{}');


--
-- Name: personal_columns audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER INSERT OR DELETE OR UPDATE ON taskmaster.personal_columns FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('personal_columns', '{table_name,column_name}', '{}');


--
-- Name: proxy_keys audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER INSERT OR DELETE OR UPDATE ON taskmaster.proxy_keys FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('proxy_keys', '{name}', '{}');


--
-- Name: retention_policies audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER INSERT OR DELETE OR UPDATE ON taskmaster.retention_policies FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('retention_policies', '{data_set}', '{}');


--
-- Name: schema_migrations audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER INSERT OR DELETE OR UPDATE ON taskmaster.schema_migrations FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('schema_migrations', '{version}', '{}');


--
-- Name: system_metrics audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER DELETE OR UPDATE ON taskmaster.system_metrics FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('system_metrics', '{id,recorded_at}', '{}');


--
-- Name: task_budgets audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER INSERT OR DELETE OR UPDATE ON taskmaster.task_budgets FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('task_budgets', '{task_id}', '{cost_usd_used,tokens_used}');


--
-- Name: task_contexts audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER DELETE OR UPDATE ON taskmaster.task_contexts FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('task_contexts', '{id}', '{}');


--
-- Name: task_dependencies audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER INSERT OR DELETE OR UPDATE ON taskmaster.task_dependencies FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('task_dependencies', '{task_id,depends_on}', '{satisfied}');


--
-- Name: task_events audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER DELETE OR UPDATE ON taskmaster.task_events FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('task_events', '{seq}', '{}');


--
-- Name: task_gates audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER INSERT OR DELETE OR UPDATE ON taskmaster.task_gates FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('task_gates', '{id}', '{}');


--
-- Name: task_status_transitions audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER INSERT OR DELETE OR UPDATE ON taskmaster.task_status_transitions FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('task_status_transitions', '{from_status,to_status}', '{}');


--
-- Name: tasks audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER INSERT OR DELETE OR UPDATE ON taskmaster.tasks FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('tasks', '{id}', '{claim_expires_at,heartbeat_at,open_deps,open_gates,updated_at,version}');


--
-- Name: workflow_steps audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER DELETE OR UPDATE ON taskmaster.workflow_steps FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('workflow_steps', '{workflow_id,name}', '{}');


--
-- Name: workflows audit_row; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_row AFTER INSERT OR DELETE OR UPDATE ON taskmaster.workflows FOR EACH ROW EXECUTE FUNCTION taskmaster.audit_row('workflows', '{id}', '{}');


--
-- Name: api_access_logs audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.api_access_logs FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('api_access_logs');


--
-- Name: api_access_logs_default audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.api_access_logs_default FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('api_access_logs_default');


--
-- Name: erasure_requests audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.erasure_requests FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('erasure_requests');


--
-- Name: external_integrations audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.external_integrations FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('external_integrations');


--
-- Name: function_access audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.function_access FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('function_access');


--
-- Name: legal_holds audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.legal_holds FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('legal_holds');


--
-- Name: personal_columns audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.personal_columns FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('personal_columns');


--
-- Name: proxy_keys audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.proxy_keys FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('proxy_keys');


--
-- Name: retention_policies audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.retention_policies FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('retention_policies');


--
-- Name: schema_migrations audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.schema_migrations FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('schema_migrations');


--
-- Name: system_metrics audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.system_metrics FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('system_metrics');


--
-- Name: system_metrics_default audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.system_metrics_default FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('system_metrics_default');


--
-- Name: task_budgets audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.task_budgets FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('task_budgets');


--
-- Name: task_contexts audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.task_contexts FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('task_contexts');


--
-- Name: task_dependencies audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.task_dependencies FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('task_dependencies');


--
-- Name: task_events audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.task_events FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('task_events');


--
-- Name: task_gates audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.task_gates FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('task_gates');


--
-- Name: task_status_transitions audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.task_status_transitions FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('task_status_transitions');


--
-- Name: tasks audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.tasks FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('tasks');


--
-- Name: workflow_steps audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.workflow_steps FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('workflow_steps');


--
-- Name: workflows audit_truncate; Type: TRIGGER; Schema: taskmaster; Owner: -
--

CREATE TRIGGER audit_truncate AFTER TRUNCATE ON taskmaster.workflows FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.audit_truncate('workflows');


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
-- Name: api_access_logs all_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY all_rows ON taskmaster.api_access_logs TO taskmaster_admin, taskmaster_auditor USING ((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL));


--
-- Name: external_integrations all_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY all_rows ON taskmaster.external_integrations TO taskmaster_admin, taskmaster_auditor USING ((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL));


--
-- Name: idempotency_keys all_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY all_rows ON taskmaster.idempotency_keys TO taskmaster_admin, taskmaster_auditor USING ((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL));


--
-- Name: integration_health all_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY all_rows ON taskmaster.integration_health TO taskmaster_admin, taskmaster_auditor USING ((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL));


--
-- Name: integration_health_history all_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY all_rows ON taskmaster.integration_health_history TO taskmaster_admin, taskmaster_auditor USING ((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL));


--
-- Name: integration_rate_state all_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY all_rows ON taskmaster.integration_rate_state TO taskmaster_admin, taskmaster_auditor USING ((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL));


--
-- Name: system_metrics all_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY all_rows ON taskmaster.system_metrics TO taskmaster_admin, taskmaster_auditor USING ((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL));


--
-- Name: task_budgets all_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY all_rows ON taskmaster.task_budgets TO taskmaster_admin, taskmaster_auditor USING ((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL));


--
-- Name: task_contexts all_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY all_rows ON taskmaster.task_contexts TO taskmaster_admin, taskmaster_auditor USING ((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL));


--
-- Name: task_dependencies all_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY all_rows ON taskmaster.task_dependencies TO taskmaster_admin, taskmaster_auditor USING ((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL));


--
-- Name: task_events all_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY all_rows ON taskmaster.task_events TO taskmaster_admin, taskmaster_auditor USING ((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL));


--
-- Name: task_gates all_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY all_rows ON taskmaster.task_gates TO taskmaster_admin, taskmaster_auditor USING ((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL));


--
-- Name: tasks all_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY all_rows ON taskmaster.tasks TO taskmaster_admin, taskmaster_auditor USING ((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL));


--
-- Name: workflow_steps all_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY all_rows ON taskmaster.workflow_steps TO taskmaster_admin, taskmaster_auditor USING ((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL));


--
-- Name: workflows all_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY all_rows ON taskmaster.workflows TO taskmaster_admin, taskmaster_auditor USING ((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL));


--
-- Name: api_access_logs; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.api_access_logs ENABLE ROW LEVEL SECURITY;

--
-- Name: tasks assigned_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY assigned_rows ON taskmaster.tasks AS RESTRICTIVE FOR UPDATE TO taskmaster_agent USING (((assigned_to IS NULL) OR ((assigned_to)::text = ( SELECT taskmaster.current_actor() AS current_actor)))) WITH CHECK (true);


--
-- Name: audit_log; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.audit_log ENABLE ROW LEVEL SECURITY;

--
-- Name: audit_log audit_of_tenant; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY audit_of_tenant ON taskmaster.audit_log FOR SELECT TO taskmaster_auditor USING (((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL) OR (tenant_id = ( SELECT taskmaster.current_tenant() AS current_tenant))));


--
-- Name: external_integrations; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.external_integrations ENABLE ROW LEVEL SECURITY;

--
-- Name: idempotency_keys; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.idempotency_keys ENABLE ROW LEVEL SECURITY;

--
-- Name: integration_health; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.integration_health ENABLE ROW LEVEL SECURITY;

--
-- Name: integration_health_history; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.integration_health_history ENABLE ROW LEVEL SECURITY;

--
-- Name: integration_rate_state; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.integration_rate_state ENABLE ROW LEVEL SECURITY;

--
-- Name: metric_rollups; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.metric_rollups ENABLE ROW LEVEL SECURITY;

--
-- Name: metric_series; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.metric_series ENABLE ROW LEVEL SECURITY;

--
-- Name: metric_rollups no_tenants_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY no_tenants_rows ON taskmaster.metric_rollups USING ((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL));


--
-- Name: metric_series no_tenants_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY no_tenants_rows ON taskmaster.metric_series USING ((( SELECT taskmaster.current_tenant() AS current_tenant) IS NULL));


--
-- Name: api_access_logs owners_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY owners_rows ON taskmaster.api_access_logs TO taskmaster_owner USING (true);


--
-- Name: external_integrations owners_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY owners_rows ON taskmaster.external_integrations TO taskmaster_owner USING (true);


--
-- Name: idempotency_keys owners_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY owners_rows ON taskmaster.idempotency_keys TO taskmaster_owner USING (true);


--
-- Name: integration_health owners_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY owners_rows ON taskmaster.integration_health TO taskmaster_owner USING (true);


--
-- Name: integration_health_history owners_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY owners_rows ON taskmaster.integration_health_history TO taskmaster_owner USING (true);


--
-- Name: integration_rate_state owners_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY owners_rows ON taskmaster.integration_rate_state TO taskmaster_owner USING (true);


--
-- Name: metric_rollups owners_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY owners_rows ON taskmaster.metric_rollups TO taskmaster_owner USING (true);


--
-- Name: metric_series owners_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY owners_rows ON taskmaster.metric_series TO taskmaster_owner USING (true);


--
-- Name: system_metrics owners_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY owners_rows ON taskmaster.system_metrics TO taskmaster_owner USING (true);


--
-- Name: task_budgets owners_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY owners_rows ON taskmaster.task_budgets TO taskmaster_owner USING (true);


--
-- Name: task_contexts owners_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY owners_rows ON taskmaster.task_contexts TO taskmaster_owner USING (true);


--
-- Name: task_dependencies owners_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY owners_rows ON taskmaster.task_dependencies TO taskmaster_owner USING (true);


--
-- Name: task_events owners_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY owners_rows ON taskmaster.task_events TO taskmaster_owner USING (true);


--
-- Name: task_gates owners_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY owners_rows ON taskmaster.task_gates TO taskmaster_owner USING (true);


--
-- Name: tasks owners_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY owners_rows ON taskmaster.tasks TO taskmaster_owner USING (true);


--
-- Name: workflow_steps owners_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY owners_rows ON taskmaster.workflow_steps TO taskmaster_owner USING (true);


--
-- Name: workflows owners_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY owners_rows ON taskmaster.workflows TO taskmaster_owner USING (true);


--
-- Name: system_metrics; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.system_metrics ENABLE ROW LEVEL SECURITY;

--
-- Name: task_budgets; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.task_budgets ENABLE ROW LEVEL SECURITY;

--
-- Name: task_contexts; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.task_contexts ENABLE ROW LEVEL SECURITY;

--
-- Name: task_dependencies; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.task_dependencies ENABLE ROW LEVEL SECURITY;

--
-- Name: task_events; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.task_events ENABLE ROW LEVEL SECURITY;

--
-- Name: task_gates; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.task_gates ENABLE ROW LEVEL SECURITY;

--
-- Name: tasks; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.tasks ENABLE ROW LEVEL SECURITY;

--
-- Name: api_access_logs tenant_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY tenant_rows ON taskmaster.api_access_logs USING ((tenant_id = ( SELECT COALESCE(taskmaster.current_tenant(), ''::text) AS "coalesce")));


--
-- Name: external_integrations tenant_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY tenant_rows ON taskmaster.external_integrations USING ((tenant_id = ( SELECT COALESCE(taskmaster.current_tenant(), ''::text) AS "coalesce")));


--
-- Name: idempotency_keys tenant_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY tenant_rows ON taskmaster.idempotency_keys USING ((tenant_id = ( SELECT COALESCE(taskmaster.current_tenant(), ''::text) AS "coalesce")));


--
-- Name: integration_health tenant_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY tenant_rows ON taskmaster.integration_health USING (((tenant_id = ( SELECT COALESCE(taskmaster.current_tenant(), ''::text) AS "coalesce")) OR ((tenant_id = ''::text) AND (EXISTS ( SELECT
   FROM taskmaster.external_integrations parent
  WHERE (parent.id = integration_health.integration_id))))));


--
-- Name: integration_health_history tenant_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY tenant_rows ON taskmaster.integration_health_history USING (((tenant_id = ( SELECT COALESCE(taskmaster.current_tenant(), ''::text) AS "coalesce")) OR ((tenant_id = ''::text) AND (EXISTS ( SELECT
   FROM taskmaster.external_integrations parent
  WHERE (parent.id = integration_health_history.integration_id))))));


--
-- Name: integration_rate_state tenant_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY tenant_rows ON taskmaster.integration_rate_state USING (((tenant_id = ( SELECT COALESCE(taskmaster.current_tenant(), ''::text) AS "coalesce")) OR ((tenant_id = ''::text) AND (EXISTS ( SELECT
   FROM taskmaster.external_integrations parent
  WHERE (parent.id = integration_rate_state.integration_id))))));


--
-- Name: system_metrics tenant_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY tenant_rows ON taskmaster.system_metrics USING ((tenant_id = ( SELECT COALESCE(taskmaster.current_tenant(), ''::text) AS "coalesce")));


--
-- Name: task_budgets tenant_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY tenant_rows ON taskmaster.task_budgets USING (((tenant_id = ( SELECT COALESCE(taskmaster.current_tenant(), ''::text) AS "coalesce")) OR ((tenant_id = ''::text) AND (EXISTS ( SELECT
   FROM taskmaster.tasks parent
  WHERE (parent.id = task_budgets.task_id))))));


--
-- Name: task_contexts tenant_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY tenant_rows ON taskmaster.task_contexts USING (((tenant_id = ( SELECT COALESCE(taskmaster.current_tenant(), ''::text) AS "coalesce")) OR ((tenant_id = ''::text) AND (EXISTS ( SELECT
   FROM taskmaster.tasks parent
  WHERE (parent.id = task_contexts.task_id))))));


--
-- Name: task_dependencies tenant_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY tenant_rows ON taskmaster.task_dependencies USING (((tenant_id = ( SELECT COALESCE(taskmaster.current_tenant(), ''::text) AS "coalesce")) OR ((tenant_id = ''::text) AND (EXISTS ( SELECT
   FROM taskmaster.tasks parent
  WHERE (parent.id = task_dependencies.task_id))))));


--
-- Name: task_events tenant_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY tenant_rows ON taskmaster.task_events USING (((tenant_id = ( SELECT COALESCE(taskmaster.current_tenant(), ''::text) AS "coalesce")) OR ((tenant_id = ''::text) AND (EXISTS ( SELECT
   FROM taskmaster.tasks parent
  WHERE (parent.id = task_events.task_id))))));


--
-- Name: task_gates tenant_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY tenant_rows ON taskmaster.task_gates USING (((tenant_id = ( SELECT COALESCE(taskmaster.current_tenant(), ''::text) AS "coalesce")) OR ((tenant_id = ''::text) AND (EXISTS ( SELECT
   FROM taskmaster.tasks parent
  WHERE (parent.id = task_gates.task_id))))));


--
-- Name: tasks tenant_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY tenant_rows ON taskmaster.tasks USING ((tenant_id = ( SELECT COALESCE(taskmaster.current_tenant(), ''::text) AS "coalesce")));


--
-- Name: workflow_steps tenant_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY tenant_rows ON taskmaster.workflow_steps USING (((tenant_id = ( SELECT COALESCE(taskmaster.current_tenant(), ''::text) AS "coalesce")) OR ((tenant_id = ''::text) AND (EXISTS ( SELECT
   FROM taskmaster.workflows parent
  WHERE (parent.id = workflow_steps.workflow_id))))));


--
-- Name: workflows tenant_rows; Type: POLICY; Schema: taskmaster; Owner: -
--

CREATE POLICY tenant_rows ON taskmaster.workflows USING ((tenant_id = ( SELECT COALESCE(taskmaster.current_tenant(), ''::text) AS "coalesce")));


--
-- Name: workflow_steps; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.workflow_steps ENABLE ROW LEVEL SECURITY;

--
-- Name: workflows; Type: ROW SECURITY; Schema: taskmaster; Owner: -
--

ALTER TABLE taskmaster.workflows ENABLE ROW LEVEL SECURITY;

--
-- Name: SCHEMA taskmaster; Type: ACL; Schema: -; Owner: -
--

GRANT ALL ON SCHEMA taskmaster TO taskmaster_owner;
GRANT USAGE ON SCHEMA taskmaster TO taskmaster_admin;
GRANT USAGE ON SCHEMA taskmaster TO taskmaster_agent;
GRANT USAGE ON SCHEMA taskmaster TO taskmaster_integration;
GRANT USAGE ON SCHEMA taskmaster TO taskmaster_readonly;
GRANT USAGE ON SCHEMA taskmaster TO taskmaster_auditor;


--
-- Name: FUNCTION acquire_rate_limit(p_integration_name character varying, p_cost integer, p_algorithm character varying, p_task_id uuid, p_mode character varying, p_integration_type character varying); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.acquire_rate_limit(p_integration_name character varying, p_cost integer, p_algorithm character varying, p_task_id uuid, p_mode character varying, p_integration_type character varying) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.acquire_rate_limit(p_integration_name character varying, p_cost integer, p_algorithm character varying, p_task_id uuid, p_mode character varying, p_integration_type character varying) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.acquire_rate_limit(p_integration_name character varying, p_cost integer, p_algorithm character varying, p_task_id uuid, p_mode character varying, p_integration_type character varying) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.acquire_rate_limit(p_integration_name character varying, p_cost integer, p_algorithm character varying, p_task_id uuid, p_mode character varying, p_integration_type character varying) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.acquire_rate_limit(p_integration_name character varying, p_cost integer, p_algorithm character varying, p_task_id uuid, p_mode character varying, p_integration_type character varying) TO taskmaster_owner;


--
-- Name: FUNCTION add_dependency(p_task_id uuid, p_depends_on uuid, p_type text, p_satisfied_by text[]); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.add_dependency(p_task_id uuid, p_depends_on uuid, p_type text, p_satisfied_by text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.add_dependency(p_task_id uuid, p_depends_on uuid, p_type text, p_satisfied_by text[]) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.add_dependency(p_task_id uuid, p_depends_on uuid, p_type text, p_satisfied_by text[]) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.add_dependency(p_task_id uuid, p_depends_on uuid, p_type text, p_satisfied_by text[]) TO taskmaster_owner;


--
-- Name: FUNCTION add_gate(p_task_id uuid, p_gate_type text, p_await jsonb); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.add_gate(p_task_id uuid, p_gate_type text, p_await jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.add_gate(p_task_id uuid, p_gate_type text, p_await jsonb) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.add_gate(p_task_id uuid, p_gate_type text, p_await jsonb) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.add_gate(p_task_id uuid, p_gate_type text, p_await jsonb) TO taskmaster_owner;


--
-- Name: FUNCTION apply_audit_retention(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.apply_audit_retention() FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.apply_audit_retention() TO taskmaster_admin;


--
-- Name: FUNCTION apply_retention(p_dry_run boolean); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.apply_retention(p_dry_run boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.apply_retention(p_dry_run boolean) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.apply_retention(p_dry_run boolean) TO taskmaster_owner;


--
-- Name: FUNCTION assume_identity(p_identity text, p_sequence bigint, p_proof bytea); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.assume_identity(p_identity text, p_sequence bigint, p_proof bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.assume_identity(p_identity text, p_sequence bigint, p_proof bytea) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.assume_identity(p_identity text, p_sequence bigint, p_proof bytea) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.assume_identity(p_identity text, p_sequence bigint, p_proof bytea) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.assume_identity(p_identity text, p_sequence bigint, p_proof bytea) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.assume_identity(p_identity text, p_sequence bigint, p_proof bytea) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.assume_identity(p_identity text, p_sequence bigint, p_proof bytea) TO taskmaster_readonly;


--
-- Name: FUNCTION attempt(p_statement text); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.attempt(p_statement text) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.attempt(p_statement text) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.attempt(p_statement text) TO taskmaster_owner;


--
-- Name: FUNCTION audit_event(p_table text, p_operation text, p_changes jsonb); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.audit_event(p_table text, p_operation text, p_changes jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.audit_event(p_table text, p_operation text, p_changes jsonb) TO taskmaster_owner;


--
-- Name: FUNCTION audit_row(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.audit_row() FROM PUBLIC;


--
-- Name: FUNCTION audit_truncate(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.audit_truncate() FROM PUBLIC;


--
-- Name: FUNCTION calculate_task_completion(p_task_id uuid, p_mode text); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.calculate_task_completion(p_task_id uuid, p_mode text) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.calculate_task_completion(p_task_id uuid, p_mode text) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.calculate_task_completion(p_task_id uuid, p_mode text) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.calculate_task_completion(p_task_id uuid, p_mode text) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.calculate_task_completion(p_task_id uuid, p_mode text) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.calculate_task_completion(p_task_id uuid, p_mode text) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.calculate_task_completion(p_task_id uuid, p_mode text) TO taskmaster_readonly;


--
-- Name: FUNCTION cancel_task(p_task_id uuid, p_reason text, p_cascade boolean); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.cancel_task(p_task_id uuid, p_reason text, p_cascade boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.cancel_task(p_task_id uuid, p_reason text, p_cascade boolean) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.cancel_task(p_task_id uuid, p_reason text, p_cascade boolean) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.cancel_task(p_task_id uuid, p_reason text, p_cascade boolean) TO taskmaster_owner;


--
-- Name: FUNCTION cancel_workflow(p_workflow_id uuid, p_reason text); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.cancel_workflow(p_workflow_id uuid, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.cancel_workflow(p_workflow_id uuid, p_reason text) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.cancel_workflow(p_workflow_id uuid, p_reason text) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.cancel_workflow(p_workflow_id uuid, p_reason text) TO taskmaster_owner;


--
-- Name: FUNCTION check_integrity(p_repair boolean); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.check_integrity(p_repair boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.check_integrity(p_repair boolean) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.check_integrity(p_repair boolean) TO taskmaster_owner;


--
-- Name: FUNCTION check_rate_limit(p_integration_name character varying); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.check_rate_limit(p_integration_name character varying) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.check_rate_limit(p_integration_name character varying) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.check_rate_limit(p_integration_name character varying) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.check_rate_limit(p_integration_name character varying) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.check_rate_limit(p_integration_name character varying) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.check_rate_limit(p_integration_name character varying) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.check_rate_limit(p_integration_name character varying) TO taskmaster_readonly;


--
-- Name: FUNCTION check_subject(p_subject text); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.check_subject(p_subject text) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.check_subject(p_subject text) TO taskmaster_owner;


--
-- Name: FUNCTION check_task_dependency(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.check_task_dependency() FROM PUBLIC;


--
-- Name: FUNCTION claim_task(p_worker_id text, p_lease interval, p_limit integer, p_types text[], p_tags jsonb, p_task_id uuid, p_avoid_file_overlap boolean); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.claim_task(p_worker_id text, p_lease interval, p_limit integer, p_types text[], p_tags jsonb, p_task_id uuid, p_avoid_file_overlap boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.claim_task(p_worker_id text, p_lease interval, p_limit integer, p_types text[], p_tags jsonb, p_task_id uuid, p_avoid_file_overlap boolean) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.claim_task(p_worker_id text, p_lease interval, p_limit integer, p_types text[], p_tags jsonb, p_task_id uuid, p_avoid_file_overlap boolean) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.claim_task(p_worker_id text, p_lease interval, p_limit integer, p_types text[], p_tags jsonb, p_task_id uuid, p_avoid_file_overlap boolean) TO taskmaster_owner;


--
-- Name: FUNCTION cleanup_old_data(p_audit_retention_days integer, p_metrics_retention_days integer, p_api_logs_retention_days integer); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.cleanup_old_data(p_audit_retention_days integer, p_metrics_retention_days integer, p_api_logs_retention_days integer) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.cleanup_old_data(p_audit_retention_days integer, p_metrics_retention_days integer, p_api_logs_retention_days integer) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.cleanup_old_data(p_audit_retention_days integer, p_metrics_retention_days integer, p_api_logs_retention_days integer) TO taskmaster_owner;


--
-- Name: FUNCTION complete_task(p_task_id uuid, p_claim_token bigint, p_result jsonb, p_actual_hours numeric); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.complete_task(p_task_id uuid, p_claim_token bigint, p_result jsonb, p_actual_hours numeric) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.complete_task(p_task_id uuid, p_claim_token bigint, p_result jsonb, p_actual_hours numeric) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.complete_task(p_task_id uuid, p_claim_token bigint, p_result jsonb, p_actual_hours numeric) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.complete_task(p_task_id uuid, p_claim_token bigint, p_result jsonb, p_actual_hours numeric) TO taskmaster_owner;


--
-- Name: FUNCTION count_open_dependencies(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.count_open_dependencies() FROM PUBLIC;


--
-- Name: FUNCTION count_open_gates(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.count_open_gates() FROM PUBLIC;


--
-- Name: FUNCTION count_task_version(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.count_task_version() FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.count_task_version() TO taskmaster_owner;


--
-- Name: FUNCTION create_task(p_title character varying, p_description text, p_type character varying, p_priority integer, p_assigned_to character varying, p_parent_task_id uuid, p_requirements jsonb, p_metadata jsonb, p_complexity_score integer, p_affected_files jsonb, p_acceptance_criteria jsonb, p_tags jsonb, p_estimated_hours numeric, p_repository_url text, p_branch_name text, p_depends_on uuid[], p_idempotency_key text, p_run_after timestamp with time zone, p_max_attempts integer, p_linear_issue_id text, p_github_issue_number integer); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.create_task(p_title character varying, p_description text, p_type character varying, p_priority integer, p_assigned_to character varying, p_parent_task_id uuid, p_requirements jsonb, p_metadata jsonb, p_complexity_score integer, p_affected_files jsonb, p_acceptance_criteria jsonb, p_tags jsonb, p_estimated_hours numeric, p_repository_url text, p_branch_name text, p_depends_on uuid[], p_idempotency_key text, p_run_after timestamp with time zone, p_max_attempts integer, p_linear_issue_id text, p_github_issue_number integer) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.create_task(p_title character varying, p_description text, p_type character varying, p_priority integer, p_assigned_to character varying, p_parent_task_id uuid, p_requirements jsonb, p_metadata jsonb, p_complexity_score integer, p_affected_files jsonb, p_acceptance_criteria jsonb, p_tags jsonb, p_estimated_hours numeric, p_repository_url text, p_branch_name text, p_depends_on uuid[], p_idempotency_key text, p_run_after timestamp with time zone, p_max_attempts integer, p_linear_issue_id text, p_github_issue_number integer) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.create_task(p_title character varying, p_description text, p_type character varying, p_priority integer, p_assigned_to character varying, p_parent_task_id uuid, p_requirements jsonb, p_metadata jsonb, p_complexity_score integer, p_affected_files jsonb, p_acceptance_criteria jsonb, p_tags jsonb, p_estimated_hours numeric, p_repository_url text, p_branch_name text, p_depends_on uuid[], p_idempotency_key text, p_run_after timestamp with time zone, p_max_attempts integer, p_linear_issue_id text, p_github_issue_number integer) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.create_task(p_title character varying, p_description text, p_type character varying, p_priority integer, p_assigned_to character varying, p_parent_task_id uuid, p_requirements jsonb, p_metadata jsonb, p_complexity_score integer, p_affected_files jsonb, p_acceptance_criteria jsonb, p_tags jsonb, p_estimated_hours numeric, p_repository_url text, p_branch_name text, p_depends_on uuid[], p_idempotency_key text, p_run_after timestamp with time zone, p_max_attempts integer, p_linear_issue_id text, p_github_issue_number integer) TO taskmaster_owner;


--
-- Name: FUNCTION create_tasks(p_tasks jsonb); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.create_tasks(p_tasks jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.create_tasks(p_tasks jsonb) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.create_tasks(p_tasks jsonb) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.create_tasks(p_tasks jsonb) TO taskmaster_owner;


--
-- Name: FUNCTION create_workflow(p_task_id uuid, p_workflow_type character varying, p_total_steps integer, p_timeout_minutes integer, p_steps jsonb, p_max_retries integer, p_metadata jsonb, p_idempotency_key character varying); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.create_workflow(p_task_id uuid, p_workflow_type character varying, p_total_steps integer, p_timeout_minutes integer, p_steps jsonb, p_max_retries integer, p_metadata jsonb, p_idempotency_key character varying) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.create_workflow(p_task_id uuid, p_workflow_type character varying, p_total_steps integer, p_timeout_minutes integer, p_steps jsonb, p_max_retries integer, p_metadata jsonb, p_idempotency_key character varying) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.create_workflow(p_task_id uuid, p_workflow_type character varying, p_total_steps integer, p_timeout_minutes integer, p_steps jsonb, p_max_retries integer, p_metadata jsonb, p_idempotency_key character varying) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.create_workflow(p_task_id uuid, p_workflow_type character varying, p_total_steps integer, p_timeout_minutes integer, p_steps jsonb, p_max_retries integer, p_metadata jsonb, p_idempotency_key character varying) TO taskmaster_owner;


--
-- Name: FUNCTION critical_path(p_root uuid); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.critical_path(p_root uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.critical_path(p_root uuid) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.critical_path(p_root uuid) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.critical_path(p_root uuid) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.critical_path(p_root uuid) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.critical_path(p_root uuid) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.critical_path(p_root uuid) TO taskmaster_readonly;


--
-- Name: FUNCTION current_actor(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.current_actor() FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.current_actor() TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.current_actor() TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.current_actor() TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.current_actor() TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.current_actor() TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.current_actor() TO taskmaster_readonly;


--
-- Name: FUNCTION current_tenant(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.current_tenant() FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.current_tenant() TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.current_tenant() TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.current_tenant() TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.current_tenant() TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.current_tenant() TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.current_tenant() TO taskmaster_readonly;


--
-- Name: FUNCTION ddsketch_add(state internal, value double precision); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.ddsketch_add(state internal, value double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.ddsketch_add(state internal, value double precision) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.ddsketch_add(state internal, value double precision) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.ddsketch_add(state internal, value double precision) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.ddsketch_add(state internal, value double precision) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.ddsketch_add(state internal, value double precision) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.ddsketch_add(state internal, value double precision) TO taskmaster_readonly;


--
-- Name: FUNCTION ddsketch_add_sketch(state internal, other bytea); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.ddsketch_add_sketch(state internal, other bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.ddsketch_add_sketch(state internal, other bytea) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.ddsketch_add_sketch(state internal, other bytea) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.ddsketch_add_sketch(state internal, other bytea) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.ddsketch_add_sketch(state internal, other bytea) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.ddsketch_add_sketch(state internal, other bytea) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.ddsketch_add_sketch(state internal, other bytea) TO taskmaster_readonly;


--
-- Name: FUNCTION ddsketch_combine(state internal, other internal); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.ddsketch_combine(state internal, other internal) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.ddsketch_combine(state internal, other internal) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.ddsketch_combine(state internal, other internal) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.ddsketch_combine(state internal, other internal) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.ddsketch_combine(state internal, other internal) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.ddsketch_combine(state internal, other internal) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.ddsketch_combine(state internal, other internal) TO taskmaster_readonly;


--
-- Name: FUNCTION ddsketch_count(p_sketch bytea); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.ddsketch_count(p_sketch bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.ddsketch_count(p_sketch bytea) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.ddsketch_count(p_sketch bytea) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.ddsketch_count(p_sketch bytea) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.ddsketch_count(p_sketch bytea) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.ddsketch_count(p_sketch bytea) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.ddsketch_count(p_sketch bytea) TO taskmaster_readonly;


--
-- Name: FUNCTION ddsketch_deserialize(bytes bytea, _state internal); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.ddsketch_deserialize(bytes bytea, _state internal) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.ddsketch_deserialize(bytes bytea, _state internal) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.ddsketch_deserialize(bytes bytea, _state internal) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.ddsketch_deserialize(bytes bytea, _state internal) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.ddsketch_deserialize(bytes bytea, _state internal) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.ddsketch_deserialize(bytes bytea, _state internal) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.ddsketch_deserialize(bytes bytea, _state internal) TO taskmaster_readonly;


--
-- Name: FUNCTION ddsketch_final(state internal); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.ddsketch_final(state internal) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.ddsketch_final(state internal) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.ddsketch_final(state internal) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.ddsketch_final(state internal) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.ddsketch_final(state internal) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.ddsketch_final(state internal) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.ddsketch_final(state internal) TO taskmaster_readonly;


--
-- Name: FUNCTION ddsketch_of(p_value double precision); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.ddsketch_of(p_value double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.ddsketch_of(p_value double precision) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.ddsketch_of(p_value double precision) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.ddsketch_of(p_value double precision) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.ddsketch_of(p_value double precision) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.ddsketch_of(p_value double precision) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.ddsketch_of(p_value double precision) TO taskmaster_readonly;


--
-- Name: FUNCTION ddsketch_quantile(p_sketch bytea, p_quantile double precision); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.ddsketch_quantile(p_sketch bytea, p_quantile double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.ddsketch_quantile(p_sketch bytea, p_quantile double precision) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.ddsketch_quantile(p_sketch bytea, p_quantile double precision) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.ddsketch_quantile(p_sketch bytea, p_quantile double precision) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.ddsketch_quantile(p_sketch bytea, p_quantile double precision) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.ddsketch_quantile(p_sketch bytea, p_quantile double precision) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.ddsketch_quantile(p_sketch bytea, p_quantile double precision) TO taskmaster_readonly;


--
-- Name: FUNCTION ddsketch_serialize(state internal); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.ddsketch_serialize(state internal) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.ddsketch_serialize(state internal) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.ddsketch_serialize(state internal) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.ddsketch_serialize(state internal) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.ddsketch_serialize(state internal) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.ddsketch_serialize(state internal) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.ddsketch_serialize(state internal) TO taskmaster_readonly;


--
-- Name: FUNCTION delete_before(p_table name, p_before timestamp with time zone); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.delete_before(p_table name, p_before timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.delete_before(p_table name, p_before timestamp with time zone) TO taskmaster_admin;


--
-- Name: FUNCTION dependency_path(p_task_id uuid, p_target uuid); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.dependency_path(p_task_id uuid, p_target uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.dependency_path(p_task_id uuid, p_target uuid) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.dependency_path(p_task_id uuid, p_target uuid) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.dependency_path(p_task_id uuid, p_target uuid) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.dependency_path(p_task_id uuid, p_target uuid) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.dependency_path(p_task_id uuid, p_target uuid) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.dependency_path(p_task_id uuid, p_target uuid) TO taskmaster_readonly;


--
-- Name: FUNCTION detect_stalls(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.detect_stalls() FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.detect_stalls() TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.detect_stalls() TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.detect_stalls() TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.detect_stalls() TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.detect_stalls() TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.detect_stalls() TO taskmaster_readonly;


--
-- Name: FUNCTION disable_audit(p_table regclass); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.disable_audit(p_table regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.disable_audit(p_table regclass) TO taskmaster_owner;


--
-- Name: FUNCTION drop_audit_months(p_before timestamp with time zone, p_dry_run boolean); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.drop_audit_months(p_before timestamp with time zone, p_dry_run boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.drop_audit_months(p_before timestamp with time zone, p_dry_run boolean) TO taskmaster_admin;


--
-- Name: FUNCTION drop_partition(p_table name, p_partition name); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.drop_partition(p_table name, p_partition name) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.drop_partition(p_table name, p_partition name) TO taskmaster_admin;


--
-- Name: FUNCTION due_health_checks(p_limit integer, p_lease interval); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.due_health_checks(p_limit integer, p_lease interval) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.due_health_checks(p_limit integer, p_lease interval) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.due_health_checks(p_limit integer, p_lease interval) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.due_health_checks(p_limit integer, p_lease interval) TO taskmaster_owner;


--
-- Name: FUNCTION enable_audit(p_table regclass, p_what text, p_ignored text[]); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.enable_audit(p_table regclass, p_what text, p_ignored text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.enable_audit(p_table regclass, p_what text, p_ignored text[]) TO taskmaster_owner;


--
-- Name: FUNCTION ensure_audit_partitions(p_ahead integer); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.ensure_audit_partitions(p_ahead integer) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.ensure_audit_partitions(p_ahead integer) TO taskmaster_admin;


--
-- Name: FUNCTION ensure_partitions(p_ahead integer); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.ensure_partitions(p_ahead integer) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.ensure_partitions(p_ahead integer) TO taskmaster_admin;


--
-- Name: FUNCTION erase_subject(p_subject text, p_mode text, p_reason text, p_dry_run boolean); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.erase_subject(p_subject text, p_mode text, p_reason text, p_dry_run boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.erase_subject(p_subject text, p_mode text, p_reason text, p_dry_run boolean) TO taskmaster_admin;


--
-- Name: FUNCTION expire_workflows(p_limit integer); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.expire_workflows(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.expire_workflows(p_limit integer) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.expire_workflows(p_limit integer) TO taskmaster_owner;


--
-- Name: FUNCTION explain_not_ready(p_task_id uuid); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.explain_not_ready(p_task_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.explain_not_ready(p_task_id uuid) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.explain_not_ready(p_task_id uuid) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.explain_not_ready(p_task_id uuid) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.explain_not_ready(p_task_id uuid) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.explain_not_ready(p_task_id uuid) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.explain_not_ready(p_task_id uuid) TO taskmaster_readonly;


--
-- Name: FUNCTION export_subject(p_subject text); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.export_subject(p_subject text) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.export_subject(p_subject text) TO taskmaster_admin;


--
-- Name: FUNCTION export_taskmaster_json(p_tag text); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.export_taskmaster_json(p_tag text) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.export_taskmaster_json(p_tag text) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.export_taskmaster_json(p_tag text) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.export_taskmaster_json(p_tag text) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.export_taskmaster_json(p_tag text) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.export_taskmaster_json(p_tag text) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.export_taskmaster_json(p_tag text) TO taskmaster_readonly;


--
-- Name: FUNCTION fail_task(p_task_id uuid, p_claim_token bigint, p_error jsonb, p_retryable boolean, p_retry_after interval); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.fail_task(p_task_id uuid, p_claim_token bigint, p_error jsonb, p_retryable boolean, p_retry_after interval) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.fail_task(p_task_id uuid, p_claim_token bigint, p_error jsonb, p_retryable boolean, p_retry_after interval) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.fail_task(p_task_id uuid, p_claim_token bigint, p_error jsonb, p_retryable boolean, p_retry_after interval) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.fail_task(p_task_id uuid, p_claim_token bigint, p_error jsonb, p_retryable boolean, p_retry_after interval) TO taskmaster_owner;


--
-- Name: FUNCTION find_tasks(p_query text); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.find_tasks(p_query text) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.find_tasks(p_query text) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.find_tasks(p_query text) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.find_tasks(p_query text) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.find_tasks(p_query text) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.find_tasks(p_query text) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.find_tasks(p_query text) TO taskmaster_readonly;


--
-- Name: FUNCTION finite_double(p_value numeric); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.finite_double(p_value numeric) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.finite_double(p_value numeric) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.finite_double(p_value numeric) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.finite_double(p_value numeric) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.finite_double(p_value numeric) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.finite_double(p_value numeric) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.finite_double(p_value numeric) TO taskmaster_readonly;


--
-- Name: FUNCTION follow_parent(p_table regclass, p_column name, p_parent regclass); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.follow_parent(p_table regclass, p_column name, p_parent regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.follow_parent(p_table regclass, p_column name, p_parent regclass) TO taskmaster_owner;


--
-- Name: FUNCTION get_system_health(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.get_system_health() FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.get_system_health() TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.get_system_health() TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.get_system_health() TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.get_system_health() TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.get_system_health() TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.get_system_health() TO taskmaster_readonly;


--
-- Name: FUNCTION get_task_events(p_after_seq bigint, p_limit integer, p_task_id uuid); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.get_task_events(p_after_seq bigint, p_limit integer, p_task_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.get_task_events(p_after_seq bigint, p_limit integer, p_task_id uuid) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.get_task_events(p_after_seq bigint, p_limit integer, p_task_id uuid) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.get_task_events(p_after_seq bigint, p_limit integer, p_task_id uuid) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.get_task_events(p_after_seq bigint, p_limit integer, p_task_id uuid) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.get_task_events(p_after_seq bigint, p_limit integer, p_task_id uuid) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.get_task_events(p_after_seq bigint, p_limit integer, p_task_id uuid) TO taskmaster_readonly;


--
-- Name: FUNCTION get_task_hierarchy(p_task_id uuid); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.get_task_hierarchy(p_task_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.get_task_hierarchy(p_task_id uuid) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.get_task_hierarchy(p_task_id uuid) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.get_task_hierarchy(p_task_id uuid) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.get_task_hierarchy(p_task_id uuid) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.get_task_hierarchy(p_task_id uuid) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.get_task_hierarchy(p_task_id uuid) TO taskmaster_readonly;


--
-- Name: FUNCTION get_task_statistics(p_start_date date, p_end_date date); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.get_task_statistics(p_start_date date, p_end_date date) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.get_task_statistics(p_start_date date, p_end_date date) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.get_task_statistics(p_start_date date, p_end_date date) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.get_task_statistics(p_start_date date, p_end_date date) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.get_task_statistics(p_start_date date, p_end_date date) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.get_task_statistics(p_start_date date, p_end_date date) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.get_task_statistics(p_start_date date, p_end_date date) TO taskmaster_readonly;


--
-- Name: FUNCTION get_task_tree(p_task_id uuid, p_max_depth integer); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.get_task_tree(p_task_id uuid, p_max_depth integer) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.get_task_tree(p_task_id uuid, p_max_depth integer) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.get_task_tree(p_task_id uuid, p_max_depth integer) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.get_task_tree(p_task_id uuid, p_max_depth integer) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.get_task_tree(p_task_id uuid, p_max_depth integer) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.get_task_tree(p_task_id uuid, p_max_depth integer) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.get_task_tree(p_task_id uuid, p_max_depth integer) TO taskmaster_readonly;


--
-- Name: FUNCTION get_workflow(p_workflow_id uuid); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.get_workflow(p_workflow_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.get_workflow(p_workflow_id uuid) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.get_workflow(p_workflow_id uuid) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.get_workflow(p_workflow_id uuid) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.get_workflow(p_workflow_id uuid) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.get_workflow(p_workflow_id uuid) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.get_workflow(p_workflow_id uuid) TO taskmaster_readonly;


--
-- Name: FUNCTION get_workflow_performance(p_since interval); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.get_workflow_performance(p_since interval) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.get_workflow_performance(p_since interval) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.get_workflow_performance(p_since interval) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.get_workflow_performance(p_since interval) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.get_workflow_performance(p_since interval) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.get_workflow_performance(p_since interval) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.get_workflow_performance(p_since interval) TO taskmaster_readonly;


--
-- Name: FUNCTION grant_functions(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.grant_functions() FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.grant_functions() TO taskmaster_owner;


--
-- Name: FUNCTION grant_sequences(p_table regclass, p_roles text); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.grant_sequences(p_table regclass, p_roles text) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.grant_sequences(p_table regclass, p_roles text) TO taskmaster_owner;


--
-- Name: FUNCTION health_snapshot(p_detail boolean); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.health_snapshot(p_detail boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.health_snapshot(p_detail boolean) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.health_snapshot(p_detail boolean) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.health_snapshot(p_detail boolean) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.health_snapshot(p_detail boolean) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.health_snapshot(p_detail boolean) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.health_snapshot(p_detail boolean) TO taskmaster_readonly;


--
-- Name: FUNCTION heartbeat(p_task_id uuid, p_claim_token bigint, p_extend interval, p_progress jsonb); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.heartbeat(p_task_id uuid, p_claim_token bigint, p_extend interval, p_progress jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.heartbeat(p_task_id uuid, p_claim_token bigint, p_extend interval, p_progress jsonb) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.heartbeat(p_task_id uuid, p_claim_token bigint, p_extend interval, p_progress jsonb) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.heartbeat(p_task_id uuid, p_claim_token bigint, p_extend interval, p_progress jsonb) TO taskmaster_owner;


--
-- Name: FUNCTION hide_from_tenants(p_table regclass); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.hide_from_tenants(p_table regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.hide_from_tenants(p_table regclass) TO taskmaster_owner;


--
-- Name: FUNCTION holds_plain_secret(p_document jsonb); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.holds_plain_secret(p_document jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.holds_plain_secret(p_document jsonb) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.holds_plain_secret(p_document jsonb) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.holds_plain_secret(p_document jsonb) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.holds_plain_secret(p_document jsonb) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.holds_plain_secret(p_document jsonb) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.holds_plain_secret(p_document jsonb) TO taskmaster_readonly;


--
-- Name: FUNCTION host_stats(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.host_stats() FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.host_stats() TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.host_stats() TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.host_stats() TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.host_stats() TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.host_stats() TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.host_stats() TO taskmaster_readonly;


--
-- Name: FUNCTION identity_challenge(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.identity_challenge() FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.identity_challenge() TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.identity_challenge() TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.identity_challenge() TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.identity_challenge() TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.identity_challenge() TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.identity_challenge() TO taskmaster_readonly;


--
-- Name: FUNCTION import_taskmaster_json(p_doc jsonb, p_dry_run boolean); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.import_taskmaster_json(p_doc jsonb, p_dry_run boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.import_taskmaster_json(p_doc jsonb, p_dry_run boolean) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.import_taskmaster_json(p_doc jsonb, p_dry_run boolean) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.import_taskmaster_json(p_doc jsonb, p_dry_run boolean) TO taskmaster_owner;


--
-- Name: FUNCTION integration_status(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.integration_status() FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.integration_status() TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.integration_status() TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.integration_status() TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.integration_status() TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.integration_status() TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.integration_status() TO taskmaster_readonly;


--
-- Name: FUNCTION log_api_call(p_integration_name character varying, p_endpoint character varying, p_method character varying, p_response_status integer, p_response_time_ms integer, p_task_id uuid, p_user_id character varying, p_error_message text, p_correlation_id character varying, p_request_headers jsonb, p_request_body jsonb, p_response_headers jsonb, p_response_body jsonb, p_retry_count integer, p_integration_type character varying, p_tokens_in bigint, p_tokens_out bigint, p_cost_usd numeric); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.log_api_call(p_integration_name character varying, p_endpoint character varying, p_method character varying, p_response_status integer, p_response_time_ms integer, p_task_id uuid, p_user_id character varying, p_error_message text, p_correlation_id character varying, p_request_headers jsonb, p_request_body jsonb, p_response_headers jsonb, p_response_body jsonb, p_retry_count integer, p_integration_type character varying, p_tokens_in bigint, p_tokens_out bigint, p_cost_usd numeric) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.log_api_call(p_integration_name character varying, p_endpoint character varying, p_method character varying, p_response_status integer, p_response_time_ms integer, p_task_id uuid, p_user_id character varying, p_error_message text, p_correlation_id character varying, p_request_headers jsonb, p_request_body jsonb, p_response_headers jsonb, p_response_body jsonb, p_retry_count integer, p_integration_type character varying, p_tokens_in bigint, p_tokens_out bigint, p_cost_usd numeric) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.log_api_call(p_integration_name character varying, p_endpoint character varying, p_method character varying, p_response_status integer, p_response_time_ms integer, p_task_id uuid, p_user_id character varying, p_error_message text, p_correlation_id character varying, p_request_headers jsonb, p_request_body jsonb, p_response_headers jsonb, p_response_body jsonb, p_retry_count integer, p_integration_type character varying, p_tokens_in bigint, p_tokens_out bigint, p_cost_usd numeric) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.log_api_call(p_integration_name character varying, p_endpoint character varying, p_method character varying, p_response_status integer, p_response_time_ms integer, p_task_id uuid, p_user_id character varying, p_error_message text, p_correlation_id character varying, p_request_headers jsonb, p_request_body jsonb, p_response_headers jsonb, p_response_body jsonb, p_retry_count integer, p_integration_type character varying, p_tokens_in bigint, p_tokens_out bigint, p_cost_usd numeric) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.log_api_call(p_integration_name character varying, p_endpoint character varying, p_method character varying, p_response_status integer, p_response_time_ms integer, p_task_id uuid, p_user_id character varying, p_error_message text, p_correlation_id character varying, p_request_headers jsonb, p_request_body jsonb, p_response_headers jsonb, p_response_body jsonb, p_retry_count integer, p_integration_type character varying, p_tokens_in bigint, p_tokens_out bigint, p_cost_usd numeric) TO taskmaster_owner;


--
-- Name: FUNCTION make_partition(p_table name, p_from date, p_to date); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.make_partition(p_table name, p_from date, p_to date) FROM PUBLIC;


--
-- Name: FUNCTION metric_labels_key(p_component character varying, p_metric_type character varying, p_metric_unit character varying, p_tags jsonb); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.metric_labels_key(p_component character varying, p_metric_type character varying, p_metric_unit character varying, p_tags jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.metric_labels_key(p_component character varying, p_metric_type character varying, p_metric_unit character varying, p_tags jsonb) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.metric_labels_key(p_component character varying, p_metric_type character varying, p_metric_unit character varying, p_tags jsonb) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.metric_labels_key(p_component character varying, p_metric_type character varying, p_metric_unit character varying, p_tags jsonb) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.metric_labels_key(p_component character varying, p_metric_type character varying, p_metric_unit character varying, p_tags jsonb) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.metric_labels_key(p_component character varying, p_metric_type character varying, p_metric_unit character varying, p_tags jsonb) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.metric_labels_key(p_component character varying, p_metric_type character varying, p_metric_unit character varying, p_tags jsonb) TO taskmaster_readonly;


--
-- Name: FUNCTION metric_series(p_name character varying, p_from timestamp with time zone, p_to timestamp with time zone, p_step interval, p_agg character varying, p_filter jsonb); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.metric_series(p_name character varying, p_from timestamp with time zone, p_to timestamp with time zone, p_step interval, p_agg character varying, p_filter jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.metric_series(p_name character varying, p_from timestamp with time zone, p_to timestamp with time zone, p_step interval, p_agg character varying, p_filter jsonb) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.metric_series(p_name character varying, p_from timestamp with time zone, p_to timestamp with time zone, p_step interval, p_agg character varying, p_filter jsonb) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.metric_series(p_name character varying, p_from timestamp with time zone, p_to timestamp with time zone, p_step interval, p_agg character varying, p_filter jsonb) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.metric_series(p_name character varying, p_from timestamp with time zone, p_to timestamp with time zone, p_step interval, p_agg character varying, p_filter jsonb) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.metric_series(p_name character varying, p_from timestamp with time zone, p_to timestamp with time zone, p_step interval, p_agg character varying, p_filter jsonb) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.metric_series(p_name character varying, p_from timestamp with time zone, p_to timestamp with time zone, p_step interval, p_agg character varying, p_filter jsonb) TO taskmaster_readonly;


--
-- Name: FUNCTION next_task(p_assigned_to text, p_types text[], p_limit integer); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.next_task(p_assigned_to text, p_types text[], p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.next_task(p_assigned_to text, p_types text[], p_limit integer) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.next_task(p_assigned_to text, p_types text[], p_limit integer) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.next_task(p_assigned_to text, p_types text[], p_limit integer) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.next_task(p_assigned_to text, p_types text[], p_limit integer) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.next_task(p_assigned_to text, p_types text[], p_limit integer) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.next_task(p_assigned_to text, p_types text[], p_limit integer) TO taskmaster_readonly;


--
-- Name: FUNCTION observe_rate_headers(p_integration_name character varying, p_headers jsonb, p_integration_type character varying); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.observe_rate_headers(p_integration_name character varying, p_headers jsonb, p_integration_type character varying) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.observe_rate_headers(p_integration_name character varying, p_headers jsonb, p_integration_type character varying) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.observe_rate_headers(p_integration_name character varying, p_headers jsonb, p_integration_type character varying) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.observe_rate_headers(p_integration_name character varying, p_headers jsonb, p_integration_type character varying) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.observe_rate_headers(p_integration_name character varying, p_headers jsonb, p_integration_type character varying) TO taskmaster_owner;


--
-- Name: FUNCTION on_new_functions(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.on_new_functions() FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.on_new_functions() TO taskmaster_owner;


--
-- Name: FUNCTION openmetrics(p_include text[]); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.openmetrics(p_include text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.openmetrics(p_include text[]) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.openmetrics(p_include text[]) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.openmetrics(p_include text[]) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.openmetrics(p_include text[]) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.openmetrics(p_include text[]) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.openmetrics(p_include text[]) TO taskmaster_readonly;


--
-- Name: FUNCTION partition_family(p_table regclass); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.partition_family(p_table regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.partition_family(p_table regclass) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.partition_family(p_table regclass) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.partition_family(p_table regclass) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.partition_family(p_table regclass) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.partition_family(p_table regclass) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.partition_family(p_table regclass) TO taskmaster_readonly;


--
-- Name: FUNCTION partition_status(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.partition_status() FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.partition_status() TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.partition_status() TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.partition_status() TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.partition_status() TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.partition_status() TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.partition_status() TO taskmaster_readonly;


--
-- Name: FUNCTION protect_table(p_table regclass, p_agent text, p_integration text, p_rows text, p_audit text, p_unaudited text[], p_admin text, p_readers text); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.protect_table(p_table regclass, p_agent text, p_integration text, p_rows text, p_audit text, p_unaudited text[], p_admin text, p_readers text) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.protect_table(p_table regclass, p_agent text, p_integration text, p_rows text, p_audit text, p_unaudited text[], p_admin text, p_readers text) TO taskmaster_owner;


--
-- Name: FUNCTION record_health_check(p_integration_name character varying, p_ok boolean, p_response_time_ms integer, p_error text, p_integration_type character varying); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.record_health_check(p_integration_name character varying, p_ok boolean, p_response_time_ms integer, p_error text, p_integration_type character varying) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.record_health_check(p_integration_name character varying, p_ok boolean, p_response_time_ms integer, p_error text, p_integration_type character varying) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.record_health_check(p_integration_name character varying, p_ok boolean, p_response_time_ms integer, p_error text, p_integration_type character varying) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.record_health_check(p_integration_name character varying, p_ok boolean, p_response_time_ms integer, p_error text, p_integration_type character varying) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.record_health_check(p_integration_name character varying, p_ok boolean, p_response_time_ms integer, p_error text, p_integration_type character varying) TO taskmaster_owner;


--
-- Name: FUNCTION record_metric(p_metric_name character varying, p_metric_value numeric, p_component character varying, p_metric_type character varying, p_tags jsonb, p_metric_unit character varying, p_source_system character varying, p_recorded_at timestamp with time zone, p_metric_metadata jsonb); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.record_metric(p_metric_name character varying, p_metric_value numeric, p_component character varying, p_metric_type character varying, p_tags jsonb, p_metric_unit character varying, p_source_system character varying, p_recorded_at timestamp with time zone, p_metric_metadata jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.record_metric(p_metric_name character varying, p_metric_value numeric, p_component character varying, p_metric_type character varying, p_tags jsonb, p_metric_unit character varying, p_source_system character varying, p_recorded_at timestamp with time zone, p_metric_metadata jsonb) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.record_metric(p_metric_name character varying, p_metric_value numeric, p_component character varying, p_metric_type character varying, p_tags jsonb, p_metric_unit character varying, p_source_system character varying, p_recorded_at timestamp with time zone, p_metric_metadata jsonb) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.record_metric(p_metric_name character varying, p_metric_value numeric, p_component character varying, p_metric_type character varying, p_tags jsonb, p_metric_unit character varying, p_source_system character varying, p_recorded_at timestamp with time zone, p_metric_metadata jsonb) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.record_metric(p_metric_name character varying, p_metric_value numeric, p_component character varying, p_metric_type character varying, p_tags jsonb, p_metric_unit character varying, p_source_system character varying, p_recorded_at timestamp with time zone, p_metric_metadata jsonb) TO taskmaster_owner;


--
-- Name: FUNCTION record_metric_arrays(p_names character varying[], p_values numeric[], p_components character varying[], p_types character varying[], p_tags jsonb[], p_units character varying[], p_sources character varying[], p_recorded_at timestamp with time zone[]); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.record_metric_arrays(p_names character varying[], p_values numeric[], p_components character varying[], p_types character varying[], p_tags jsonb[], p_units character varying[], p_sources character varying[], p_recorded_at timestamp with time zone[]) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.record_metric_arrays(p_names character varying[], p_values numeric[], p_components character varying[], p_types character varying[], p_tags jsonb[], p_units character varying[], p_sources character varying[], p_recorded_at timestamp with time zone[]) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.record_metric_arrays(p_names character varying[], p_values numeric[], p_components character varying[], p_types character varying[], p_tags jsonb[], p_units character varying[], p_sources character varying[], p_recorded_at timestamp with time zone[]) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.record_metric_arrays(p_names character varying[], p_values numeric[], p_components character varying[], p_types character varying[], p_tags jsonb[], p_units character varying[], p_sources character varying[], p_recorded_at timestamp with time zone[]) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.record_metric_arrays(p_names character varying[], p_values numeric[], p_components character varying[], p_types character varying[], p_tags jsonb[], p_units character varying[], p_sources character varying[], p_recorded_at timestamp with time zone[]) TO taskmaster_owner;


--
-- Name: FUNCTION record_metrics(p_metrics jsonb); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.record_metrics(p_metrics jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.record_metrics(p_metrics jsonb) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.record_metrics(p_metrics jsonb) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.record_metrics(p_metrics jsonb) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.record_metrics(p_metrics jsonb) TO taskmaster_owner;


--
-- Name: FUNCTION redact_audit(p_subject text, p_pseudonym text, p_request uuid, p_text_columns text[], p_dry_run boolean); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.redact_audit(p_subject text, p_pseudonym text, p_request uuid, p_text_columns text[], p_dry_run boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.redact_audit(p_subject text, p_pseudonym text, p_request uuid, p_text_columns text[], p_dry_run boolean) TO taskmaster_owner;


--
-- Name: FUNCTION redrive_tasks(p_filter jsonb, p_limit integer); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.redrive_tasks(p_filter jsonb, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.redrive_tasks(p_filter jsonb, p_limit integer) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.redrive_tasks(p_filter jsonb, p_limit integer) TO taskmaster_owner;


--
-- Name: FUNCTION refuse_plain_secret(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.refuse_plain_secret() FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.refuse_plain_secret() TO taskmaster_owner;


--
-- Name: FUNCTION refuse_rewriting(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.refuse_rewriting() FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.refuse_rewriting() TO taskmaster_owner;


--
-- Name: FUNCTION register_integration(p_type character varying, p_name character varying, p_configuration jsonb, p_rate_limit_per_minute integer, p_health_check_url character varying); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.register_integration(p_type character varying, p_name character varying, p_configuration jsonb, p_rate_limit_per_minute integer, p_health_check_url character varying) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.register_integration(p_type character varying, p_name character varying, p_configuration jsonb, p_rate_limit_per_minute integer, p_health_check_url character varying) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.register_integration(p_type character varying, p_name character varying, p_configuration jsonb, p_rate_limit_per_minute integer, p_health_check_url character varying) TO taskmaster_owner;


--
-- Name: FUNCTION release_task(p_task_id uuid, p_claim_token bigint, p_delay interval); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.release_task(p_task_id uuid, p_claim_token bigint, p_delay interval) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.release_task(p_task_id uuid, p_claim_token bigint, p_delay interval) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.release_task(p_task_id uuid, p_claim_token bigint, p_delay interval) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.release_task(p_task_id uuid, p_claim_token bigint, p_delay interval) TO taskmaster_owner;


--
-- Name: FUNCTION remove_dependency(p_task_id uuid, p_depends_on uuid); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.remove_dependency(p_task_id uuid, p_depends_on uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.remove_dependency(p_task_id uuid, p_depends_on uuid) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.remove_dependency(p_task_id uuid, p_depends_on uuid) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.remove_dependency(p_task_id uuid, p_depends_on uuid) TO taskmaster_owner;


--
-- Name: FUNCTION requeue_expired(p_limit integer); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.requeue_expired(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.requeue_expired(p_limit integer) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.requeue_expired(p_limit integer) TO taskmaster_owner;


--
-- Name: FUNCTION resolve_due_gates(p_limit integer); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.resolve_due_gates(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.resolve_due_gates(p_limit integer) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.resolve_due_gates(p_limit integer) TO taskmaster_owner;


--
-- Name: FUNCTION resolve_gate(p_gate_id uuid, p_by text, p_result jsonb); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.resolve_gate(p_gate_id uuid, p_by text, p_result jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.resolve_gate(p_gate_id uuid, p_by text, p_result jsonb) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.resolve_gate(p_gate_id uuid, p_by text, p_result jsonb) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.resolve_gate(p_gate_id uuid, p_by text, p_result jsonb) TO taskmaster_owner;


--
-- Name: FUNCTION retry_workflow(p_workflow_id uuid, p_from_step character varying); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.retry_workflow(p_workflow_id uuid, p_from_step character varying) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.retry_workflow(p_workflow_id uuid, p_from_step character varying) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.retry_workflow(p_workflow_id uuid, p_from_step character varying) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.retry_workflow(p_workflow_id uuid, p_from_step character varying) TO taskmaster_owner;


--
-- Name: FUNCTION roll_up_metrics(p_until timestamp with time zone, p_max_buckets integer); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.roll_up_metrics(p_until timestamp with time zone, p_max_buckets integer) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.roll_up_metrics(p_until timestamp with time zone, p_max_buckets integer) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.roll_up_metrics(p_until timestamp with time zone, p_max_buckets integer) TO taskmaster_owner;


--
-- Name: FUNCTION rows_in_default(p_partition name); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.rows_in_default(p_partition name) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.rows_in_default(p_partition name) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.rows_in_default(p_partition name) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.rows_in_default(p_partition name) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.rows_in_default(p_partition name) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.rows_in_default(p_partition name) TO taskmaster_readonly;


--
-- Name: FUNCTION seal_audit(p_until timestamp with time zone); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.seal_audit(p_until timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.seal_audit(p_until timestamp with time zone) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.seal_audit(p_until timestamp with time zone) TO taskmaster_owner;


--
-- Name: FUNCTION search_tasks(p_query text, p_filter jsonb, p_limit integer); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.search_tasks(p_query text, p_filter jsonb, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.search_tasks(p_query text, p_filter jsonb, p_limit integer) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.search_tasks(p_query text, p_filter jsonb, p_limit integer) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.search_tasks(p_query text, p_filter jsonb, p_limit integer) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.search_tasks(p_query text, p_filter jsonb, p_limit integer) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.search_tasks(p_query text, p_filter jsonb, p_limit integer) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.search_tasks(p_query text, p_filter jsonb, p_limit integer) TO taskmaster_readonly;


--
-- Name: FUNCTION separate_tenants(p_table regclass); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.separate_tenants(p_table regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.separate_tenants(p_table regclass) TO taskmaster_owner;


--
-- Name: FUNCTION set_legal_hold(p_subject text, p_until timestamp with time zone, p_reason text); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.set_legal_hold(p_subject text, p_until timestamp with time zone, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.set_legal_hold(p_subject text, p_until timestamp with time zone, p_reason text) TO taskmaster_admin;


--
-- Name: FUNCTION set_retention(p_table regclass, p_ttl interval, p_mode text); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.set_retention(p_table regclass, p_ttl interval, p_mode text) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.set_retention(p_table regclass, p_ttl interval, p_mode text) TO taskmaster_admin;


--
-- Name: FUNCTION set_task_budget(p_task_id uuid, p_tokens_max bigint, p_cost_usd_max numeric, p_warn_ratio numeric); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.set_task_budget(p_task_id uuid, p_tokens_max bigint, p_cost_usd_max numeric, p_warn_ratio numeric) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.set_task_budget(p_task_id uuid, p_tokens_max bigint, p_cost_usd_max numeric, p_warn_ratio numeric) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.set_task_budget(p_task_id uuid, p_tokens_max bigint, p_cost_usd_max numeric, p_warn_ratio numeric) TO taskmaster_owner;


--
-- Name: FUNCTION set_updated_at(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.set_updated_at() FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.set_updated_at() TO taskmaster_owner;


--
-- Name: FUNCTION settle_task_dependencies(); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.settle_task_dependencies() FROM PUBLIC;


--
-- Name: FUNCTION task_budget(p_task_id uuid); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.task_budget(p_task_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.task_budget(p_task_id uuid) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.task_budget(p_task_id uuid) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.task_budget(p_task_id uuid) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.task_budget(p_task_id uuid) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.task_budget(p_task_id uuid) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.task_budget(p_task_id uuid) TO taskmaster_readonly;


--
-- Name: FUNCTION tick(p_budget_ms integer); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.tick(p_budget_ms integer) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.tick(p_budget_ms integer) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.tick(p_budget_ms integer) TO taskmaster_owner;


--
-- Name: FUNCTION try_make_partition(p_table name, p_from date, p_to date); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.try_make_partition(p_table name, p_from date, p_to date) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.try_make_partition(p_table name, p_from date, p_to date) TO taskmaster_owner;


--
-- Name: FUNCTION update_task(p_task_id uuid, p_patch jsonb, p_expected_version bigint); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.update_task(p_task_id uuid, p_patch jsonb, p_expected_version bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.update_task(p_task_id uuid, p_patch jsonb, p_expected_version bigint) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.update_task(p_task_id uuid, p_patch jsonb, p_expected_version bigint) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.update_task(p_task_id uuid, p_patch jsonb, p_expected_version bigint) TO taskmaster_owner;


--
-- Name: FUNCTION update_task_status(p_task_id uuid, p_new_status character varying, p_user_id character varying, p_notes text, p_claim_token bigint, p_force boolean); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.update_task_status(p_task_id uuid, p_new_status character varying, p_user_id character varying, p_notes text, p_claim_token bigint, p_force boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.update_task_status(p_task_id uuid, p_new_status character varying, p_user_id character varying, p_notes text, p_claim_token bigint, p_force boolean) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.update_task_status(p_task_id uuid, p_new_status character varying, p_user_id character varying, p_notes text, p_claim_token bigint, p_force boolean) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.update_task_status(p_task_id uuid, p_new_status character varying, p_user_id character varying, p_notes text, p_claim_token bigint, p_force boolean) TO taskmaster_owner;


--
-- Name: FUNCTION update_workflow_step(p_workflow_id uuid, p_step_name character varying, p_step_status character varying, p_step_result jsonb, p_error_message text, p_expected_attempt integer); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.update_workflow_step(p_workflow_id uuid, p_step_name character varying, p_step_status character varying, p_step_result jsonb, p_error_message text, p_expected_attempt integer) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.update_workflow_step(p_workflow_id uuid, p_step_name character varying, p_step_status character varying, p_step_result jsonb, p_error_message text, p_expected_attempt integer) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.update_workflow_step(p_workflow_id uuid, p_step_name character varying, p_step_status character varying, p_step_result jsonb, p_error_message text, p_expected_attempt integer) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.update_workflow_step(p_workflow_id uuid, p_step_name character varying, p_step_status character varying, p_step_result jsonb, p_error_message text, p_expected_attempt integer) TO taskmaster_owner;


--
-- Name: FUNCTION verify_audit(p_from timestamp with time zone, p_to timestamp with time zone); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.verify_audit(p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.verify_audit(p_from timestamp with time zone, p_to timestamp with time zone) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.verify_audit(p_from timestamp with time zone, p_to timestamp with time zone) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.verify_audit(p_from timestamp with time zone, p_to timestamp with time zone) TO taskmaster_auditor;


--
-- Name: FUNCTION ddsketch_agg(double precision); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.ddsketch_agg(double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.ddsketch_agg(double precision) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.ddsketch_agg(double precision) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.ddsketch_agg(double precision) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.ddsketch_agg(double precision) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.ddsketch_agg(double precision) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.ddsketch_agg(double precision) TO taskmaster_readonly;


--
-- Name: FUNCTION ddsketch_merge(bytea); Type: ACL; Schema: taskmaster; Owner: -
--

REVOKE ALL ON FUNCTION taskmaster.ddsketch_merge(bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION taskmaster.ddsketch_merge(bytea) TO taskmaster_admin;
GRANT ALL ON FUNCTION taskmaster.ddsketch_merge(bytea) TO taskmaster_agent;
GRANT ALL ON FUNCTION taskmaster.ddsketch_merge(bytea) TO taskmaster_auditor;
GRANT ALL ON FUNCTION taskmaster.ddsketch_merge(bytea) TO taskmaster_integration;
GRANT ALL ON FUNCTION taskmaster.ddsketch_merge(bytea) TO taskmaster_owner;
GRANT ALL ON FUNCTION taskmaster.ddsketch_merge(bytea) TO taskmaster_readonly;


--
-- Name: TABLE api_access_logs; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.api_access_logs TO taskmaster_admin;
GRANT SELECT,INSERT ON TABLE taskmaster.api_access_logs TO taskmaster_agent;
GRANT SELECT,INSERT ON TABLE taskmaster.api_access_logs TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.api_access_logs TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.api_access_logs TO taskmaster_auditor;


--
-- Name: TABLE audit_log; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT ON TABLE taskmaster.audit_log TO taskmaster_auditor;


--
-- Name: TABLE audit_seals; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT ON TABLE taskmaster.audit_seals TO taskmaster_auditor;


--
-- Name: TABLE task_dependencies; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.task_dependencies TO taskmaster_admin;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE taskmaster.task_dependencies TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.task_dependencies TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.task_dependencies TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.task_dependencies TO taskmaster_auditor;


--
-- Name: TABLE task_gates; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.task_gates TO taskmaster_admin;
GRANT SELECT,INSERT,UPDATE ON TABLE taskmaster.task_gates TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.task_gates TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.task_gates TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.task_gates TO taskmaster_auditor;


--
-- Name: TABLE tasks; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.tasks TO taskmaster_admin;
GRANT SELECT,INSERT,UPDATE ON TABLE taskmaster.tasks TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.tasks TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.tasks TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.tasks TO taskmaster_auditor;


--
-- Name: TABLE blocked_tasks; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT ON TABLE taskmaster.blocked_tasks TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.blocked_tasks TO taskmaster_auditor;
GRANT SELECT ON TABLE taskmaster.blocked_tasks TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.blocked_tasks TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.blocked_tasks TO taskmaster_readonly;


--
-- Name: TABLE blocking_tasks; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT ON TABLE taskmaster.blocking_tasks TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.blocking_tasks TO taskmaster_auditor;
GRANT SELECT ON TABLE taskmaster.blocking_tasks TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.blocking_tasks TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.blocking_tasks TO taskmaster_readonly;


--
-- Name: SEQUENCE claim_token_seq; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT USAGE ON SEQUENCE taskmaster.claim_token_seq TO taskmaster_admin;
GRANT USAGE ON SEQUENCE taskmaster.claim_token_seq TO taskmaster_agent;


--
-- Name: TABLE erasure_requests; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT ON TABLE taskmaster.erasure_requests TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.erasure_requests TO taskmaster_auditor;


--
-- Name: TABLE external_integrations; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.external_integrations TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.external_integrations TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.external_integrations TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.external_integrations TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.external_integrations TO taskmaster_auditor;


--
-- Name: COLUMN external_integrations.last_used_at; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT UPDATE(last_used_at) ON TABLE taskmaster.external_integrations TO taskmaster_agent;
GRANT UPDATE(last_used_at) ON TABLE taskmaster.external_integrations TO taskmaster_integration;


--
-- Name: COLUMN external_integrations.last_health_check; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT UPDATE(last_health_check) ON TABLE taskmaster.external_integrations TO taskmaster_agent;
GRANT UPDATE(last_health_check) ON TABLE taskmaster.external_integrations TO taskmaster_integration;


--
-- Name: COLUMN external_integrations.health_status; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT UPDATE(health_status) ON TABLE taskmaster.external_integrations TO taskmaster_agent;
GRANT UPDATE(health_status) ON TABLE taskmaster.external_integrations TO taskmaster_integration;


--
-- Name: COLUMN external_integrations.current_usage; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT UPDATE(current_usage) ON TABLE taskmaster.external_integrations TO taskmaster_agent;
GRANT UPDATE(current_usage) ON TABLE taskmaster.external_integrations TO taskmaster_integration;


--
-- Name: COLUMN external_integrations.usage_reset_at; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT UPDATE(usage_reset_at) ON TABLE taskmaster.external_integrations TO taskmaster_agent;
GRANT UPDATE(usage_reset_at) ON TABLE taskmaster.external_integrations TO taskmaster_integration;


--
-- Name: TABLE function_access; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT ON TABLE taskmaster.function_access TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.function_access TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.function_access TO taskmaster_auditor;


--
-- Name: TABLE idempotency_keys; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.idempotency_keys TO taskmaster_admin;
GRANT SELECT,INSERT,UPDATE ON TABLE taskmaster.idempotency_keys TO taskmaster_agent;


--
-- Name: TABLE integration_health; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.integration_health TO taskmaster_admin;
GRANT SELECT,INSERT,UPDATE ON TABLE taskmaster.integration_health TO taskmaster_agent;
GRANT SELECT,INSERT,UPDATE ON TABLE taskmaster.integration_health TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.integration_health TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.integration_health TO taskmaster_auditor;


--
-- Name: TABLE integration_health_history; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.integration_health_history TO taskmaster_admin;
GRANT SELECT,INSERT,DELETE ON TABLE taskmaster.integration_health_history TO taskmaster_agent;
GRANT SELECT,INSERT,DELETE ON TABLE taskmaster.integration_health_history TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.integration_health_history TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.integration_health_history TO taskmaster_auditor;


--
-- Name: TABLE integration_rate_state; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.integration_rate_state TO taskmaster_admin;
GRANT SELECT,INSERT,UPDATE ON TABLE taskmaster.integration_rate_state TO taskmaster_agent;
GRANT SELECT,INSERT,UPDATE ON TABLE taskmaster.integration_rate_state TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.integration_rate_state TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.integration_rate_state TO taskmaster_auditor;


--
-- Name: TABLE legal_holds; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT ON TABLE taskmaster.legal_holds TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.legal_holds TO taskmaster_auditor;


--
-- Name: TABLE maintenance_state; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.maintenance_state TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.maintenance_state TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.maintenance_state TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.maintenance_state TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.maintenance_state TO taskmaster_auditor;


--
-- Name: TABLE metric_dirty_buckets; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.metric_dirty_buckets TO taskmaster_admin;
GRANT SELECT,INSERT ON TABLE taskmaster.metric_dirty_buckets TO taskmaster_agent;
GRANT SELECT,INSERT ON TABLE taskmaster.metric_dirty_buckets TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.metric_dirty_buckets TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.metric_dirty_buckets TO taskmaster_auditor;


--
-- Name: TABLE metric_rollups; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.metric_rollups TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.metric_rollups TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.metric_rollups TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.metric_rollups TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.metric_rollups TO taskmaster_auditor;


--
-- Name: TABLE metric_series; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.metric_series TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.metric_series TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.metric_series TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.metric_series TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.metric_series TO taskmaster_auditor;


--
-- Name: TABLE partition_bounds; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT ON TABLE taskmaster.partition_bounds TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.partition_bounds TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.partition_bounds TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.partition_bounds TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.partition_bounds TO taskmaster_auditor;


--
-- Name: TABLE personal_columns; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT ON TABLE taskmaster.personal_columns TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.personal_columns TO taskmaster_auditor;


--
-- Name: TABLE ready_tasks; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT ON TABLE taskmaster.ready_tasks TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.ready_tasks TO taskmaster_auditor;
GRANT SELECT ON TABLE taskmaster.ready_tasks TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.ready_tasks TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.ready_tasks TO taskmaster_readonly;


--
-- Name: TABLE retention_policies; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.retention_policies TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.retention_policies TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.retention_policies TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.retention_policies TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.retention_policies TO taskmaster_auditor;


--
-- Name: TABLE rollup_samples; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.rollup_samples TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.rollup_samples TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.rollup_samples TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.rollup_samples TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.rollup_samples TO taskmaster_auditor;


--
-- Name: TABLE rollup_watermarks; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.rollup_watermarks TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.rollup_watermarks TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.rollup_watermarks TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.rollup_watermarks TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.rollup_watermarks TO taskmaster_auditor;


--
-- Name: TABLE schema_migrations; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT ON TABLE taskmaster.schema_migrations TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.schema_migrations TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.schema_migrations TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.schema_migrations TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.schema_migrations TO taskmaster_auditor;


--
-- Name: TABLE system_metrics; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.system_metrics TO taskmaster_admin;
GRANT SELECT,INSERT ON TABLE taskmaster.system_metrics TO taskmaster_agent;
GRANT SELECT,INSERT ON TABLE taskmaster.system_metrics TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.system_metrics TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.system_metrics TO taskmaster_auditor;


--
-- Name: TABLE task_budgets; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.task_budgets TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.task_budgets TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.task_budgets TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.task_budgets TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.task_budgets TO taskmaster_auditor;


--
-- Name: COLUMN task_budgets.task_id; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT INSERT(task_id) ON TABLE taskmaster.task_budgets TO taskmaster_agent;
GRANT INSERT(task_id) ON TABLE taskmaster.task_budgets TO taskmaster_integration;


--
-- Name: COLUMN task_budgets.tokens_used; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT INSERT(tokens_used),UPDATE(tokens_used) ON TABLE taskmaster.task_budgets TO taskmaster_agent;
GRANT INSERT(tokens_used),UPDATE(tokens_used) ON TABLE taskmaster.task_budgets TO taskmaster_integration;


--
-- Name: COLUMN task_budgets.cost_usd_used; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT INSERT(cost_usd_used),UPDATE(cost_usd_used) ON TABLE taskmaster.task_budgets TO taskmaster_agent;
GRANT INSERT(cost_usd_used),UPDATE(cost_usd_used) ON TABLE taskmaster.task_budgets TO taskmaster_integration;


--
-- Name: TABLE task_contexts; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.task_contexts TO taskmaster_admin;
GRANT SELECT,INSERT,UPDATE ON TABLE taskmaster.task_contexts TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.task_contexts TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.task_contexts TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.task_contexts TO taskmaster_auditor;


--
-- Name: SEQUENCE task_display_id_seq; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT USAGE ON SEQUENCE taskmaster.task_display_id_seq TO taskmaster_admin;
GRANT USAGE ON SEQUENCE taskmaster.task_display_id_seq TO taskmaster_agent;


--
-- Name: TABLE task_events; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.task_events TO taskmaster_admin;
GRANT SELECT,INSERT ON TABLE taskmaster.task_events TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.task_events TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.task_events TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.task_events TO taskmaster_auditor;


--
-- Name: SEQUENCE task_events_seq_seq; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT ON SEQUENCE taskmaster.task_events_seq_seq TO taskmaster_admin;
GRANT SELECT ON SEQUENCE taskmaster.task_events_seq_seq TO taskmaster_agent;


--
-- Name: TABLE task_status_transitions; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.task_status_transitions TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.task_status_transitions TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.task_status_transitions TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.task_status_transitions TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.task_status_transitions TO taskmaster_auditor;


--
-- Name: TABLE v_taskmaster_tasks; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT ON TABLE taskmaster.v_taskmaster_tasks TO taskmaster_admin;
GRANT SELECT ON TABLE taskmaster.v_taskmaster_tasks TO taskmaster_auditor;
GRANT SELECT ON TABLE taskmaster.v_taskmaster_tasks TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.v_taskmaster_tasks TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.v_taskmaster_tasks TO taskmaster_readonly;


--
-- Name: TABLE workflow_steps; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.workflow_steps TO taskmaster_admin;
GRANT SELECT,INSERT,UPDATE ON TABLE taskmaster.workflow_steps TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.workflow_steps TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.workflow_steps TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.workflow_steps TO taskmaster_auditor;


--
-- Name: TABLE workflows; Type: ACL; Schema: taskmaster; Owner: -
--

GRANT SELECT,INSERT,DELETE,TRUNCATE,UPDATE ON TABLE taskmaster.workflows TO taskmaster_admin;
GRANT SELECT,INSERT,UPDATE ON TABLE taskmaster.workflows TO taskmaster_agent;
GRANT SELECT ON TABLE taskmaster.workflows TO taskmaster_integration;
GRANT SELECT ON TABLE taskmaster.workflows TO taskmaster_readonly;
GRANT SELECT ON TABLE taskmaster.workflows TO taskmaster_auditor;


--
-- Name: taskmaster_new_functions; Type: EVENT TRIGGER; Schema: -; Owner: -
--

CREATE EVENT TRIGGER taskmaster_new_functions ON ddl_command_end
         WHEN TAG IN ('CREATE FUNCTION', 'CREATE PROCEDURE', 'CREATE AGGREGATE', 'CREATE EXTENSION', 'ALTER EXTENSION')
   EXECUTE FUNCTION taskmaster.on_new_functions();


--
-- PostgreSQL database dump complete
--


