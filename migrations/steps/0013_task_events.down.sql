DROP TABLE taskmaster.task_status_transitions;

DROP TABLE taskmaster.idempotency_keys;

DROP TABLE taskmaster.task_contexts;

DROP TABLE taskmaster.task_events;

DROP FUNCTION taskmaster.refuse_rewriting();
