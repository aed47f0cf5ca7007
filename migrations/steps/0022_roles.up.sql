-- Roles by what their members do, none of which can log in. Roles belong to the cluster and not to
-- a database: another one may have made them, and may be about to drop them.

-- Whoever makes or drops these roles does it alone, until the end of its transaction.
LOCK TABLE pg_catalog.pg_authid IN SHARE ROW EXCLUSIVE MODE;

DO $up$
DECLARE
    role record;
BEGIN
    FOR role IN
        SELECT * FROM (VALUES
            ('taskmaster_owner', 'Owns the tables of Taskmaster; for deployments'),
            ('taskmaster_admin', 'Runs Taskmaster: reads and writes everything but the audit'),
            ('taskmaster_agent', 'Works on tasks: creates, claims and finishes them'),
            ('taskmaster_integration', 'Logs calls to other services and records metrics'),
            ('taskmaster_readonly', 'Reads tasks, workflows, metrics and logs'),
            ('taskmaster_auditor', 'Reads everything, the audit too, and verifies it')
        ) AS wanted (name, purpose)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role.name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role.name);
            EXECUTE format('COMMENT ON ROLE %I IS %L', role.name, role.purpose);
        END IF;
    END LOOP;
END
$up$;

GRANT USAGE ON SCHEMA taskmaster
    TO taskmaster_owner, taskmaster_admin, taskmaster_agent, taskmaster_integration, taskmaster_readonly,
       taskmaster_auditor;

GRANT CREATE ON SCHEMA taskmaster TO taskmaster_owner;

-- Which roles may call which function, besides taskmaster_owner, who may call all. A function without
-- a row may be called by all roles when it only reads (STABLE, IMMUTABLE), and else by
-- taskmaster_admin: a step that brings a function for agents says so here before it makes it.
CREATE TABLE taskmaster.function_access (
    function_name name PRIMARY KEY,
    roles name[] NOT NULL,
    CONSTRAINT function_access_roles_check CHECK (
        roles <@ ARRAY['taskmaster_admin', 'taskmaster_agent', 'taskmaster_integration', 'taskmaster_readonly',
                       'taskmaster_auditor']::name[])
);

COMMENT ON TABLE taskmaster.function_access IS
    'Which roles may call a function; without a row, all if it only reads, else taskmaster_admin';

INSERT INTO taskmaster.function_access (function_name, roles)
SELECT function_name, '{taskmaster_admin,taskmaster_agent}'::name[]
  FROM unnest(ARRAY[
        'create_task', 'create_tasks', 'update_task', 'update_task_status', 'add_dependency', 'remove_dependency',
        'add_gate', 'resolve_gate', 'claim_task', 'heartbeat', 'complete_task', 'fail_task', 'release_task',
        'cancel_task', 'create_workflow', 'update_workflow_step', 'retry_workflow', 'cancel_workflow',
        'import_taskmaster_json'
    ]::name[]) AS function_name
UNION ALL
SELECT function_name, '{taskmaster_admin,taskmaster_agent,taskmaster_integration}'::name[]
  FROM unnest(ARRAY[
        'record_metric', 'record_metric_arrays', 'record_metrics', 'log_api_call', 'acquire_rate_limit',
        'observe_rate_headers', 'record_health_check'
    ]::name[]) AS function_name
UNION ALL
SELECT 'due_health_checks', '{taskmaster_admin,taskmaster_integration}'
UNION ALL
-- A proxy logs in as its client; the others read what is true now, and not when a query began.
SELECT function_name,
       '{taskmaster_admin,taskmaster_agent,taskmaster_integration,taskmaster_readonly,taskmaster_auditor}'::name[]
  FROM unnest(ARRAY[
        'identity_challenge', 'assume_identity', 'get_system_health', 'get_task_events', 'health_snapshot',
        'host_stats'
    ]::name[]) AS function_name;

-- Brings EXECUTE on each function in line, takes it from PUBLIC, and returns how many it changed. What
-- has been granted to other roles stays, as do functions of other extensions (pg_trgm), whose
-- operators anybody may use. Runs with its owner's rights, who owns the functions.
CREATE FUNCTION taskmaster.grant_functions() RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $grant_functions$
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
$grant_functions$;

COMMENT ON FUNCTION taskmaster.grant_functions() IS
    'Brings EXECUTE on the functions of schema taskmaster in line with function_access; returns how many it changed';

-- PostgreSQL lets PUBLIC execute each new function, and an update of the extension brings new ones.
-- Default privileges cannot help: those of a schema only add to what is PUBLIC's by default.
CREATE FUNCTION taskmaster.on_new_functions() RETURNS event_trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $on_new_functions$
BEGIN
    IF EXISTS (
        SELECT FROM pg_event_trigger_ddl_commands()
         WHERE schema_name = 'taskmaster'
            OR classid = 'pg_extension'::regclass AND object_identity = 'taskmaster')
    THEN
        PERFORM taskmaster.grant_functions();
    END IF;
END
$on_new_functions$;

COMMENT ON FUNCTION taskmaster.on_new_functions() IS 'Keeps PUBLIC out of functions that are new in schema taskmaster';

CREATE EVENT TRIGGER taskmaster_new_functions ON ddl_command_end
    WHEN TAG IN ('CREATE FUNCTION', 'CREATE PROCEDURE', 'CREATE AGGREGATE', 'CREATE EXTENSION', 'ALTER EXTENSION')
    EXECUTE FUNCTION taskmaster.on_new_functions();

SELECT taskmaster.grant_functions();
