SELECT 'pg_trgm is installed, and the index that uses it is missing'
 WHERE EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm')
   AND to_regclass('taskmaster.tasks_title_description_trgm_idx') IS NULL;
