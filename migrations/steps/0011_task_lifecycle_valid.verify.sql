SELECT format('constraint %I is not valid', conname)
  FROM pg_constraint WHERE conrelid = 'taskmaster.tasks'::regclass AND NOT convalidated;
