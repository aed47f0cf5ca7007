-- Numbers for the tasks that stood before, oldest first, and the checks read against every row.
-- Others read and write the table meanwhile; only who writes the same rows waits.

UPDATE taskmaster.tasks AS t
   SET display_id = numbered.display_id
  FROM (SELECT id, nextval('taskmaster.task_display_id_seq') AS display_id
          FROM (SELECT id FROM taskmaster.tasks WHERE display_id IS NULL ORDER BY created_at, id) AS oldest_first
       ) AS numbered
 WHERE t.id = numbered.id;

ALTER TABLE taskmaster.tasks
    VALIDATE CONSTRAINT tasks_display_id_check,
    VALIDATE CONSTRAINT tasks_open_deps_check,
    VALIDATE CONSTRAINT tasks_open_gates_check,
    VALIDATE CONSTRAINT tasks_attempt_check,
    VALIDATE CONSTRAINT tasks_max_attempts_check,
    VALIDATE CONSTRAINT tasks_claim_check;
