-- The schema that holds everything, the ledger of the steps, and the database's search_path.

CREATE SCHEMA taskmaster;

COMMENT ON SCHEMA taskmaster IS 'Tasks, workflows, metrics, integrations and API logs of the AI-driven CI/CD system';

-- The ledger of the migration runner. It lives in the schema it records, and not in public where
-- Rails, dbmate and golang-migrate each keep another table of this name: the step that makes the
-- schema makes the ledger, the step's down removes both, and a database that went down to nothing
-- holds no trace.
CREATE TABLE taskmaster.schema_migrations (
    version text PRIMARY KEY,
    description text NOT NULL,
    applied_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    checksum varchar(64) NOT NULL,
    migration_type text NOT NULL,
    rollback_available boolean NOT NULL,
    execution_time_ms bigint NOT NULL,
    applied_by text NOT NULL DEFAULT session_user,
    tool_version text NOT NULL,
    down_sql text,
    down_checksum varchar(64),
    CONSTRAINT schema_migrations_version_check CHECK (version ~ '^[0-9]{4}$'),
    CONSTRAINT schema_migrations_down_check
        CHECK (rollback_available = (down_sql IS NOT NULL) AND (down_sql IS NULL) = (down_checksum IS NULL))
);

COMMENT ON TABLE taskmaster.schema_migrations IS
    'One row per applied migration step; down_sql is what "taskmaster migrate down" runs, whatever binary it is';

-- Small facts that upkeep must remember, such as what a step found and has to put back.
CREATE TABLE taskmaster.maintenance_state (
    key text PRIMARY KEY,
    value jsonb NOT NULL,
    updated_at timestamp with time zone NOT NULL DEFAULT now()
);

COMMENT ON TABLE taskmaster.maintenance_state IS 'Facts that upkeep remembers between runs, by key';

-- What the database's search_path was (JSON null when none was set), for the way down.
INSERT INTO taskmaster.maintenance_state (key, value)
VALUES (
    'search_path_before',
    coalesce(
        (SELECT to_jsonb(substr(setting, length('search_path=') + 1))
           FROM pg_db_role_setting s
           JOIN pg_database d ON d.oid = s.setdatabase,
                unnest(s.setconfig) AS setting
          WHERE d.datname = current_database()
            AND s.setrole = 0
            AND setting LIKE 'search\_path=%'),
        'null'::jsonb));

-- Statements may then name tables and functions without their schema, through any driver.
DO $up$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = taskmaster, public', current_database());
END
$up$;
