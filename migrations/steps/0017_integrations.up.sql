-- What integrations need beside their row: limits with a window, a circuit breaker, tokens and cost
-- of calls, budgets, and that no secret is stored in plain text.
--
-- What changes with every call stands in tables of its own: a row that a transaction holds until it
-- commits must not be the one that everybody reads.

-- Services besides the known ones may be integrated. A call whose method is none of HTTP's is
-- logged as OTHER; what it was stands in adjustments.
ALTER TABLE taskmaster.external_integrations
    DROP CONSTRAINT external_integrations_integration_type_check,
    ADD CONSTRAINT external_integrations_integration_type_check CHECK (integration_type ~ '^[a-z][a-z0-9_-]*$'),
    ADD COLUMN rate_limit_requests integer,
    ADD COLUMN rate_window_seconds integer NOT NULL DEFAULT 60,
    ADD COLUMN rate_burst integer,
    ADD COLUMN health_check_interval_seconds integer NOT NULL DEFAULT 60,
    ADD CONSTRAINT external_integrations_rate_limit_requests_check CHECK (rate_limit_requests > 0),
    ADD CONSTRAINT external_integrations_rate_window_seconds_check CHECK (rate_window_seconds BETWEEN 1 AND 86400),
    ADD CONSTRAINT external_integrations_rate_burst_check CHECK (rate_burst > 0),
    ADD CONSTRAINT external_integrations_health_check_interval_seconds_check
        CHECK (health_check_interval_seconds BETWEEN 1 AND 86400);

COMMENT ON COLUMN taskmaster.external_integrations.rate_limit_requests IS
    'Requests in a window of rate_window_seconds; NULL means what rate_limit_per_minute comes to';

ALTER TABLE taskmaster.api_access_logs
    DROP CONSTRAINT api_access_logs_method_check,
    ADD CONSTRAINT api_access_logs_method_check CHECK (
        method IN ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE', 'OTHER')),
    ADD COLUMN tokens_in bigint,
    ADD COLUMN tokens_out bigint,
    ADD COLUMN cost_usd numeric,
    ADD COLUMN adjustments jsonb,
    ADD CONSTRAINT api_access_logs_tokens_check CHECK (tokens_in >= 0 AND tokens_out >= 0),
    ADD CONSTRAINT api_access_logs_cost_usd_check CHECK (cost_usd >= 0);

COMMENT ON COLUMN taskmaster.api_access_logs.adjustments IS
    'What log_api_call had to change so that the call could be stored: argument to original value or reason';

-- How much of its limit an integration has used, and what the service itself said about it. Lost in
-- a crash, which costs no more than a window that begins anew.
CREATE UNLOGGED TABLE taskmaster.integration_rate_state (
    integration_id uuid PRIMARY KEY REFERENCES taskmaster.external_integrations(id) ON DELETE CASCADE,
    window_started_at timestamp with time zone,
    window_used integer NOT NULL DEFAULT 0,
    arrival_at timestamp with time zone,
    remote_remaining bigint,
    remote_reset_at timestamp with time zone,
    blocked_until timestamp with time zone,
    remote jsonb NOT NULL DEFAULT '{}'::jsonb
) WITH (fillfactor = 50);

COMMENT ON TABLE taskmaster.integration_rate_state IS 'The rate limiter of each integration; not crash-safe by intent';
COMMENT ON COLUMN taskmaster.integration_rate_state.arrival_at IS 'The theoretical arrival time of the GCRA';
COMMENT ON COLUMN taskmaster.integration_rate_state.remote IS 'The limits as the service''s headers told them, by scope';

CREATE TABLE taskmaster.integration_health (
    integration_id uuid PRIMARY KEY REFERENCES taskmaster.external_integrations(id) ON DELETE CASCADE,
    breaker varchar(20) NOT NULL DEFAULT 'closed',
    recent varchar(20) NOT NULL DEFAULT '',
    open_until timestamp with time zone,
    opens integer NOT NULL DEFAULT 0,
    probes_used integer NOT NULL DEFAULT 0,
    probes_since timestamp with time zone,
    next_check_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    leased_until timestamp with time zone,
    CONSTRAINT integration_health_breaker_check CHECK (breaker IN ('closed', 'open', 'half_open')),
    CONSTRAINT integration_health_recent_check CHECK (recent ~ '^[01]*$')
) WITH (fillfactor = 70);

COMMENT ON TABLE taskmaster.integration_health IS 'The circuit breaker of each integration, and when its health is to be checked';
COMMENT ON COLUMN taskmaster.integration_health.recent IS 'The last checks, oldest first: 1 passed, 0 failed';

CREATE INDEX integration_health_next_check_at_idx ON taskmaster.integration_health (next_check_at);

CREATE TABLE taskmaster.integration_health_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration_id uuid NOT NULL REFERENCES taskmaster.external_integrations(id) ON DELETE CASCADE,
    checked_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    ok boolean NOT NULL,
    response_time_ms integer,
    error text,
    health_status varchar(20) NOT NULL,
    breaker varchar(20) NOT NULL,
    CONSTRAINT integration_health_history_response_time_ms_check CHECK (response_time_ms >= 0)
);

