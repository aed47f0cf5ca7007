DROP TABLE taskmaster.task_gates;

DROP FUNCTION taskmaster.count_open_gates();

DROP TRIGGER tasks_settle_dependencies ON taskmaster.tasks;

DROP FUNCTION taskmaster.settle_task_dependencies();

DROP TABLE taskmaster.task_dependencies;

DROP FUNCTION taskmaster.count_open_dependencies();

DROP FUNCTION taskmaster.check_task_dependency();

DROP FUNCTION taskmaster.dependency_path(uuid, uuid);

DELETE FROM taskmaster.maintenance_state WHERE key = 'task_dependencies';

-- Nothing is waited for any more.
UPDATE taskmaster.tasks SET open_deps = 0, open_gates = 0 WHERE open_deps <> 0 OR open_gates <> 0;
