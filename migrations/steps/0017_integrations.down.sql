-- Tokens, cost, budgets, limits' state and the history of health go. What the earlier tables have no
-- word for gets the nearest that they have.

DROP TRIGGER external_integrations_refuse_plain_secret ON taskmaster.external_integrations;

DROP FUNCTION taskmaster.refuse_plain_secret();

DROP FUNCTION taskmaster.holds_plain_secret(jsonb);

DROP TABLE taskmaster.task_budgets;

DROP TABLE taskmaster.integration_health_history;

DROP TABLE taskmaster.integration_health;

DROP TABLE taskmaster.integration_rate_state;

UPDATE taskmaster.api_access_logs SET method = 'OPTIONS' WHERE method = 'OTHER';

ALTER TABLE taskmaster.api_access_logs
    DROP COLUMN tokens_in,
    DROP COLUMN tokens_out,
    DROP COLUMN cost_usd,
    DROP COLUMN adjustments,
    DROP CONSTRAINT api_access_logs_method_check,
    ADD CONSTRAINT api_access_logs_method_check CHECK (
        method IN ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE'));

UPDATE taskmaster.external_integrations SET integration_type = 'webhook'
 WHERE integration_type NOT IN ('codegen', 'github', 'linear', 'claude', 'webhook', 'slack', 'email');

ALTER TABLE taskmaster.external_integrations
    DROP COLUMN rate_limit_requests,
    DROP COLUMN rate_window_seconds,
    DROP COLUMN rate_burst,
    DROP COLUMN health_check_interval_seconds,
    DROP CONSTRAINT external_integrations_integration_type_check,
    ADD CONSTRAINT external_integrations_integration_type_check CHECK (
        integration_type IN ('codegen', 'github', 'linear', 'claude', 'webhook', 'slack', 'email'));
