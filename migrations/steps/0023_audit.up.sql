-- The audit: who changed which row, from where, and what was different before. Its functions are in
-- PL/pgSQL and belong to the migrations, because DROP EXTENSION must not take triggers along.
--
-- Nobody writes the log but these functions, which run as the owner. Sealing (seal_audit) and
-- verification (verify_audit) are the extension's; a row can be changed by an erasure alone, in a
-- way that leaves its seal intact ("salt", "kept").

CREATE TABLE taskmaster.audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY,
    occurred_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    table_name text NOT NULL,
    operation text NOT NULL,
    row_key text,
    changes jsonb NOT NULL DEFAULT '{}',
    tenant_id text NOT NULL DEFAULT '',
    login text DEFAULT session_user,
    actor text,
    application_name text,
    peer_addr inet DEFAULT inet_client_addr(),
    peer_port integer DEFAULT inet_client_port(),
    client_addr inet,
    client_port integer,
    salt uuid DEFAULT gen_random_uuid(),
    kept jsonb,
    erased_by uuid,
    PRIMARY KEY (id, occurred_at),
    CONSTRAINT audit_log_operation_check CHECK (
        operation IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'DROP', 'ENABLE AUDIT', 'DISABLE AUDIT')),
    CONSTRAINT audit_log_salt_check CHECK ((salt IS NULL) = (kept IS NOT NULL) AND (salt IS NULL) = (erased_by IS NOT NULL))
) PARTITION BY RANGE (occurred_at);

COMMENT ON TABLE taskmaster.audit_log IS 'Changes of rows, one partition per month in UTC; written by triggers alone';

COMMENT ON COLUMN taskmaster.audit_log.row_key IS 'The primary key: its value, or the values as a JSON array';

COMMENT ON COLUMN taskmaster.audit_log.changes IS 'The changed columns: {"column": [before, after]}';

COMMENT ON COLUMN taskmaster.audit_log.login IS 'The role that logged in (session_user)';

COMMENT ON COLUMN taskmaster.audit_log.actor IS 'The client as the proxy has verified it, or else the login';

COMMENT ON COLUMN taskmaster.audit_log.peer_addr IS 'Who is connected to the server: the proxy, when there is one';

COMMENT ON COLUMN taskmaster.audit_log.client_addr IS 'Where the client is, as the proxy has verified it';

COMMENT ON COLUMN taskmaster.audit_log.salt IS 'Makes digests of the values unguessable; goes with the first erasure';

COMMENT ON COLUMN taskmaster.audit_log.kept IS
    'After an erasure: the salts of the values that are left, and the digests of those that are gone';

-- A write whose partition is missing is not lost.
CREATE TABLE taskmaster.audit_log_default PARTITION OF taskmaster.audit_log DEFAULT;

CREATE INDEX audit_log_table_name_row_key_idx ON taskmaster.audit_log (table_name, row_key);

CREATE INDEX audit_log_occurred_at_brin_idx ON taskmaster.audit_log
    USING brin (occurred_at) WITH (pages_per_range = 32);

-- A batch seals the rows whose ids lie in its range, a month those of a month in UTC. Each seal holds
-- the hash of the one before it.
CREATE TABLE taskmaster.audit_seals (
    seal_no bigint PRIMARY KEY,
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
    sealed_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    dropped_at timestamp with time zone,
    CONSTRAINT audit_seals_kind_check CHECK (
        kind IN ('batch', 'month') AND (kind = 'month') = (month IS NOT NULL) AND (kind = 'batch') = (leaves IS NOT NULL)),
    CONSTRAINT audit_seals_range_check CHECK (first_id <= last_id AND row_count > 0 AND from_time <= to_time),
    CONSTRAINT audit_seals_length_check CHECK (
        octet_length(root) = 32 AND octet_length(previous) = 32 AND octet_length(seal) = 32)
);

CREATE UNIQUE INDEX audit_seals_month_key ON taskmaster.audit_seals (month) WHERE kind = 'month';

COMMENT ON TABLE taskmaster.audit_seals IS 'Merkle roots of the audit, chained; leaves are 48 bytes a row: id, time, hash';

-- Writes one row of the log. The arguments of the trigger: the table, the columns of its primary key,
-- and the columns that do not count. A row that differs in nothing that counts is not logged.
CREATE FUNCTION taskmaster.audit_row() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $audit_row$
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
$audit_row$;

COMMENT ON FUNCTION taskmaster.audit_row() IS 'Logs the change of a row; enable_audit() puts it on a table';

