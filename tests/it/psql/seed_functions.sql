-- The INSERT of the user's document, with its parameters, and one call of each stored function it
-- lists, written without a schema name as there.

PREPARE integration AS
    INSERT INTO external_integrations (
        integration_type, integration_name, configuration
    ) VALUES ($1, $2, $3);
EXECUTE integration('codegen', 'codegen-api',
    '{"api_url":"https://api.codegen.sh","rate_limit":60,"timeout":30000,"retry_attempts":3}');

SELECT create_task('Parent') AS parent \gset
SELECT create_task(p_title => 'Child', p_parent_task_id => :'parent') AS child \gset
SELECT create_workflow(:'parent', 'standard', 1) AS workflow \gset
SELECT update_workflow_step(:'workflow', 'build', 'completed');
SELECT update_task_status(:'child', 'in_progress');
SELECT record_metric('queries_per_second', 125.5) IS NOT NULL AS recorded;
SELECT log_api_call('codegen-api', '/v1/runs', 'POST', 200, 45) IS NOT NULL AS logged;
SELECT title, level FROM get_task_hierarchy(:'parent') ORDER BY level;
SELECT calculate_task_completion(:'parent') IS NOT NULL AS calculated;
SELECT count(*) FROM tasks;
