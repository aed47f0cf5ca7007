SELECT format('table taskmaster.%I is missing', name)
  FROM unnest(ARRAY['metric_series', 'metric_rollups', 'rollup_watermarks', 'metric_dirty_buckets',
                    'rollup_samples']) AS name
 WHERE to_regclass(format('taskmaster.%I', name)) IS NULL;

SELECT 'taskmaster.rollup_watermarks has not one row for each resolution'
 WHERE (SELECT count(*) FROM taskmaster.rollup_watermarks) <> 3;

-- A table that depended on a function of the extension would hold up its removal.
SELECT format('%s depends on the extension', d.objid::regclass)
  FROM pg_depend d JOIN pg_depend e ON e.classid = 'pg_proc'::regclass AND e.objid = d.refobjid AND e.deptype = 'e'
 WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_proc'::regclass
   AND d.objid IN ('taskmaster.metric_series'::regclass, 'taskmaster.metric_rollups'::regclass);
