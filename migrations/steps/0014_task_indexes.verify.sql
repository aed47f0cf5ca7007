SELECT format('index %s is not valid', indexrelid::regclass)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE c.relnamespace = 'taskmaster'::regnamespace AND NOT (i.indisvalid AND i.indisready);
