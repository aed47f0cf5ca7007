-- The partitions stay: their rows belong to the tables, which go with step 0002.

DROP FUNCTION taskmaster.ensure_partitions(integer);

DROP FUNCTION taskmaster.make_partition(name, date, date);
