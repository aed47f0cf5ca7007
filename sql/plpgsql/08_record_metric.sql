CREATE FUNCTION taskmaster_plpgsql.record_metric(
    p_metric_name varchar, p_metric_value numeric, p_component varchar DEFAULT NULL,
    p_metric_type varchar DEFAULT 'gauge', p_tags jsonb DEFAULT '{}', p_metric_unit varchar DEFAULT NULL,
    p_source_system varchar DEFAULT NULL, p_recorded_at timestamptz DEFAULT NULL,
    p_metric_metadata jsonb DEFAULT '{}'
) RETURNS uuid
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $record_metric$
DECLARE
    types CONSTANT text[] := ARRAY['gauge', 'counter', 'histogram', 'timer'];
    new_type text := coalesce(p_metric_type, 'gauge');
    new_id uuid;
BEGIN
    IF char_length(p_metric_unit) > 20 THEN
        PERFORM taskmaster_plpgsql.refuse_length('p_metric_unit', p_metric_unit, 20);
    ELSIF char_length(p_source_system) > 50 THEN
        PERFORM taskmaster_plpgsql.refuse_length('p_source_system', p_source_system, 50);
    ELSIF p_metric_name IS NULL THEN
        PERFORM taskmaster_plpgsql.refuse_null('p_metric_name');
    ELSIF char_length(p_metric_name) > 100 THEN
        PERFORM taskmaster_plpgsql.refuse_length('p_metric_name', p_metric_name, 100);
    ELSIF btrim(p_metric_name, E' \t\n\r\x0b\x0c') = '' THEN
        PERFORM taskmaster_plpgsql.refuse_blank('p_metric_name');
    ELSIF char_length(p_component) > 100 THEN
        PERFORM taskmaster_plpgsql.refuse_length('p_component', p_component, 100);
    ELSIF char_length(new_type) > 50 THEN
        PERFORM taskmaster_plpgsql.refuse_length('p_metric_type', new_type, 50);
    ELSIF new_type <> ALL (types) THEN
        PERFORM taskmaster_plpgsql.refuse_word('p_metric_type', new_type, types);
    ELSIF p_recorded_at IN ('infinity', '-infinity') THEN
        PERFORM taskmaster_plpgsql.refuse(
            '22023', 'p_recorded_at must be a time, not infinity', jsonb_build_object('argument', 'p_recorded_at'),
            'Pass a point in time.');
    ELSIF p_recorded_at > clock_timestamp() + interval '1 day' THEN
        PERFORM taskmaster_plpgsql.refuse(
            '22023', 'p_recorded_at lies more than a day ahead', jsonb_build_object('argument', 'p_recorded_at'),
            'Check the clock of the machine that measures.');
    ELSIF p_metric_value IS NULL THEN
        PERFORM taskmaster_plpgsql.refuse_null('p_metric_value');
    ELSIF p_metric_value IN ('NaN', 'Infinity', '-Infinity') THEN
        PERFORM taskmaster_plpgsql.refuse(
            '22023', 'p_metric_value must be a finite number', jsonb_build_object('argument', 'p_metric_value'),
            'Leave NaN and infinity out; they have no JSON form.');
    ELSIF jsonb_typeof(p_tags) <> 'object' THEN
        PERFORM taskmaster_plpgsql.refuse_document('p_tags');
    ELSIF pg_column_size(p_tags) > 16384 THEN
        PERFORM taskmaster_plpgsql.refuse_size('p_tags', pg_column_size(p_tags), 16384);
    ELSIF jsonb_typeof(p_metric_metadata) <> 'object' THEN
        PERFORM taskmaster_plpgsql.refuse_document('p_metric_metadata');
    ELSIF pg_column_size(p_metric_metadata) > 16384 THEN
        PERFORM taskmaster_plpgsql.refuse_size('p_metric_metadata', pg_column_size(p_metric_metadata), 16384);
    END IF;
    INSERT INTO taskmaster.system_metrics
        (metric_name, metric_value, component, metric_type, tags, metric_unit, source_system, recorded_at,
         metric_metadata)
    VALUES (p_metric_name, p_metric_value, p_component, new_type, coalesce(p_tags, '{}'), p_metric_unit,
            p_source_system, coalesce(p_recorded_at, now()), coalesce(p_metric_metadata, '{}'))
    RETURNING id INTO new_id;
    IF coalesce(p_recorded_at, now()) + interval '30 seconds' < clock_timestamp() THEN
        INSERT INTO taskmaster.metric_dirty_buckets (bucket)
        VALUES (date_trunc('minute', coalesce(p_recorded_at, now())));
    END IF;
    RETURN new_id;
END
$record_metric$;
