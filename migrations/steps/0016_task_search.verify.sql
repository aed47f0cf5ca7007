SELECT 'function taskmaster.find_tasks(text) is missing' WHERE to_regprocedure('taskmaster.find_tasks(text)') IS NULL;