COMMENT ON TABLE taskmaster.integration_health_history IS 'Health checks of the last 30 days and what each came to';

CREATE INDEX integration_health_history_integration_id_checked_at_idx
    ON taskmaster.integration_health_history (integration_id, checked_at DESC);

-- What the calls for a task have used, and what they may use. Counted for every task with such
-- calls, so that a budget set later knows them.
CREATE TABLE taskmaster.task_budgets (
    task_id uuid PRIMARY KEY REFERENCES taskmaster.tasks(id) ON DELETE CASCADE,
    tokens_max bigint,
    cost_usd_max numeric,
    warn_ratio numeric NOT NULL DEFAULT 0.8,
    tokens_used bigint NOT NULL DEFAULT 0,
    cost_usd_used numeric NOT NULL DEFAULT 0,
    CONSTRAINT task_budgets_tokens_max_check CHECK (tokens_max >= 0),
    CONSTRAINT task_budgets_cost_usd_max_check CHECK (cost_usd_max >= 0),
    CONSTRAINT task_budgets_warn_ratio_check CHECK (warn_ratio > 0 AND warn_ratio <= 1),
    CONSTRAINT task_budgets_used_check CHECK (tokens_used >= 0 AND cost_usd_used >= 0)
) WITH (fillfactor = 70);

COMMENT ON TABLE taskmaster.task_budgets IS 'Tokens and cost that the calls for a task used, and their limits';

-- Whether a document holds what looks like a secret and is no reference to one. register_integration
-- asks more exactly and answers better; this holds for every other way in.
CREATE FUNCTION taskmaster.holds_plain_secret(p_document jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $holds_plain_secret$
    WITH RECURSIVE node(key, value) AS (
        SELECT '', p_document
        UNION ALL
        SELECT child.key, child.value
          FROM node, LATERAL (
            SELECT member.key, member.value
              FROM jsonb_each(CASE WHEN jsonb_typeof(node.value) = 'object' THEN node.value ELSE '{}' END) AS member
            UNION ALL
            SELECT node.key, element
              FROM jsonb_array_elements(CASE WHEN jsonb_typeof(node.value) = 'array' THEN node.value ELSE '[]' END)
                   AS element) AS child)
    SELECT EXISTS (
        SELECT FROM node, LATERAL (SELECT node.value #>> '{}' AS text) AS leaf
         WHERE jsonb_typeof(node.value) = 'string' AND leaf.text <> ''
           AND (leaf.text ~ '(gh[pousr]_|github_pat_|lin_api_|sk-ant-|xox[abprs]-|-----BEGIN [A-Z ]*PRIVATE KEY)'
             OR node.key ~* '(secret|passw|passphrase|api[_-]?key|private[_-]?key|access[_-]?key|credential|authorization|cookie|token$)'
                AND leaf.text !~ '^((Bearer|Basic|token) )?(env:|file:/|vault:)'));
$holds_plain_secret$;

COMMENT ON FUNCTION taskmaster.holds_plain_secret(jsonb) IS
    'Whether a document holds what looks like a secret in plain text';

-- A trigger and not a CHECK, whose refusal would show the whole row, secret included.
CREATE FUNCTION taskmaster.refuse_plain_secret() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $refuse_plain_secret$
BEGIN
    IF taskmaster.holds_plain_secret(NEW.configuration) THEN
        RAISE EXCEPTION 'the configuration holds a secret in plain text'
            USING ERRCODE = 'invalid_parameter_value', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
                HINT = 'Store where the secret is: env:NAME, file:/path or vault:path.';
    END IF;
    RETURN NEW;
END
$refuse_plain_secret$;

CREATE TRIGGER external_integrations_refuse_plain_secret
    BEFORE INSERT OR UPDATE OF configuration ON taskmaster.external_integrations
    FOR EACH ROW EXECUTE FUNCTION taskmaster.refuse_plain_secret();

-- Rows that were there before stay as they are, and are named.
DO $up$
DECLARE
    names text := (
        SELECT string_agg(format('%s/%s', integration_type, integration_name), ', ')
          FROM taskmaster.external_integrations
         WHERE taskmaster.holds_plain_secret(configuration));
BEGIN
    IF names IS NOT NULL THEN
        RAISE WARNING 'integrations with a secret in plain text: %', names
            USING HINT = 'Put env:NAME, file:/path or vault:path in its place, and change the secret.';
    END IF;
END
$up$;
