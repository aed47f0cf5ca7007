DROP FUNCTION taskmaster.current_tenant();

DROP FUNCTION taskmaster.current_actor();

DROP TABLE taskmaster.proxy_keys;
