-- What happened to tasks, what they were given and gave back, and which statuses may follow which.

-- Not partitioned: readers go on from a sequence number, which could not be unique over partitions,
-- and every one of them would have to be asked. Old events are deleted by their time, which the
-- block ranges find.
CREATE TABLE taskmaster.task_events (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    occurred_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    -- No foreign key: the log outlives the task.
    task_id uuid NOT NULL,
    kind varchar(50) NOT NULL,
    from_status varchar(50),
    to_status varchar(50),
    actor text DEFAULT taskmaster.current_actor(),
    payload jsonb NOT NULL DEFAULT '{}'
);

COMMENT ON TABLE taskmaster.task_events IS 'What happened to tasks, in order; read it with get_task_events()';

CREATE INDEX task_events_task_id_seq_idx ON taskmaster.task_events (task_id, seq);

CREATE INDEX task_events_occurred_at_brin_idx ON taskmaster.task_events
    USING brin (occurred_at) WITH (pages_per_range = 32);

-- Who acted and what was said may have to be made unreadable; that something happened may not.
CREATE FUNCTION taskmaster.refuse_rewriting() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $refuse_rewriting$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = '55000',
        MESSAGE = pg_catalog.format('the history in taskmaster.%I is not rewritten', TG_TABLE_NAME),
        DETAIL = pg_catalog.jsonb_build_object('table', TG_TABLE_NAME)::pg_catalog.text,
        HINT = 'Only actor and payload of an event may be changed, to make a person unrecognisable.';
END
$refuse_rewriting$;

CREATE TRIGGER task_events_append_only
    BEFORE UPDATE OF seq, occurred_at, task_id, kind, from_status, to_status ON taskmaster.task_events
    FOR EACH ROW EXECUTE FUNCTION taskmaster.refuse_rewriting();

CREATE TABLE taskmaster.task_contexts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    task_id uuid NOT NULL REFERENCES taskmaster.tasks(id) ON DELETE CASCADE,
    context_type varchar(50) NOT NULL,
    -- Which attempt at the task it belongs to.
    attempt integer NOT NULL DEFAULT 0,
    context_data jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    created_by text DEFAULT taskmaster.current_actor(),

    CONSTRAINT task_contexts_context_type_check CHECK (btrim(context_type) <> '')
);

COMMENT ON TABLE taskmaster.task_contexts IS 'What belongs to an attempt at a task: progress, result, error, and what agents add';

CREATE INDEX task_contexts_task_id_idx ON taskmaster.task_contexts (task_id, created_at);

-- Progress is overwritten as it is made.
CREATE UNIQUE INDEX task_contexts_progress_key ON taskmaster.task_contexts (task_id, attempt)
    WHERE context_type = 'progress';

CREATE TABLE taskmaster.idempotency_keys (
    scope varchar(300) NOT NULL,
    key varchar(255) NOT NULL,
    request_hash bytea NOT NULL,
    result_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamp with time zone NOT NULL DEFAULT clock_timestamp() + interval '7 days',

    PRIMARY KEY (scope, key)
);

COMMENT ON TABLE taskmaster.idempotency_keys IS 'Requests that were carried out, so that one sent again is answered and not repeated';

CREATE INDEX idempotency_keys_expires_at_idx ON taskmaster.idempotency_keys (expires_at);

CREATE TABLE taskmaster.task_status_transitions (
    from_status varchar(50) NOT NULL,
    to_status varchar(50) NOT NULL,
    -- What must hold before: nothing it waits for is open, or every subtask has ended.
    guard varchar(50),

    PRIMARY KEY (from_status, to_status),
    CONSTRAINT task_status_transitions_guard_check CHECK (guard IN ('ready', 'subtasks_ended')),
    CONSTRAINT task_status_transitions_words_check CHECK (
        from_status <> to_status
        AND from_status IN
            ('pending', 'in_progress', 'review', 'blocked', 'deferred', 'completed', 'failed', 'cancelled')
        AND to_status IN
            ('pending', 'in_progress', 'review', 'blocked', 'deferred', 'completed', 'failed', 'cancelled'))
);

COMMENT ON TABLE taskmaster.task_status_transitions IS 'Which status may follow which, and what must hold before';

INSERT INTO taskmaster.task_status_transitions (from_status, to_status, guard) VALUES
    ('pending', 'in_progress', 'ready'),
    ('pending', 'blocked', NULL),
    ('pending', 'deferred', NULL),
    ('pending', 'cancelled', NULL),
    ('in_progress', 'review', NULL),
    ('in_progress', 'completed', 'subtasks_ended'),
    ('in_progress', 'failed', NULL),
    ('in_progress', 'blocked', NULL),
    ('in_progress', 'deferred', NULL),
    ('in_progress', 'cancelled', NULL),
    ('review', 'completed', 'subtasks_ended'),
    ('review', 'in_progress', 'ready'),
    ('review', 'failed', NULL),
    ('review', 'cancelled', NULL),
    ('blocked', 'pending', NULL),
    ('blocked', 'in_progress', 'ready'),
    ('blocked', 'deferred', NULL),
    ('blocked', 'cancelled', NULL),
    ('deferred', 'pending', NULL),
    ('deferred', 'cancelled', NULL),
    ('failed', 'pending', NULL),
    ('failed', 'in_progress', 'ready'),
    ('failed', 'cancelled', NULL),
    ('completed', 'in_progress', NULL),
    ('cancelled', 'pending', NULL);
