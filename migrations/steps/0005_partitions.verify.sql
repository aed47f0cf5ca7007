SELECT format('function taskmaster.%s is missing', signature)
  FROM unnest(ARRAY['ensure_partitions(integer)', 'make_partition(name,date,date)']) AS signature
 WHERE to_regprocedure('taskmaster.' || signature) IS NULL;
