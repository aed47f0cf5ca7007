SELECT 'table taskmaster.workflow_steps is missing'
 WHERE to_regclass('taskmaster.workflow_steps') IS NULL;

SELECT format('workflow %s has reported steps but no rows of them', w.id)
  FROM taskmaster.workflows w
 WHERE jsonb_typeof(w.steps_completed) = 'array'
   AND w.steps_completed @? '$[*] ? (@.status == "completed" && @.step_name like_regex "^.{1,100}$" flag "s")'
   AND NOT EXISTS (SELECT FROM taskmaster.workflow_steps s WHERE s.workflow_id = w.id)
 LIMIT 10;
