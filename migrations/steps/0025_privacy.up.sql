-- What is held about a person, and how that is given out and erased. In PL/pgSQL, because which
-- columns are personal is data: a step that adds one says so in personal_columns.
--
-- The functions run as the owner, across all tenants, for taskmaster_admin without a tenant.

CREATE TABLE taskmaster.personal_columns (
    table_name text NOT NULL,
    column_name text NOT NULL,
    kind text NOT NULL,
    on_delete text NOT NULL DEFAULT 'clear',
    PRIMARY KEY (table_name, column_name),
    CONSTRAINT personal_columns_kind_check CHECK (kind IN ('identifier', 'json', 'text')),
    CONSTRAINT personal_columns_on_delete_check CHECK (
        on_delete IN ('clear', 'pseudonym') OR on_delete = 'row' AND kind = 'identifier')
);

COMMENT ON TABLE taskmaster.personal_columns IS
    'Columns that may name a person: as their whole value, as a string within JSON, or within text';

COMMENT ON COLUMN taskmaster.personal_columns.on_delete IS
    'What deletion does: "clear" the value, put a "pseudonym", or delete the "row", which then is about nobody else';

-- A row for a table or column that a later step makes does no harm before.
INSERT INTO taskmaster.personal_columns (table_name, column_name, kind) VALUES
    ('tasks', 'assigned_to', 'identifier'),
    ('tasks', 'created_by', 'identifier'),
    ('tasks', 'title', 'text'),
    ('tasks', 'description', 'text'),
    ('tasks', 'requirements', 'json'),
    ('tasks', 'acceptance_criteria', 'json'),
    ('tasks', 'metadata', 'json'),
    ('workflows', 'steps_completed', 'json'),
    ('workflows', 'error_log', 'json'),
    ('workflows', 'metadata', 'json'),
    ('workflows', 'validation_results', 'json'),
    ('system_metrics', 'tags', 'json'),
    ('system_metrics', 'metric_metadata', 'json'),
    ('external_integrations', 'configuration', 'json'),
    ('api_access_logs', 'user_id', 'identifier'),
    ('api_access_logs', 'request_headers', 'json'),
    ('api_access_logs', 'request_body', 'json'),
    ('api_access_logs', 'response_headers', 'json'),
    ('api_access_logs', 'response_body', 'json'),
    ('api_access_logs', 'error_message', 'text'),
    ('api_access_logs', 'adjustments', 'json'),
    ('task_dependencies', 'created_by', 'identifier'),
    ('task_gates', 'created_by', 'identifier'),
    ('task_gates', 'resolved_by', 'identifier'),
    ('task_gates', 'await', 'json'),
    ('task_gates', 'result', 'json'),
    ('task_events', 'actor', 'identifier'),
    ('task_events', 'payload', 'json'),
    ('task_contexts', 'created_by', 'identifier'),
    ('task_contexts', 'context_data', 'json'),
    ('idempotency_keys', 'scope', 'text'),
    ('workflow_steps', 'result', 'json'),
    ('workflow_steps', 'error', 'text'),
    ('integration_health_history', 'error', 'text'),
    ('metric_series', 'tags', 'json');

INSERT INTO taskmaster.personal_columns (table_name, column_name, kind, on_delete) VALUES
    -- A lease has a holder.
    ('tasks', 'claimed_by', 'identifier', 'pseudonym'),
    ('legal_holds', 'subject', 'identifier', 'row'),
    ('legal_holds', 'reason', 'text', 'clear');

CREATE TABLE taskmaster.legal_holds (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    subject text NOT NULL,
    until timestamp with time zone NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT now(),
    updated_at timestamp with time zone NOT NULL DEFAULT now(),
    CONSTRAINT legal_holds_subject_key UNIQUE (subject),
    CONSTRAINT legal_holds_reason_check CHECK (btrim(reason) <> '')
);

COMMENT ON TABLE taskmaster.legal_holds IS 'Persons whose data must not be erased until a time';

CREATE TABLE taskmaster.erasure_requests (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    mode text NOT NULL,
    reason text NOT NULL,
    erased_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    counts jsonb NOT NULL,
    CONSTRAINT erasure_requests_mode_check CHECK (mode IN ('pseudonymize', 'delete'))
);

COMMENT ON TABLE taskmaster.erasure_requests IS
    'Receipts of erasures: when, why and how many values, but not of whom';

-- The personal columns that there are, with SQL that finds a subject ($1) and that puts something else
-- ($2) in its place. $3 is the subject as a JSON string, $4 as a regular expression.
CREATE VIEW taskmaster.personal_data AS
SELECT p.table_name, p.column_name, p.kind, p.on_delete,
       CASE p.kind
           WHEN 'identifier' THEN format('%I::text = $1', p.column_name)
           WHEN 'json' THEN format('strpos(%I::text, $3) > 0', p.column_name)
           ELSE format('%I ~ $4', p.column_name)
       END AS condition,
       CASE p.kind
           WHEN 'identifier' THEN '$2'
           WHEN 'json' THEN format('replace(%I::text, $3, to_json($2)::text)::%s', p.column_name, a.atttypid::regtype)
           ELSE format('"left"(regexp_replace(%I, $4, $2, ''g''), %s)', p.column_name,
                       CASE WHEN a.atttypmod > 4 THEN a.atttypmod - 4 ELSE 2147483647 END)
       END AS replacement,
       a.attnotnull
  FROM taskmaster.personal_columns p
  JOIN pg_class c ON c.relnamespace = 'taskmaster'::regnamespace AND c.relname = p.table_name
                 AND c.relkind IN ('r', 'p')
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = p.column_name AND NOT a.attisdropped;

