-- Functions of version 0.1.0 whose arguments have changed since. Beside the new ones they would make calls ambiguous. Nothing
-- is cascaded: a view that uses one stops the update and is named by PostgreSQL.
DROP FUNCTION create_task(
    character varying, text, character varying, integer, character varying, uuid, jsonb, jsonb);
DROP FUNCTION update_task_status(uuid, character varying, character varying, text);
DROP FUNCTION calculate_task_completion(uuid);
DROP FUNCTION create_workflow(uuid, character varying, integer, integer);
DROP FUNCTION update_workflow_step(uuid, character varying, character varying, jsonb, text);
DROP FUNCTION record_metric(character varying, numeric, character varying, character varying, jsonb);
DROP FUNCTION log_api_call(
    character varying, character varying, character varying, integer, integer, uuid, character varying, text);

