-- What is kept of the metrics when the measurements themselves are gone: rollups by minute, hour and
-- day for each series, written by roll_up_metrics() of the extension.

-- One row for each combination of name, component, type, unit and tags. How many a name may have is
-- limited; what exceeds that is summed up in one series of the name and type, with is_overflow.
CREATE TABLE taskmaster.metric_series (
    series_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    metric_name varchar(100) NOT NULL,
    component varchar(100),
    metric_type varchar(50) NOT NULL,
    metric_unit varchar(20),
    tags jsonb NOT NULL DEFAULT '{}',
    labels_key uuid NOT NULL,
    is_overflow boolean NOT NULL DEFAULT false,
    created_at timestamp with time zone NOT NULL DEFAULT now(),
    CONSTRAINT metric_series_labels_key UNIQUE (metric_name, labels_key)
);

COMMENT ON TABLE taskmaster.metric_series IS 'The series that measurements belong to: a name and its labels';

-- "increase" is what a counter grew by within the bucket, resets left out, and NULL for all else. The
-- sketch is of the extension's ddsketch_agg(); as bytea, so that no column needs the extension.
CREATE TABLE taskmaster.metric_rollups (
    series_id bigint NOT NULL REFERENCES taskmaster.metric_series (series_id) ON DELETE CASCADE,
    resolution varchar(10) NOT NULL,
    bucket timestamp with time zone NOT NULL,
    samples bigint NOT NULL,
    sum double precision NOT NULL,
    min double precision NOT NULL,
    max double precision NOT NULL,
    first double precision NOT NULL,
    last double precision NOT NULL,
    increase double precision,
    sketch bytea NOT NULL,
    PRIMARY KEY (series_id, resolution, bucket),
    CONSTRAINT metric_rollups_resolution_check CHECK (resolution IN ('minute', 'hour', 'day')),
    CONSTRAINT metric_rollups_samples_check CHECK (samples > 0)
);

CREATE INDEX metric_rollups_resolution_bucket_idx ON taskmaster.metric_rollups (resolution, bucket);

COMMENT ON TABLE taskmaster.metric_rollups IS 'Measurements summed up by minute, hour and day (UTC)';

-- Up to where each resolution is done, and up to where that which it is made of has been removed: a
-- bucket before that is never made anew, because it would come out poorer.
CREATE TABLE taskmaster.rollup_watermarks (
    resolution varchar(10) PRIMARY KEY,
    rolled_until timestamp with time zone,
    source_gone_until timestamp with time zone NOT NULL DEFAULT '-infinity',
    CONSTRAINT rollup_watermarks_resolution_check CHECK (resolution IN ('minute', 'hour', 'day'))
);

INSERT INTO taskmaster.rollup_watermarks (resolution) VALUES ('minute'), ('hour'), ('day');

COMMENT ON TABLE taskmaster.rollup_watermarks IS 'How far each resolution of the rollups has come';

-- A measurement that came late says so here, in its own transaction. Rows are only added and removed,
-- never shared: a mark that another transaction left could be gone before this one commits.
CREATE TABLE taskmaster.metric_dirty_buckets (
    mark_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bucket timestamp with time zone NOT NULL
);

CREATE INDEX metric_dirty_buckets_bucket_idx ON taskmaster.metric_dirty_buckets (bucket);

COMMENT ON TABLE taskmaster.metric_dirty_buckets IS 'Minutes that measurements came late for, to be rolled up anew';

-- Which transaction ids were given out by which time: from the oldest one that still runs follows how
-- late a measurement may yet appear that was recorded in time.
CREATE TABLE taskmaster.rollup_samples (
    xid xid8 PRIMARY KEY,
    sampled_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE taskmaster.rollup_samples IS 'Transaction ids and times, by which rollups know what may still be open';

-- numeric holds numbers that double precision refuses, and an aggregate must not fail for one of them.
CREATE FUNCTION taskmaster.finite_double(p_value numeric) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN p_value > 1e300 THEN 1e300::double precision
    WHEN p_value < -1e300 THEN -1e300::double precision
    WHEN p_value BETWEEN -1e-300 AND 1e-300 THEN 0::double precision
    ELSE p_value::double precision
END;

COMMENT ON FUNCTION taskmaster.finite_double(numeric) IS
    'The nearest double precision within 1e300 of zero; what is below 1e-300 is zero';

-- Stands for the labels in the unique constraint, which could not hold tags of any size.
CREATE FUNCTION taskmaster.metric_labels_key(
    p_component varchar, p_metric_type varchar, p_metric_unit varchar, p_tags jsonb
) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN md5(quote_nullable(p_component::text) || quote_nullable(p_metric_type::text)
           || quote_nullable(p_metric_unit::text) || p_tags::text)::uuid;

COMMENT ON FUNCTION taskmaster.metric_labels_key(varchar, varchar, varchar, jsonb) IS
    'Stands for the labels of a series in metric_series.labels_key';
