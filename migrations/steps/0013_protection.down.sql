DROP POLICY assigned_rows ON taskmaster.tasks;

DROP INDEX taskmaster.workflows_tenant_id_idx;

DROP INDEX taskmaster.tasks_tenant_id_status_idx;

DELETE FROM taskmaster.function_access
 WHERE function_name IN ('protect_table', 'grant_sequences', 'separate_tenants', 'grant_functions', 'make_partition');

ALTER FUNCTION taskmaster.ensure_partitions(integer) SECURITY INVOKER;

ALTER FUNCTION taskmaster.ensure_partitions(integer) OWNER TO CURRENT_USER;

ALTER FUNCTION taskmaster.make_partition(name, date, date) SECURITY INVOKER;

ALTER FUNCTION taskmaster.make_partition(name, date, date) OWNER TO CURRENT_USER;

DO $down$
DECLARE
    protected regclass;
    member regclass;
BEGIN
    FOR protected IN
        SELECT c.oid FROM pg_class c
         WHERE c.relnamespace = 'taskmaster'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND c.relowner = 'taskmaster_owner'::regrole AND c.relname NOT IN ('audit_log', 'audit_seals')
    LOOP
        PERFORM taskmaster.disable_audit(protected);
        IF (SELECT relrowsecurity FROM pg_class WHERE oid = protected) THEN
            EXECUTE format('DROP POLICY tenant_rows ON %s', protected);
            EXECUTE format('DROP POLICY all_rows ON %s', protected);
            EXECUTE format('DROP POLICY owners_rows ON %s', protected);
            EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY', protected);
            EXECUTE format('ALTER TABLE %s DROP COLUMN tenant_id', protected);
        END IF;
        FOR member IN SELECT * FROM taskmaster.partition_family(protected) LOOP
            EXECUTE format('ALTER TABLE %s OWNER TO CURRENT_USER', member);
            EXECUTE format(
                'REVOKE ALL ON %s FROM taskmaster_owner, taskmaster_admin, taskmaster_agent, taskmaster_integration,
                     taskmaster_readonly, taskmaster_auditor', member);
        END LOOP;
    END LOOP;
END
$down$;

DROP FUNCTION taskmaster.protect_table(regclass, text, text, text, text, text[], text, text);

DROP FUNCTION taskmaster.separate_tenants(regclass);

DROP FUNCTION taskmaster.grant_sequences(regclass, text);

SELECT taskmaster.grant_functions();
