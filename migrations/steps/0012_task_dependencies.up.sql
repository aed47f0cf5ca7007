-- Tasks that wait for tasks, and for things outside. tasks.open_deps and tasks.open_gates count what
-- a task still waits for, so that whether it is ready is known without looking further.
--
-- The counters are kept by triggers, because they must be right whichever way a row changes: by a
-- function, by hand, or by a deletion that cascades. The triggers have their owner's rights: what a
-- task unblocks must be counted whether or not its worker may see it.

CREATE TABLE taskmaster.task_dependencies (
    task_id uuid NOT NULL REFERENCES taskmaster.tasks(id) ON DELETE CASCADE,
    depends_on uuid NOT NULL REFERENCES taskmaster.tasks(id) ON DELETE CASCADE,
    dependency_type varchar(50) NOT NULL DEFAULT 'blocks',
    -- The ends of the other task that this one is content with.
    satisfied_by text[] NOT NULL DEFAULT '{completed}',
    -- Whether the other task has such an end now; kept by the triggers.
    satisfied boolean NOT NULL DEFAULT false,
    created_at timestamp with time zone NOT NULL DEFAULT now(),
    created_by text DEFAULT taskmaster.current_actor(),

    PRIMARY KEY (task_id, depends_on),
    CONSTRAINT task_dependencies_self_check CHECK (task_id <> depends_on),
    CONSTRAINT task_dependencies_dependency_type_check CHECK (dependency_type IN ('blocks', 'related')),
    CONSTRAINT task_dependencies_satisfied_by_check CHECK (
        satisfied_by <@ ARRAY['completed', 'failed', 'cancelled'] AND cardinality(satisfied_by) > 0)
) WITH (fillfactor = 90);

COMMENT ON TABLE taskmaster.task_dependencies IS 'Which task waits for which; "related" is for people and blocks nothing';

CREATE INDEX task_dependencies_depends_on_idx ON taskmaster.task_dependencies (depends_on);

-- Who adds an edge between tasks that others can see writes this row: two cannot each add half of a
-- cycle, and one whose snapshot is older than another's edge gets a serialization failure.
INSERT INTO taskmaster.maintenance_state (key, value) VALUES ('task_dependencies', 'null');

-- The way from p_task_id up its dependencies to p_target, both included; null when there is none.
CREATE FUNCTION taskmaster.dependency_path(p_task_id uuid, p_target uuid) RETURNS uuid[]
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $dependency_path$
DECLARE
    path uuid[] := ARRAY[p_task_id];
    -- Everything that waits for the target, the target included.
    waiting uuid[];
    next_task uuid;
BEGIN
    IF NOT EXISTS (
        WITH RECURSIVE above(id) AS (
            SELECT p_task_id
            UNION
            SELECT d.depends_on FROM above JOIN taskmaster.task_dependencies AS d ON d.task_id = above.id
             WHERE d.dependency_type = 'blocks')
        SELECT FROM above WHERE id = p_target)
    THEN
        RETURN NULL;
    END IF;
    waiting := ARRAY(
        WITH RECURSIVE below(id) AS (
            SELECT p_target
            UNION
            SELECT d.task_id FROM below JOIN taskmaster.task_dependencies AS d ON d.depends_on = below.id
             WHERE d.dependency_type = 'blocks')
        SELECT id FROM below);
    WHILE path[cardinality(path)] <> p_target LOOP
        SELECT d.depends_on INTO STRICT next_task
          FROM taskmaster.task_dependencies AS d
         WHERE d.task_id = path[cardinality(path)] AND d.dependency_type = 'blocks'
           AND d.depends_on = ANY (waiting) AND d.depends_on <> ALL (path)
         ORDER BY d.depends_on = p_target DESC, d.depends_on
         LIMIT 1;
        path := path || next_task;
    END LOOP;
    RETURN path;
END
$dependency_path$;

COMMENT ON FUNCTION taskmaster.dependency_path(uuid, uuid) IS
    'The tasks from one to another that it waits for, directly or not; null when it does not';

CREATE FUNCTION taskmaster.check_task_dependency() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $check_task_dependency$
DECLARE
    path uuid[];
    prerequisite_status text;
BEGIN
    -- A task of this very transaction is seen by nobody else; while nothing waits for it, it cannot
    -- close a cycle.
    IF NEW.dependency_type = 'blocks'
        AND (EXISTS (SELECT FROM taskmaster.task_dependencies WHERE depends_on = NEW.task_id)
            OR NOT EXISTS (
                SELECT FROM taskmaster.tasks
                 WHERE id = NEW.task_id AND xmin = pg_current_xact_id()::xid))
    THEN
        UPDATE taskmaster.maintenance_state SET updated_at = clock_timestamp() WHERE key = 'task_dependencies';
        path := taskmaster.dependency_path(NEW.depends_on, NEW.task_id);
        IF path IS NOT NULL THEN
            RAISE EXCEPTION USING
                ERRCODE = '23514',
                MESSAGE = format('task %s cannot wait for %s, which waits for it', NEW.task_id, NEW.depends_on),
                DETAIL = jsonb_build_object('path', NEW.task_id || path)::text,
                HINT = 'Remove one of the dependencies on the path first.',
                SCHEMA = 'taskmaster', TABLE = 'task_dependencies', CONSTRAINT = 'task_dependencies_acyclic';
        END IF;
    END IF;
    -- Whether the other task has ended must not change until this edge can be seen. Rows are locked
    -- in the order of their ids.
    IF NEW.task_id < NEW.depends_on THEN
        PERFORM FROM taskmaster.tasks WHERE id = NEW.task_id FOR NO KEY UPDATE;
    END IF;
    SELECT status INTO prerequisite_status FROM taskmaster.tasks WHERE id = NEW.depends_on FOR SHARE;
    NEW.satisfied := coalesce(prerequisite_status = ANY (NEW.satisfied_by), false);
    RETURN NEW;
