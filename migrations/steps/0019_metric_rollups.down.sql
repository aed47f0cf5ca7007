DROP FUNCTION taskmaster.metric_labels_key(varchar, varchar, varchar, jsonb);

DROP FUNCTION taskmaster.finite_double(numeric);

DROP TABLE taskmaster.rollup_samples;

DROP TABLE taskmaster.metric_dirty_buckets;

DROP TABLE taskmaster.rollup_watermarks;

DROP TABLE taskmaster.metric_rollups;

DROP TABLE taskmaster.metric_series;
