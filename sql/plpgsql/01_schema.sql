-- The eight stored functions in PL/pgSQL, with the behaviour of the extension's native ones: the oracle of the
-- differential test and the baseline of the benchmark. Not installed by the migrations. The files run in the order
-- of their names, on a database whose migrations have run.

CREATE SCHEMA taskmaster_plpgsql;

COMMENT ON SCHEMA taskmaster_plpgsql IS
    'The stored functions of Taskmaster in PL/pgSQL, for comparison with the native ones';

-- Refusals. The callers test inline, so that a call that is not refused does not pay for these.

CREATE FUNCTION taskmaster_plpgsql.refuse(
    p_sqlstate text, p_message text, p_detail jsonb, p_hint text, p_table text DEFAULT '', p_constraint text DEFAULT ''
) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $refuse$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = p_sqlstate, MESSAGE = p_message, DETAIL = p_detail::text, HINT = p_hint,
        SCHEMA = CASE WHEN p_table = '' THEN '' ELSE 'taskmaster' END, TABLE = p_table, CONSTRAINT = p_constraint;
END
$refuse$;

CREATE FUNCTION taskmaster_plpgsql.refuse_null(p_argument text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $refuse_null$
BEGIN
    PERFORM taskmaster_plpgsql.refuse(
        '22004', p_argument || ' must not be null', jsonb_build_object('argument', p_argument),
        'Pass a value for ' || p_argument || '.');
END
$refuse_null$;

CREATE FUNCTION taskmaster_plpgsql.refuse_length(p_argument text, p_value text, p_length_max integer) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $refuse_length$
BEGIN
    PERFORM taskmaster_plpgsql.refuse(
        '22001', format('%s has %s characters, at most %s fit', p_argument, char_length(p_value), p_length_max),
        jsonb_build_object('argument', p_argument, 'length', char_length(p_value), 'length_max', p_length_max),
        'Shorten the value; long text belongs in a text or jsonb argument.');
END
$refuse_length$;

CREATE FUNCTION taskmaster_plpgsql.refuse_blank(p_argument text, p_table text DEFAULT '', p_constraint text DEFAULT '')
    RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $refuse_blank$
BEGIN
    PERFORM taskmaster_plpgsql.refuse(
        CASE WHEN p_constraint = '' THEN '22023' ELSE '23514' END,
        p_argument || ' must not be blank', jsonb_build_object('argument', p_argument),
        'Pass at least one visible character.', p_table, p_constraint);
END
$refuse_blank$;

CREATE FUNCTION taskmaster_plpgsql.refuse_word(p_argument text, p_value text, p_allowed text[]) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $refuse_word$
BEGIN
    PERFORM taskmaster_plpgsql.refuse(
        '22023', format('"%s" is not a value of %s', p_value, p_argument),
        jsonb_build_object('argument', p_argument, 'value', p_value, 'allowed', p_allowed),
        'Known values: ' || array_to_string(p_allowed, ', ') || '.');
END
$refuse_word$;

CREATE FUNCTION taskmaster_plpgsql.refuse_range(
    p_argument text, p_value integer, p_min integer, p_max integer,
    p_table text DEFAULT '', p_constraint text DEFAULT ''
) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $refuse_range$
BEGIN
    PERFORM taskmaster_plpgsql.refuse(
        CASE WHEN p_constraint = '' THEN '22023' ELSE '23514' END,
        format('%s must lie between %s and %s, not %s', p_argument, p_min, p_max, p_value),
        jsonb_build_object('argument', p_argument, 'value', p_value, 'min', p_min, 'max', p_max),
        'Pass a value within the range.', p_table, p_constraint);
END
$refuse_range$;

CREATE FUNCTION taskmaster_plpgsql.refuse_document(p_argument text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $refuse_document$
BEGIN
    PERFORM taskmaster_plpgsql.refuse(
        '22023', p_argument || ' must be a JSON object', jsonb_build_object('argument', p_argument),
        'Pass an object such as {"key": "value"} for ' || p_argument || '.');
END
$refuse_document$;

CREATE FUNCTION taskmaster_plpgsql.refuse_size(p_argument text, p_size integer, p_size_max integer) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $refuse_size$
BEGIN
    PERFORM taskmaster_plpgsql.refuse(
        '54000', format('%s takes %s bytes, at most %s are allowed', p_argument, p_size, p_size_max),
        jsonb_build_object('argument', p_argument, 'size', p_size, 'size_max', p_size_max),
        'Keep large documents elsewhere, and pass a reference.');
END
$refuse_size$;

CREATE FUNCTION taskmaster_plpgsql.refuse_missing(
    p_sqlstate text, p_noun text, p_id uuid, p_table text DEFAULT '', p_constraint text DEFAULT ''
) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $refuse_missing$
BEGIN
    PERFORM taskmaster_plpgsql.refuse(
        p_sqlstate, format('%s %s does not exist', p_noun, p_id),
        jsonb_build_object(CASE p_noun WHEN 'parent task' THEN 'parent_task' ELSE p_noun END || '_id', p_id),
        'Look the id up in taskmaster.' || CASE p_noun WHEN 'workflow' THEN 'workflows' ELSE 'tasks' END || '.',
        p_table, p_constraint);
END
$refuse_missing$;

CREATE FUNCTION taskmaster_plpgsql.refuse_stored_status(p_noun text, p_id uuid, p_status text, p_allowed text[])
    RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $refuse_stored_status$
BEGIN
    PERFORM taskmaster_plpgsql.refuse(
        '55000', format('the %s has the unknown status "%s"', p_noun, p_status),
        jsonb_build_object(p_noun || '_id', p_id, 'status', coalesce(p_status, '')),
        format('Set taskmaster.%ss.status to one of: %s.', p_noun, array_to_string(p_allowed, ', ')));
END
$refuse_stored_status$;
