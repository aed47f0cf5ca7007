DROP VIEW taskmaster.v_taskmaster_tasks;

DROP VIEW taskmaster.blocking_tasks;

DROP VIEW taskmaster.blocked_tasks;

DROP VIEW taskmaster.ready_tasks;
