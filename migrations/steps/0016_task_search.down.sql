DROP FUNCTION taskmaster.find_tasks(text);