COMMENT ON VIEW taskmaster.personal_data IS 'The personal columns that there are, and the SQL that finds and replaces a subject';

-- Who may ask, and for whom. Returns the subject as a regular expression for a whole word.
CREATE FUNCTION taskmaster.check_subject(p_subject text) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $check_subject$
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
$check_subject$;

COMMENT ON FUNCTION taskmaster.check_subject(text) IS 'Refuses what is no subject; else the subject as a regular expression';

-- Everything that is held about a subject: for each table the rows that name it, at most 10,000 of
-- each; the tables that have more are named in "truncated".
CREATE FUNCTION taskmaster.export_subject(p_subject text) RETURNS jsonb
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $export_subject$
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
$export_subject$;

COMMENT ON FUNCTION taskmaster.export_subject(text) IS 'All rows that name a person, by table';

-- Puts a pseudonym in the place of a subject, or clears its values; says how many values of which
-- columns went or, in a dry run, would go. The audit is treated the same in both modes, last,
-- because it has logged the changes of the other tables, and its seals hold after it.
CREATE FUNCTION taskmaster.erase_subject(
    p_subject text, p_mode text DEFAULT 'pseudonymize', p_reason text DEFAULT NULL, p_dry_run boolean DEFAULT true
) RETURNS TABLE (table_name text, column_name text, rows bigint)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $erase_subject$
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
$erase_subject$;

COMMENT ON FUNCTION taskmaster.erase_subject(text, text, text, boolean) IS
    'Erases a person from all tables and the audit; a dry run only counts';

-- Keeps a subject from being erased until a time. One that has passed ends the hold.
CREATE FUNCTION taskmaster.set_legal_hold(p_subject text, p_until timestamp with time zone, p_reason text)
    RETURNS uuid
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $set_legal_hold$
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
$set_legal_hold$;

COMMENT ON FUNCTION taskmaster.set_legal_hold(text, timestamp with time zone, text) IS
    'Keeps a person''s data from being erased until a time';

-- Drops the partitions of the audit for months that ended before p_before. A month goes only when its
-- seal covers all of its rows, and none while anybody is under a legal hold; the seals stay.
CREATE FUNCTION taskmaster.drop_audit_months(p_before timestamp with time zone, p_dry_run boolean DEFAULT true)
    RETURNS TABLE (partition text, action text, rows bigint)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
    SET lock_timeout = '2s'
AS $drop_audit_months$
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
$drop_audit_months$;

COMMENT ON FUNCTION taskmaster.drop_audit_months(timestamp with time zone, boolean) IS
    'Drops sealed months of the audit, keeping their seals; a dry run only says which';

-- How long a table's rows are kept: "drop" after p_ttl, or "keep" for ever. Of the audit only sealed
-- months go, so it has a name of its own, which apply_retention() does not take for a table's.
CREATE FUNCTION taskmaster.set_retention(p_table regclass, p_ttl interval, p_mode text DEFAULT 'drop') RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $set_retention$
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
$set_retention$;

COMMENT ON FUNCTION taskmaster.set_retention(regclass, interval, text) IS
    'How long the rows of a table partitioned by time are kept';

-- Drops the sealed months of the audit that are older than its retention; returns how many. For upkeep.
CREATE FUNCTION taskmaster.apply_audit_retention() RETURNS bigint
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $apply_audit_retention$
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
$apply_audit_retention$;

COMMENT ON FUNCTION taskmaster.apply_audit_retention() IS
    'Drops sealed months of the audit that are older than its retention; returns how many';

SELECT taskmaster.protect_table(
    format('taskmaster.%I', name)::regclass, p_agent => '', p_integration => '', p_rows => 'shared', p_admin => 'SELECT',
    p_readers => '')
  FROM unnest(ARRAY['personal_columns', 'legal_holds', 'erasure_requests']) AS name;

GRANT SELECT ON taskmaster.erasure_requests, taskmaster.legal_holds, taskmaster.personal_columns TO taskmaster_auditor;

ALTER VIEW taskmaster.personal_data OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.export_subject(text) OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.erase_subject(text, text, text, boolean) OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.set_legal_hold(text, timestamp with time zone, text) OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.drop_audit_months(timestamp with time zone, boolean) OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.set_retention(regclass, interval, text) OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.apply_audit_retention() OWNER TO taskmaster_owner;

INSERT INTO taskmaster.function_access (function_name, roles) VALUES
    ('check_subject', '{}'),
    ('export_subject', '{taskmaster_admin}'),
    ('erase_subject', '{taskmaster_admin}'),
    ('set_legal_hold', '{taskmaster_admin}'),
    ('set_retention', '{taskmaster_admin}'),
    ('apply_audit_retention', '{taskmaster_admin}');

SELECT taskmaster.grant_functions();
