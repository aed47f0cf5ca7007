DELETE FROM taskmaster.function_access
 WHERE function_name IN ('check_subject', 'export_subject', 'erase_subject', 'set_legal_hold', 'set_retention',
                         'apply_audit_retention');

DROP FUNCTION taskmaster.apply_audit_retention();

DROP FUNCTION taskmaster.set_retention(regclass, interval, text);

DROP FUNCTION taskmaster.drop_audit_months(timestamp with time zone, boolean);

DROP FUNCTION taskmaster.set_legal_hold(text, timestamp with time zone, text);

DROP FUNCTION taskmaster.erase_subject(text, text, text, boolean);

DROP FUNCTION taskmaster.export_subject(text);

DROP FUNCTION taskmaster.check_subject(text);

DROP VIEW taskmaster.personal_data;

DROP TABLE taskmaster.erasure_requests;

DROP TABLE taskmaster.legal_holds;

DROP TABLE taskmaster.personal_columns;
