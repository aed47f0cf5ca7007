-- Who a session acts for. A login through a pooling proxy serves one client after another, so the
-- login alone does not tell. The proxy says it (assume_identity of the extension), and what it says
-- is in a setting that nothing else can write. Where the extension is not loaded the setting does
-- not exist, and there is no identity: these functions need nothing of the extension.

-- What the database knows of its proxies: the SHA-256 of each one's key, not the key.
CREATE TABLE taskmaster.proxy_keys (
    name text PRIMARY KEY,
    stored_key bytea NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT now(),
    CONSTRAINT proxy_keys_name_check CHECK (btrim(name) <> ''),
    CONSTRAINT proxy_keys_stored_key_check CHECK (octet_length(stored_key) = 32)
);

COMMENT ON TABLE taskmaster.proxy_keys IS 'Proxies that may say who their clients are, with the SHA-256 of their keys';

CREATE OR REPLACE FUNCTION taskmaster.current_actor() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('taskmaster_identity', true), '')::jsonb ->> 'actor', session_user::text);

COMMENT ON FUNCTION taskmaster.current_actor() IS
    'Who acts: the client as the proxy has verified it, or else the name that the session logged in with';

CREATE FUNCTION taskmaster.current_tenant() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('taskmaster_identity', true), '')::jsonb ->> 'tenant';

COMMENT ON FUNCTION taskmaster.current_tenant() IS
    'The tenant of the client as the proxy has verified it; NULL when there is none';
