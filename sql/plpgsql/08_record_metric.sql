CREATE FUNCTION taskmaster_plpgsql.record_metric(
    p_metric_name varchar, p_metric_value numeric, p_component varchar DEFAULT NULL,
    p_metric_type varchar DEFAULT 'gauge', p_tags jsonb DEFAULT '{}'
) RETURNS uuid
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $record_metric$
DECLARE
    types CONSTANT text[] := ARRAY['gauge', 'counter', 'histogram', 'timer'];
    new_type text := coalesce(p_metric_type, 'gauge');
    new_id uuid;
BEGIN
    IF p_metric_name IS NULL THEN
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
    ELSIF p_metric_value IS NULL THEN
        PERFORM taskmaster_plpgsql.refuse_null('p_metric_value');
    ELSIF p_metric_value IN ('NaN', 'Infinity', '-Infinity') THEN
        PERFORM taskmaster_plpgsql.refuse(
            '22023', 'p_metric_value must be a finite number', jsonb_build_object('argument', 'p_metric_value'),
            'Leave NaN and infinity out; they have no JSON form.');
    ELSIF jsonb_typeof(p_tags) <> 'object' THEN
        PERFORM taskmaster_plpgsql.refuse_document('p_tags');
    END IF;
    INSERT INTO taskmaster.system_metrics (metric_name, metric_value, component, metric_type, tags)
    VALUES (p_metric_name, p_metric_value, p_component, new_type, coalesce(p_tags, '{}'))
    RETURNING id INTO new_id;
    RETURN new_id;
END
$record_metric$;
