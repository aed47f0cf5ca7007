DROP EVENT TRIGGER taskmaster_new_functions;

-- EXECUTE goes back to PUBLIC, where the functions of the steps before had it.
DO $down$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN
        SELECT oid FROM pg_proc
         WHERE pronamespace = 'taskmaster'::regnamespace AND proacl IS NOT NULL
           AND proname NOT IN ('grant_functions', 'on_new_functions')
           AND NOT EXISTS (
                SELECT FROM pg_depend e JOIN pg_extension x ON x.oid = e.refobjid
                 WHERE e.classid = 'pg_proc'::regclass AND e.objid = pg_proc.oid AND e.deptype = 'e'
                   AND e.refclassid = 'pg_extension'::regclass AND x.extname <> 'taskmaster')
    LOOP
        EXECUTE format(
            'GRANT EXECUTE ON ROUTINE %1$s TO PUBLIC;
             REVOKE ALL ON ROUTINE %1$s FROM taskmaster_owner, taskmaster_admin, taskmaster_agent,
                 taskmaster_integration, taskmaster_readonly, taskmaster_auditor', routine);
    END LOOP;
END
$down$;

DROP FUNCTION taskmaster.on_new_functions();

DROP FUNCTION taskmaster.grant_functions();

DROP TABLE taskmaster.function_access;

REVOKE ALL ON SCHEMA taskmaster
    FROM taskmaster_owner, taskmaster_admin, taskmaster_agent, taskmaster_integration, taskmaster_readonly,
         taskmaster_auditor;

LOCK TABLE pg_catalog.pg_authid IN SHARE ROW EXCLUSIVE MODE;

-- A role that anything in any database of the cluster still refers to, or that has members, stays.
DO $down$
DECLARE
    role record;
BEGIN
    FOR role IN
        SELECT oid, rolname FROM pg_roles
         WHERE rolname IN ('taskmaster_owner', 'taskmaster_admin', 'taskmaster_agent', 'taskmaster_integration',
                           'taskmaster_readonly', 'taskmaster_auditor')
    LOOP
        IF EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = role.oid)
           OR EXISTS (SELECT FROM pg_auth_members WHERE role.oid IN (roleid, member))
        THEN
            RAISE NOTICE 'role "%" stays: others use it', role.rolname;
        ELSE
            EXECUTE format('DROP ROLE %I', role.rolname);
        END IF;
    END LOOP;
END
$down$;
