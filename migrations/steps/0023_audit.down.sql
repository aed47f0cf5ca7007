DELETE FROM taskmaster.function_access
 WHERE function_name IN ('audit_event', 'enable_audit', 'disable_audit', 'ensure_audit_partitions', 'seal_audit', 'verify_audit',
                         'drop_audit_months', 'redact_audit');

SELECT taskmaster.disable_audit(tgrelid)
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE c.relnamespace = 'taskmaster'::regnamespace AND t.tgname = 'audit_row' AND t.tgparentid = 0;

DROP FUNCTION taskmaster.ensure_audit_partitions(integer);

DROP FUNCTION taskmaster.disable_audit(regclass);

DROP FUNCTION taskmaster.enable_audit(regclass, text, text[]);

DROP FUNCTION taskmaster.partition_family(regclass);

DROP FUNCTION taskmaster.audit_truncate();

DROP FUNCTION taskmaster.audit_event(text, text, jsonb);

DROP FUNCTION taskmaster.audit_row();

DROP TABLE taskmaster.audit_seals;

DROP TABLE taskmaster.audit_log;

DELETE FROM taskmaster.maintenance_state WHERE key = 'audit_mark';

SELECT taskmaster.grant_functions();
