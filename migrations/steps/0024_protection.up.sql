-- Least privilege, tenants and the audit for every table. A step that makes a table protects it in
-- one line:
--
--     SELECT taskmaster.protect_table('taskmaster.new_table');
--
-- The tenant of a row is in its column tenant_id: the client's, as the proxy has verified it, or ''
-- where there are no tenants. It is '' and not NULL so that one equality finds it, through an index.

-- Owner, rights, tenants and audit of a table, anew each time.
--
-- p_agent, p_integration, p_admin and p_readers: what GRANT takes, '' for nothing; readers are
-- taskmaster_readonly and taskmaster_auditor. Partitions get no rights: their rows are reached
-- through the table, where the policies are. p_rows: "tenant" for rows that belong to tenants, which
-- adds tenant_id when it is missing, "shared" for rows that all may see. p_audit: "all", "changes"
-- (not INSERT) or "none". p_unaudited: columns whose change alone is not logged.
CREATE FUNCTION taskmaster.protect_table(
    p_table regclass,
    p_agent text DEFAULT 'SELECT, INSERT, UPDATE',
    p_integration text DEFAULT 'SELECT',
    p_rows text DEFAULT 'tenant',
    p_audit text DEFAULT 'all',
    p_unaudited text[] DEFAULT '{}',
    p_admin text DEFAULT 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE',
    p_readers text DEFAULT 'SELECT'
) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $protect_table$
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
$protect_table$;

COMMENT ON FUNCTION taskmaster.protect_table(regclass, text, text, text, text, text[], text, text) IS
    'Brings a table under ownership, grants, row-level security and audit in one call; for its owner';

-- Sequences that belong to columns of a table, for those who may insert into it.
CREATE FUNCTION taskmaster.grant_sequences(p_table regclass, p_roles text) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $grant_sequences$
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
$grant_sequences$;

COMMENT ON FUNCTION taskmaster.grant_sequences(regclass, text) IS
    'Grants the sequences of a table''s columns to roles that insert; protect_table() uses it';