END
$check_task_dependency$;

CREATE TRIGGER task_dependencies_check BEFORE INSERT OR UPDATE OF task_id, depends_on, dependency_type, satisfied_by
    ON taskmaster.task_dependencies
    FOR EACH ROW EXECUTE FUNCTION taskmaster.check_task_dependency();

CREATE FUNCTION taskmaster.count_open_dependencies() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $count_open_dependencies$
DECLARE
    change record;
    change_query CONSTANT text := 'SELECT task_id, sum(n)::integer AS n FROM (%s) AS one GROUP BY task_id
        HAVING sum(n) <> 0 ORDER BY task_id';
    added CONSTANT text := 'SELECT task_id, 1 AS n FROM added WHERE NOT satisfied AND dependency_type = ''blocks''';
    removed CONSTANT text :=
        'SELECT task_id, -1 AS n FROM removed WHERE NOT satisfied AND dependency_type = ''blocks''';
BEGIN
    FOR change IN EXECUTE format(change_query, CASE TG_OP
        WHEN 'INSERT' THEN added
        WHEN 'DELETE' THEN removed
        ELSE added || ' UNION ALL ' || removed
    END) LOOP
        -- A counter that went astray is for check_integrity() to mend, not for the caller to trip on.
        UPDATE taskmaster.tasks SET open_deps = greatest(open_deps + change.n, 0) WHERE id = change.task_id;
    END LOOP;
    RETURN NULL;
END
$count_open_dependencies$;

CREATE TRIGGER task_dependencies_count_inserted AFTER INSERT ON taskmaster.task_dependencies
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.count_open_dependencies();

CREATE TRIGGER task_dependencies_count_updated AFTER UPDATE ON taskmaster.task_dependencies
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.count_open_dependencies();

CREATE TRIGGER task_dependencies_count_deleted AFTER DELETE ON taskmaster.task_dependencies
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION taskmaster.count_open_dependencies();

CREATE FUNCTION taskmaster.settle_task_dependencies() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $settle_task_dependencies$
BEGIN
    UPDATE taskmaster.task_dependencies
       SET satisfied = NOT satisfied
     WHERE depends_on = NEW.id
       AND satisfied <> coalesce(NEW.status = ANY (satisfied_by), false);
    RETURN NULL;
END
$settle_task_dependencies$;

-- Only ends satisfy a dependency, so other changes of status cost nothing here.
CREATE TRIGGER tasks_settle_dependencies AFTER UPDATE OF status ON taskmaster.tasks
    FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status
        AND (OLD.status IN ('completed', 'failed', 'cancelled') OR NEW.status IN ('completed', 'failed', 'cancelled')))
    EXECUTE FUNCTION taskmaster.settle_task_dependencies();

CREATE TABLE taskmaster.task_gates (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    task_id uuid NOT NULL REFERENCES taskmaster.tasks(id) ON DELETE CASCADE,
    gate_type varchar(50) NOT NULL,
    -- What is waited for, such as {"pr": 7} or {"until": "2031-01-01T00:00:00Z"}.
    await jsonb NOT NULL DEFAULT '{}',
    -- When a timer opens by itself.
    due_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL DEFAULT now(),
    created_by text DEFAULT taskmaster.current_actor(),
    resolved_at timestamp with time zone,
    resolved_by text,
    result jsonb,

    CONSTRAINT task_gates_gate_type_check CHECK (gate_type IN ('gh:pr', 'gh:run', 'timer', 'human', 'integration')),
    CONSTRAINT task_gates_due_at_check CHECK ((gate_type = 'timer') = (due_at IS NOT NULL))
);

COMMENT ON TABLE taskmaster.task_gates IS 'What a task waits for outside: a pull request, a CI run, a time, a person, a service';

CREATE INDEX task_gates_task_id_idx ON taskmaster.task_gates (task_id);

CREATE INDEX task_gates_due_at_idx ON taskmaster.task_gates (due_at) WHERE due_at IS NOT NULL AND resolved_at IS NULL;

CREATE FUNCTION taskmaster.count_open_gates() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $count_open_gates$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.resolved_at IS NULL THEN
        UPDATE taskmaster.tasks SET open_gates = greatest(open_gates - 1, 0) WHERE id = OLD.task_id;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.resolved_at IS NULL THEN
        UPDATE taskmaster.tasks SET open_gates = open_gates + 1 WHERE id = NEW.task_id;
    END IF;
    RETURN NULL;
END
$count_open_gates$;

CREATE TRIGGER task_gates_count AFTER INSERT OR DELETE OR UPDATE OF task_id, resolved_at ON taskmaster.task_gates
    FOR EACH ROW EXECUTE FUNCTION taskmaster.count_open_gates();
