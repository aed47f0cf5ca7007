CREATE FUNCTION taskmaster_plpgsql.log_api_call(
    p_integration_name varchar, p_endpoint varchar, p_method varchar, p_response_status integer,
    p_response_time_ms integer, p_task_id uuid DEFAULT NULL, p_user_id varchar DEFAULT NULL,
    p_error_message text DEFAULT NULL
) RETURNS uuid
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $log_api_call$
DECLARE
    methods CONSTANT text[] := ARRAY['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE'];
    stored_method text := upper(p_method COLLATE "C");
    stored_endpoint text := p_endpoint;
    found_ids uuid[];
    found_types text[];
    used_at timestamptz;
    new_id uuid;
BEGIN
    IF p_integration_name IS NULL THEN
        PERFORM taskmaster_plpgsql.refuse_null('p_integration_name');
    ELSIF char_length(p_integration_name) > 100 THEN
        PERFORM taskmaster_plpgsql.refuse_length('p_integration_name', p_integration_name, 100);
    ELSIF btrim(p_integration_name, E' \t\n\r\x0b\x0c') = '' THEN
        PERFORM taskmaster_plpgsql.refuse_blank('p_integration_name');
    ELSIF p_endpoint IS NULL THEN
        PERFORM taskmaster_plpgsql.refuse_null('p_endpoint');
    ELSIF p_method IS NULL THEN
        PERFORM taskmaster_plpgsql.refuse_null('p_method');
    ELSIF char_length(p_method) > 10 THEN
        PERFORM taskmaster_plpgsql.refuse_length('p_method', p_method, 10);
    ELSIF stored_method <> ALL (methods) THEN
        PERFORM taskmaster_plpgsql.refuse_word('p_method', p_method, methods);
    ELSIF p_response_status NOT BETWEEN 100 AND 599 THEN
        PERFORM taskmaster_plpgsql.refuse_range('p_response_status', p_response_status, 100, 599);
    ELSIF p_response_time_ms < 0 THEN
        PERFORM taskmaster_plpgsql.refuse_range('p_response_time_ms', p_response_time_ms, 0, 2147483647);
    ELSIF char_length(p_user_id) > 255 THEN
        PERFORM taskmaster_plpgsql.refuse_length('p_user_id', p_user_id, 255);
    END IF;
    IF char_length(p_endpoint) > 255 THEN
        stored_endpoint := left(p_endpoint, 211) || '...[sha256:'
            || left(encode(sha256(convert_to(p_endpoint, 'UTF8')), 'hex'), 32) || ']';
    END IF;

    SELECT array_agg(candidate.id), array_agg(candidate.integration_type) INTO found_ids, found_types
      FROM (SELECT id, integration_type FROM taskmaster.external_integrations
             WHERE integration_name = p_integration_name
             ORDER BY status IS DISTINCT FROM 'active', created_at, id LIMIT 2) AS candidate;
    IF found_ids IS NULL THEN
        RAISE WARNING USING
            ERRCODE = '01000', MESSAGE = format('integration "%s" is not registered', p_integration_name),
            DETAIL = jsonb_build_object('integration_name', p_integration_name)::text,
            HINT = 'The call is logged without an integration, its name kept in request_headers; '
                'register it in taskmaster.external_integrations.';
    ELSIF cardinality(found_ids) > 1 THEN
        RAISE WARNING USING
            ERRCODE = '01000', MESSAGE = format('integration name "%s" is used more than once', p_integration_name),
            DETAIL = jsonb_build_object('integration_name', p_integration_name, 'logged_under', found_types[1])::text,
            HINT = 'The call is logged under the oldest active integration of that name; give each a name of its own.';
    END IF;

    IF p_task_id IS NOT NULL AND NOT EXISTS (SELECT FROM taskmaster.tasks WHERE id = p_task_id) THEN
        PERFORM taskmaster_plpgsql.refuse_missing(
            '23503', 'task', p_task_id, 'api_access_logs', 'api_access_logs_task_id_fkey');
    END IF;
    IF found_ids IS NOT NULL THEN
        used_at := clock_timestamp();
        UPDATE taskmaster.external_integrations
           SET last_used_at = used_at,
               current_usage = CASE WHEN usage_reset_at > used_at THEN coalesce(current_usage, 0) + 1 ELSE 1 END,
               usage_reset_at = CASE WHEN usage_reset_at > used_at
                   THEN usage_reset_at ELSE used_at + interval '1 minute' END
         WHERE id = found_ids[1];
    END IF;
    INSERT INTO taskmaster.api_access_logs
        (integration_id, endpoint, method, response_status, response_time_ms, task_id, user_id, error_message,
         request_headers)
    VALUES (found_ids[1], stored_endpoint, stored_method, p_response_status, p_response_time_ms, p_task_id, p_user_id,
        p_error_message,
        CASE WHEN found_ids IS NULL THEN jsonb_build_object('x-taskmaster-integration', p_integration_name) END)
    RETURNING id INTO new_id;
    RETURN new_id;
END
$log_api_call$;