-- Gives the rows of a table a tenant and shows each tenant its own. taskmaster_admin and
-- taskmaster_auditor see all rows when no proxy says that they act for a tenant, and the owner always.
CREATE FUNCTION taskmaster.separate_tenants(p_table regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $separate_tenants$
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
$separate_tenants$;

COMMENT ON FUNCTION taskmaster.separate_tenants(regclass) IS
    'Adds tenant_id and the policies that go by it; protect_table() uses it';

-- Rows that belong to another row, by p_column to the id of p_parent. Those that operators made, who act
-- for no tenant, are seen by whoever sees the parent. For a table that protect_table() has been called for.
CREATE FUNCTION taskmaster.follow_parent(p_table regclass, p_column name, p_parent regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $follow_parent$
BEGIN
    EXECUTE format(
        'ALTER POLICY tenant_rows ON %1$s USING (
             tenant_id = (SELECT coalesce(taskmaster.current_tenant(), ''''))
             OR tenant_id = '''' AND EXISTS (SELECT FROM %2$s AS parent WHERE parent.id = %1$s.%3$I))',
        p_table, p_parent, p_column);
END
$follow_parent$;

COMMENT ON FUNCTION taskmaster.follow_parent(regclass, name, regclass) IS
    'Shows rows that operators made to those who see the row they belong to';

-- For rows that sum up those of all tenants: who acts for one does not see them.
CREATE FUNCTION taskmaster.hide_from_tenants(p_table regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $hide_from_tenants$
BEGIN
    EXECUTE format('ALTER TABLE %1$s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', p_table);
    EXECUTE format('DROP POLICY IF EXISTS no_tenants_rows ON %s', p_table);
    EXECUTE format(
        'CREATE POLICY no_tenants_rows ON %s USING ((SELECT taskmaster.current_tenant()) IS NULL)', p_table);
    EXECUTE format('DROP POLICY IF EXISTS owners_rows ON %s', p_table);
    EXECUTE format('CREATE POLICY owners_rows ON %s TO taskmaster_owner USING (true)', p_table);
END
$hide_from_tenants$;

COMMENT ON FUNCTION taskmaster.hide_from_tenants(regclass) IS
    'Shows a table''s rows only to those who act for no tenant; after protect_table() with shared rows';

-- How many rows a default partition holds, up to 100,000: nobody else may look into it.
CREATE FUNCTION taskmaster.rows_in_default(p_partition name) RETURNS bigint
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $rows_in_default$
DECLARE
    counted bigint;
BEGIN
    IF EXISTS (SELECT FROM taskmaster.partition_bounds WHERE partition = p_partition AND is_default) THEN
        EXECUTE format(
            'SELECT count(*) FROM (SELECT FROM ONLY taskmaster.%I LIMIT 100000) AS counted', p_partition) INTO counted;
    END IF;
    RETURN counted;
END
$rows_in_default$;

COMMENT ON FUNCTION taskmaster.rows_in_default(name) IS
    'How many rows a default partition holds, up to 100,000; NULL for what is none';

ALTER FUNCTION taskmaster.rows_in_default(name) OWNER TO taskmaster_owner;

-- Upkeep makes and removes partitions for callers who do not own the tables.
ALTER FUNCTION taskmaster.make_partition(name, date, date) OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.make_partition(name, date, date) SECURITY DEFINER;

ALTER FUNCTION taskmaster.ensure_partitions(integer) OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.ensure_partitions(integer) SECURITY DEFINER;

ALTER FUNCTION taskmaster.drop_partition(name, name) OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.drop_partition(name, name) SECURITY DEFINER;

ALTER FUNCTION taskmaster.delete_before(name, timestamp with time zone) OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.delete_before(name, timestamp with time zone) SECURITY DEFINER;

-- These run with their owner's rights already, who has to be the tables' owner.
ALTER FUNCTION taskmaster.check_task_dependency() OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.count_open_dependencies() OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.settle_task_dependencies() OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.count_open_gates() OWNER TO taskmaster_owner;

ALTER VIEW taskmaster.partition_bounds OWNER TO taskmaster_owner;

INSERT INTO taskmaster.function_access (function_name, roles) VALUES
    ('protect_table', '{}'), ('grant_sequences', '{}'), ('separate_tenants', '{}'), ('grant_functions', '{}'),
    ('make_partition', '{}'), ('try_make_partition', '{}'), ('follow_parent', '{}'), ('hide_from_tenants', '{}');

-- The columns that change by the clock or by counting say nothing about who did what.
SELECT taskmaster.protect_table(
    'taskmaster.tasks',
    p_unaudited => '{updated_at,version,heartbeat_at,claim_expires_at,open_deps,open_gates}');

SELECT taskmaster.protect_table('taskmaster.workflows');

-- Every call of an API counts here; the function that counts has the caller's rights.
SELECT taskmaster.protect_table(
    'taskmaster.external_integrations',
    p_agent => 'SELECT, UPDATE (current_usage, usage_reset_at, last_used_at, last_health_check, health_status)',
    p_integration =>
        'SELECT, UPDATE (current_usage, usage_reset_at, last_used_at, last_health_check, health_status)',
    p_unaudited => '{updated_at,current_usage,usage_reset_at,last_used_at,last_health_check}');

-- Rows that are a log themselves: not their insertion is audited, but that somebody touched them later.
SELECT taskmaster.protect_table(
    'taskmaster.system_metrics', p_agent => 'SELECT, INSERT', p_integration => 'SELECT, INSERT', p_audit => 'changes');

SELECT taskmaster.protect_table(
    'taskmaster.api_access_logs', p_agent => 'SELECT, INSERT', p_integration => 'SELECT, INSERT', p_audit => 'changes');

-- What only deployments and functions of the owner write.
SELECT taskmaster.protect_table(
    'taskmaster.schema_migrations', p_agent => 'SELECT', p_rows => 'shared', p_admin => 'SELECT');

SELECT taskmaster.protect_table(
    'taskmaster.maintenance_state', p_agent => 'SELECT', p_rows => 'shared', p_audit => 'none');

SELECT taskmaster.protect_table(
    'taskmaster.proxy_keys', p_agent => '', p_integration => '', p_rows => 'shared', p_admin => '', p_readers => '');

SELECT taskmaster.protect_table(
    'taskmaster.function_access', p_agent => '', p_integration => '', p_rows => 'shared', p_admin => 'SELECT');

SELECT taskmaster.protect_table(
    'taskmaster.task_dependencies', p_agent => 'SELECT, INSERT, UPDATE, DELETE', p_unaudited => '{satisfied}');

SELECT taskmaster.follow_parent('taskmaster.task_dependencies', 'task_id', 'taskmaster.tasks');

SELECT taskmaster.protect_table('taskmaster.task_gates');

SELECT taskmaster.follow_parent('taskmaster.task_gates', 'task_id', 'taskmaster.tasks');

SELECT taskmaster.protect_table('taskmaster.task_events', p_agent => 'SELECT, INSERT', p_audit => 'changes');

SELECT taskmaster.follow_parent('taskmaster.task_events', 'task_id', 'taskmaster.tasks');

-- Who writes events asks for the last number.
GRANT SELECT ON SEQUENCE taskmaster.task_events_seq_seq TO taskmaster_admin, taskmaster_agent;

SELECT taskmaster.protect_table('taskmaster.task_contexts', p_audit => 'changes');

SELECT taskmaster.follow_parent('taskmaster.task_contexts', 'task_id', 'taskmaster.tasks');

-- Logged calls count, but who logs them does not set limits.
SELECT taskmaster.protect_table(
    'taskmaster.task_budgets',
    p_agent => 'SELECT, INSERT (task_id, tokens_used, cost_usd_used), UPDATE (tokens_used, cost_usd_used)',
    p_integration => 'SELECT, INSERT (task_id, tokens_used, cost_usd_used), UPDATE (tokens_used, cost_usd_used)',
    p_unaudited => '{tokens_used,cost_usd_used}');

SELECT taskmaster.follow_parent('taskmaster.task_budgets', 'task_id', 'taskmaster.tasks');

SELECT taskmaster.protect_table(
    'taskmaster.idempotency_keys', p_integration => '', p_audit => 'none', p_readers => '');

SELECT taskmaster.protect_table('taskmaster.task_status_transitions', p_agent => 'SELECT', p_rows => 'shared');

-- What is reported of a step is in workflows.steps_completed too, and audited there.
SELECT taskmaster.protect_table('taskmaster.workflow_steps', p_audit => 'changes');

SELECT taskmaster.follow_parent('taskmaster.workflow_steps', 'workflow_id', 'taskmaster.workflows');

-- These change with every call or check, and say nothing about who did what.
SELECT taskmaster.protect_table(
    'taskmaster.integration_rate_state', p_integration => 'SELECT, INSERT, UPDATE', p_audit => 'none');

SELECT taskmaster.follow_parent(
    'taskmaster.integration_rate_state', 'integration_id', 'taskmaster.external_integrations');

SELECT taskmaster.protect_table(
    'taskmaster.integration_health', p_integration => 'SELECT, INSERT, UPDATE', p_audit => 'none');

SELECT taskmaster.follow_parent('taskmaster.integration_health', 'integration_id', 'taskmaster.external_integrations');

SELECT taskmaster.protect_table(
    'taskmaster.integration_health_history', p_agent => 'SELECT, INSERT, DELETE',
    p_integration => 'SELECT, INSERT, DELETE', p_audit => 'none');

SELECT taskmaster.follow_parent(
    'taskmaster.integration_health_history', 'integration_id', 'taskmaster.external_integrations');

-- What is made of the measurements of all tenants.
SELECT taskmaster.protect_table(
    format('taskmaster.%I', name)::regclass, p_agent => 'SELECT', p_rows => 'shared', p_audit => 'none')
  FROM unnest(ARRAY['metric_series', 'metric_rollups', 'rollup_watermarks', 'rollup_samples']) AS name;

SELECT taskmaster.hide_from_tenants('taskmaster.metric_series');

SELECT taskmaster.hide_from_tenants('taskmaster.metric_rollups');

-- A measurement that comes late marks its minute.
SELECT taskmaster.protect_table(
    'taskmaster.metric_dirty_buckets', p_agent => 'SELECT, INSERT', p_integration => 'SELECT, INSERT',
    p_rows => 'shared', p_audit => 'none');

SELECT taskmaster.protect_table('taskmaster.retention_policies', p_agent => 'SELECT', p_rows => 'shared');

-- A view of tasks has its reader's rights from PostgreSQL 15 on. On 14 it would show all tenants' rows, so
-- only those may read it there who see them anyway.
DO $up$
DECLARE
    readers text := 'taskmaster_admin, taskmaster_auditor';
BEGIN
    IF current_setting('server_version_num')::integer >= 150000 THEN
        readers := readers || ', taskmaster_agent, taskmaster_integration, taskmaster_readonly';
        ALTER VIEW taskmaster.partition_bounds SET (security_invoker = true);
    END IF;
    EXECUTE 'GRANT SELECT ON taskmaster.ready_tasks, taskmaster.blocked_tasks, taskmaster.blocking_tasks,
                 taskmaster.v_taskmaster_tasks TO ' || readers;
END
$up$;

-- It reads the catalog alone.
GRANT SELECT ON taskmaster.partition_bounds
    TO taskmaster_admin, taskmaster_agent, taskmaster_integration, taskmaster_readonly, taskmaster_auditor;

CREATE INDEX tasks_tenant_id_status_idx ON taskmaster.tasks (tenant_id, status);

CREATE INDEX workflows_tenant_id_idx ON taskmaster.workflows (tenant_id);

-- An agent changes tasks that are its own or nobody's. What it assigns to another it gives away.
CREATE POLICY assigned_rows ON taskmaster.tasks AS RESTRICTIVE FOR UPDATE TO taskmaster_agent
    USING (assigned_to IS NULL OR assigned_to = (SELECT taskmaster.current_actor()))
    WITH CHECK (true);

SELECT taskmaster.grant_functions();
