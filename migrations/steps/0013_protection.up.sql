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
    EXECUTE format('ALTER TABLE %s ADD COLUMN IF NOT EXISTS tenant_id text', p_table);
    EXECUTE format(
        'ALTER TABLE %s ALTER COLUMN tenant_id SET DEFAULT coalesce(taskmaster.current_tenant(), '''')', p_table);
    EXECUTE format('UPDATE %s SET tenant_id = '''' WHERE tenant_id IS NULL', p_table);
    EXECUTE format('ALTER TABLE %s ALTER COLUMN tenant_id SET NOT NULL', p_table);
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

-- Upkeep makes partitions for callers who do not own the tables.
ALTER FUNCTION taskmaster.make_partition(name, date, date) OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.make_partition(name, date, date) SECURITY DEFINER;

ALTER FUNCTION taskmaster.ensure_partitions(integer) OWNER TO taskmaster_owner;

ALTER FUNCTION taskmaster.ensure_partitions(integer) SECURITY DEFINER;

INSERT INTO taskmaster.function_access (function_name, roles) VALUES
    ('protect_table', '{}'), ('grant_sequences', '{}'), ('separate_tenants', '{}'), ('grant_functions', '{}'),
    ('make_partition', '{}');

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

CREATE INDEX tasks_tenant_id_status_idx ON taskmaster.tasks (tenant_id, status);

CREATE INDEX workflows_tenant_id_idx ON taskmaster.workflows (tenant_id);

-- An agent changes tasks that are its own or nobody's. What it assigns to another it gives away.
CREATE POLICY assigned_rows ON taskmaster.tasks AS RESTRICTIVE FOR UPDATE TO taskmaster_agent
    USING (assigned_to IS NULL OR assigned_to = (SELECT taskmaster.current_actor()))
    WITH CHECK (true);

SELECT taskmaster.grant_functions();
