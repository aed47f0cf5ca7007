-- As the native function with the arguments of the product's document, but for redaction.
CREATE FUNCTION taskmaster_plpgsql.log_api_call(
    p_integration_name varchar, p_endpoint varchar, p_method varchar, p_response_status integer,
    p_response_time_ms integer, p_task_id uuid DEFAULT NULL, p_user_id varchar DEFAULT NULL,
    p_error_message text DEFAULT NULL
) RETURNS uuid
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $log_api_call$
DECLARE
    methods CONSTANT text[] := ARRAY['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE'];
    given_name text := coalesce(p_integration_name, '');
    stored_method text := upper(p_method COLLATE "C");
    stored_endpoint text := p_endpoint;
    stored_status integer := p_response_status;
    stored_time integer := p_response_time_ms;
    stored_user text := p_user_id;
    stored_task uuid := p_task_id;
    notes jsonb := '{}';
    found_ids uuid[];
    found_types text[];
    used_at timestamptz;
    new_id uuid;
BEGIN
    IF char_length(given_name) > 100 THEN
        given_name := left(given_name, 100);
        notes := notes || '{"integration_name": "cut"}';
    END IF;
    IF p_endpoint IS NULL OR btrim(p_endpoint, E' \t\n\r\x0b\x0c') = '' THEN
        stored_endpoint := '(none)';
        notes := notes || jsonb_build_object('endpoint', p_endpoint);
    ELSIF char_length(p_endpoint) > 255 THEN
        stored_endpoint := left(p_endpoint, 211) || '...[sha256:'
            || left(encode(sha256(convert_to(p_endpoint, 'UTF8')), 'hex'), 32) || ']';
    END IF;
    IF stored_method IS NULL OR stored_method <> ALL (methods) THEN
        stored_method := 'OTHER';
        notes := notes || jsonb_build_object('method', left(p_method, 50));
    END IF;
    IF p_response_status NOT BETWEEN 0 AND 999 THEN
        stored_status := NULL;
        notes := notes || jsonb_build_object('response_status', p_response_status);
    END IF;
    IF p_response_time_ms < 0 THEN
        stored_time := NULL;
        notes := notes || jsonb_build_object('response_time_ms', p_response_time_ms);
    END IF;
    IF char_length(p_user_id) > 255 THEN
        stored_user := left(p_user_id, 255);
        notes := notes || '{"user_id": "cut"}';
    END IF;
    IF p_task_id IS NOT NULL AND NOT EXISTS (SELECT FROM taskmaster.tasks WHERE id = p_task_id) THEN
        stored_task := NULL;
        notes := notes || jsonb_build_object('task_id', p_task_id);
    END IF;

    SELECT array_agg(candidate.id), array_agg(candidate.integration_type) INTO found_ids, found_types
      FROM (SELECT id, integration_type FROM taskmaster.external_integrations
             WHERE integration_name = given_name
             ORDER BY status IS DISTINCT FROM 'active', created_at, id LIMIT 2) AS candidate;
    IF found_ids IS NULL THEN
        RAISE WARNING USING
            ERRCODE = '01000', MESSAGE = format('integration "%s" is not registered', given_name),
            DETAIL = jsonb_build_object('integration_name', given_name)::text,
            HINT = 'The call is logged without an integration, its name kept in request_headers; '
                'register it in taskmaster.external_integrations.';
    ELSIF cardinality(found_ids) > 1 THEN
        RAISE WARNING USING
            ERRCODE = '01000', MESSAGE = format('integration name "%s" is used more than once', given_name),
            DETAIL = jsonb_build_object('integration_name', given_name, 'logged_under', found_types[1])::text,
            HINT = 'The call is logged under the oldest active integration of that name; give each a name of its own.';
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
         request_headers, adjustments)
    VALUES (found_ids[1], stored_endpoint, stored_method, stored_status, stored_time, stored_task, stored_user,
        p_error_message,
        CASE WHEN found_ids IS NULL THEN jsonb_build_object('x-taskmaster-integration', given_name) END,
        nullif(notes, '{}'))
    RETURNING id INTO new_id;
    RETURN new_id;
END
$log_api_call$;
