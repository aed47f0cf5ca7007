DROP FUNCTION taskmaster.current_tenant();

-- As in step 0010.
CREATE OR REPLACE FUNCTION taskmaster.current_actor() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
RETURN session_user::text;

COMMENT ON FUNCTION taskmaster.current_actor() IS 'Who acts: the name that the session logged in with';

DROP TABLE taskmaster.proxy_keys;
