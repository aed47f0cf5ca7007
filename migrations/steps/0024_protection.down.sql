DROP POLICY assigned_rows ON taskmaster.tasks;

DROP INDEX taskmaster.workflows_tenant_id_idx;

DROP INDEX taskmaster.tasks_tenant_id_status_idx;

DELETE FROM taskmaster.function_access
 WHERE function_name IN ('protect_table', 'grant_sequences', 'separate_tenants', 'grant_functions', 'make_partition',
                         'try_make_partition', 'follow_parent', 'hide_from_tenants');

REVOKE ALL ON taskmaster.ready_tasks, taskmaster.blocked_tasks, taskmaster.blocking_tasks,
       taskmaster.v_taskmaster_tasks, taskmaster.partition_bounds
    FROM taskmaster_admin, taskmaster_agent, taskmaster_integration, taskmaster_readonly, taskmaster_auditor;

ALTER VIEW taskmaster.partition_bounds RESET (security_invoker);

ALTER VIEW taskmaster.partition_bounds OWNER TO CURRENT_USER;

ALTER FUNCTION taskmaster.count_open_gates() OWNER TO CURRENT_USER;

ALTER FUNCTION taskmaster.settle_task_dependencies() OWNER TO CURRENT_USER;

ALTER FUNCTION taskmaster.count_open_dependencies() OWNER TO CURRENT_USER;

ALTER FUNCTION taskmaster.check_task_dependency() OWNER TO CURRENT_USER;

ALTER FUNCTION taskmaster.delete_before(name, timestamp with time zone) SECURITY INVOKER;

ALTER FUNCTION taskmaster.delete_before(name, timestamp with time zone) OWNER TO CURRENT_USER;

ALTER FUNCTION taskmaster.drop_partition(name, name) SECURITY INVOKER;

ALTER FUNCTION taskmaster.drop_partition(name, name) OWNER TO CURRENT_USER;

ALTER FUNCTION taskmaster.ensure_partitions(integer) SECURITY INVOKER;

ALTER FUNCTION taskmaster.ensure_partitions(integer) OWNER TO CURRENT_USER;

ALTER FUNCTION taskmaster.make_partition(name, date, date) SECURITY INVOKER;

ALTER FUNCTION taskmaster.make_partition(name, date, date) OWNER TO CURRENT_USER;

DO $down$
DECLARE
    protected regclass;
    member regclass;
    policy name;
BEGIN
    FOR protected IN
        SELECT c.oid FROM pg_class c
         WHERE c.relnamespace = 'taskmaster'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND c.relowner = 'taskmaster_owner'::regrole AND c.relname NOT IN ('audit_log', 'audit_seals')
    LOOP
        PERFORM taskmaster.disable_audit(protected);
        IF (SELECT relrowsecurity FROM pg_class WHERE oid = protected) THEN
            FOR policy IN
                SELECT polname FROM pg_policy
                 WHERE polrelid = protected
                   AND polname IN ('tenant_rows', 'all_rows', 'owners_rows', 'no_tenants_rows')
            LOOP
                EXECUTE format('DROP POLICY %I ON %s', policy, protected);
            END LOOP;
            EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY', protected);
            -- That of tasks is older than this step.
            IF protected <> 'taskmaster.tasks'::regclass
               AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = protected AND attname = 'tenant_id')
            THEN
                EXECUTE format('ALTER TABLE %s DROP COLUMN tenant_id', protected);
            END IF;
        END IF;
        FOR member IN
            SELECT d.objid FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
             WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
               AND d.refobjid = protected AND d.deptype IN ('a', 'i') AND c.relkind = 'S'
        LOOP
            EXECUTE format(
                'REVOKE ALL ON SEQUENCE %s FROM taskmaster_admin, taskmaster_agent, taskmaster_integration', member);
        END LOOP;
        FOR member IN SELECT * FROM taskmaster.partition_family(protected) LOOP
            EXECUTE format('ALTER TABLE %s OWNER TO CURRENT_USER', member);
            EXECUTE format(
                'REVOKE ALL ON %s FROM taskmaster_owner, taskmaster_admin, taskmaster_agent, taskmaster_integration,
                     taskmaster_readonly, taskmaster_auditor', member);
        END LOOP;
    END LOOP;
END
$down$;

ALTER TABLE taskmaster.tasks ALTER COLUMN tenant_id SET DEFAULT '';

DROP FUNCTION taskmaster.rows_in_default(name);

DROP FUNCTION taskmaster.hide_from_tenants(regclass);

DROP FUNCTION taskmaster.follow_parent(regclass, name, regclass);

DROP FUNCTION taskmaster.protect_table(regclass, text, text, text, text, text[], text, text);

DROP FUNCTION taskmaster.separate_tenants(regclass);

DROP FUNCTION taskmaster.grant_sequences(regclass, text);

SELECT taskmaster.grant_functions();