-- Logs what is not the change of a row. For the functions of this schema. The transaction has its
-- number before the row has its id, as it has when a row was changed: sealing counts on that.
CREATE FUNCTION taskmaster.audit_event(p_table text, p_operation text, p_changes jsonb) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $audit_event$
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
$audit_event$;

COMMENT ON FUNCTION taskmaster.audit_event(text, text, jsonb) IS
    'Logs what is not the change of a row; with the rights of the caller, who must own the log';

CREATE FUNCTION taskmaster.audit_truncate() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $audit_truncate$
BEGIN
    PERFORM taskmaster.audit_event(TG_ARGV[0], 'TRUNCATE', '{}');
    RETURN NULL;
END
$audit_truncate$;

COMMENT ON FUNCTION taskmaster.audit_truncate() IS 'Logs that a table was emptied; enable_audit() puts it on a table';

-- The partitions of a table and the table itself.
CREATE FUNCTION taskmaster.partition_family(p_table regclass) RETURNS SETOF regclass
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT p_table
    UNION
    SELECT relid FROM pg_partition_tree(p_table);
END;

COMMENT ON FUNCTION taskmaster.partition_family(regclass) IS 'A table and its partitions';

-- Puts a table under audit: "all" logs every change, "changes" leaves out INSERT, for tables whose rows
-- are themselves a log. Columns in p_ignored, and generated ones, do not make a change. Run again it
-- begins anew, which a new primary key or generated column asks for. TRUNCATE of a single partition
-- is logged for those that exist.
CREATE FUNCTION taskmaster.enable_audit(p_table regclass, p_what text DEFAULT 'all', p_ignored text[] DEFAULT '{}')
    RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $enable_audit$
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
$enable_audit$;

COMMENT ON FUNCTION taskmaster.enable_audit(regclass, text, text[]) IS
    'Logs changes of a table''s rows; for its owner';

-- Ends the audit of a table, which the log says. Returns whether there was one.
CREATE FUNCTION taskmaster.disable_audit(p_table regclass) RETURNS boolean
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $disable_audit$
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
$disable_audit$;

COMMENT ON FUNCTION taskmaster.disable_audit(regclass) IS
    'Stops logging changes of a table''s rows, and logs that; for its owner';

-- Makes the partitions of the log for this month and the p_ahead after it. Returns how many it made.
CREATE FUNCTION taskmaster.ensure_audit_partitions(p_ahead integer DEFAULT 2) RETURNS integer
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $ensure_audit_partitions$
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
$ensure_audit_partitions$;

COMMENT ON FUNCTION taskmaster.ensure_audit_partitions(integer) IS
    'Makes the monthly partitions of the audit from the present to p_ahead after it; returns how many were missing';

ALTER TABLE taskmaster.audit_log OWNER TO taskmaster_owner;

ALTER TABLE taskmaster.audit_log_default OWNER TO taskmaster_owner;

ALTER TABLE taskmaster.audit_seals OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.audit_row() OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.audit_truncate() OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.ensure_audit_partitions(integer) OWNER TO taskmaster_owner;

-- Default privileges of the database may have given rights on these tables to whoever uses the others.
DO $up$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT DISTINCT c.oid::regclass AS audit_table, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS role
          FROM pg_class c, aclexplode(c.relacl) AS a
         WHERE c.relnamespace = 'taskmaster'::regnamespace AND c.relname IN ('audit_log', 'audit_log_default', 'audit_seals')
           AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %s', granted.audit_table, granted.role);
    END LOOP;
END
$up$;

GRANT SELECT ON taskmaster.audit_log, taskmaster.audit_seals TO taskmaster_auditor;

-- Not FORCE: the owner writes.
ALTER TABLE taskmaster.audit_log ENABLE ROW LEVEL SECURITY;

CREATE POLICY audit_of_tenant ON taskmaster.audit_log FOR SELECT TO taskmaster_auditor
    USING ((SELECT taskmaster.current_tenant()) IS NULL OR tenant_id = (SELECT taskmaster.current_tenant()));

INSERT INTO taskmaster.function_access (function_name, roles) VALUES
    ('audit_event', '{}'),
    ('enable_audit', '{}'),
    ('disable_audit', '{}'),
    ('ensure_audit_partitions', '{taskmaster_admin}'),
    ('seal_audit', '{taskmaster_admin}'),
    ('verify_audit', '{taskmaster_admin,taskmaster_auditor}'),
    ('drop_audit_months', '{taskmaster_admin}'),
    ('redact_audit', '{}');

SELECT taskmaster.grant_functions();

SELECT taskmaster.ensure_audit_partitions();
