-- What the runner remembers of a database: every change that it made or found, object by object,
-- how far a step without a transaction has come, and the backups. In a schema of its own, because
-- it outlives the schemas of the steps; rows of the past are never changed.
CREATE SCHEMA taskmaster_migrations;

COMMENT ON SCHEMA taskmaster_migrations IS
    'What "taskmaster migrate" remembers of this database: its history, unfinished steps and backups';

CREATE TABLE taskmaster_migrations.events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    occurred_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    ledger text NOT NULL,
    action text NOT NULL,
    version text,
    description text,
    reason text,
    duration_ms bigint,
    fingerprint text,
    actor text NOT NULL DEFAULT session_user,
    tool_version text NOT NULL,
    CONSTRAINT events_action_check CHECK (action IN (
        'found', 'drift', 'up', 'down', 'extension', 'baseline', 'repair', 'failed', 'backup', 'restore', 'forget'))
);

CREATE INDEX events_version_idx ON taskmaster_migrations.events (ledger, version, id);

CREATE TABLE taskmaster_migrations.changes (
    event_id bigint NOT NULL REFERENCES taskmaster_migrations.events,
    kind text NOT NULL,
    name text NOT NULL,
    before text,
    after text,
    PRIMARY KEY (event_id, kind, name)
);

CREATE TABLE taskmaster_migrations.progress (
    ledger text NOT NULL,
    version text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('up', 'down')),
    description text NOT NULL,
    statements_done integer NOT NULL,
    statement_begun integer,
    done_checksum text NOT NULL,
    script text NOT NULL,
    down_sql text,
    started_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    tool_version text NOT NULL,
    PRIMARY KEY (ledger, version)
);

-- What applied steps require of the steps of other ledgers.
CREATE TABLE taskmaster_migrations.requirements (
    ledger text NOT NULL,
    version text NOT NULL,
    required_ledger text NOT NULL,
    required_version text NOT NULL,
    PRIMARY KEY (ledger, version, required_ledger, required_version)
);

CREATE TABLE taskmaster_migrations.backups (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    taken_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    ledger text NOT NULL,
    version text,
    direction text,
    reason text,
    tables jsonb NOT NULL,
    actor text NOT NULL DEFAULT session_user,
    tool_version text NOT NULL
);

CREATE FUNCTION taskmaster_migrations.refuse() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'the history of migrations is only added to'
        USING ERRCODE = 'object_not_in_prerequisite_state';
END
$$;

CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON taskmaster_migrations.events
    FOR EACH STATEMENT EXECUTE FUNCTION taskmaster_migrations.refuse();

CREATE TRIGGER changes_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON taskmaster_migrations.changes
    FOR EACH STATEMENT EXECUTE FUNCTION taskmaster_migrations.refuse();
