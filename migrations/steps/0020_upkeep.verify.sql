SELECT format('function taskmaster.%s is missing', signature)
  FROM unnest(ARRAY['make_partition(name,date,date)', 'try_make_partition(name,date,date)', 'ensure_partitions(integer)',
                    'drop_partition(name,name)', 'delete_before(name,timestamp with time zone)', 'attempt(text)'])
       AS signature
 WHERE to_regprocedure('taskmaster.' || signature) IS NULL;

SELECT 'taskmaster.partition_bounds does not show the partitions of the metrics'
 WHERE NOT EXISTS (SELECT FROM taskmaster.partition_bounds WHERE table_name = 'system_metrics' AND is_default);
