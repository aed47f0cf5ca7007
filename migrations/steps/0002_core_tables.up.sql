-- The five tables of the product's document, column for column and default for default.
--
-- Two differ in one thing, because they are partitioned by time from the start: a unique constraint
-- of a partitioned table must include the partition key, so their primary key is (id, time), and
-- the time is NOT NULL. A table that has grown cannot be partitioned later without being written
-- anew.

-- An update of a task (status, times) fits on its page when the page is not filled to the brim. The
-- queue's dead rows are vacuumed early, because the indexes that pick the next task pass over them.
CREATE TABLE taskmaster.tasks (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    title VARCHAR(255) NOT NULL,
    description TEXT,
    requirements JSONB DEFAULT '[]'::jsonb,
    status VARCHAR(50) DEFAULT 'pending',
    priority INTEGER DEFAULT 0,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    assigned_to VARCHAR(255),
    repository_url VARCHAR(500),
    branch_name VARCHAR(255),
    pr_number INTEGER,
    metadata JSONB DEFAULT '{}'::jsonb,

    type VARCHAR(50) NOT NULL DEFAULT 'general',
    complexity_score INTEGER DEFAULT 5,
    affected_files JSONB DEFAULT '[]'::jsonb,
    acceptance_criteria JSONB DEFAULT '[]'::jsonb,
    parent_task_id UUID REFERENCES taskmaster.tasks(id),
    tags JSONB DEFAULT '[]'::jsonb,
    estimated_hours DECIMAL(8,2),
    actual_hours DECIMAL(8,2),
    completed_at TIMESTAMP WITH TIME ZONE,

    linear_issue_id VARCHAR(255),
    github_issue_number INTEGER,
    codegen_session_id VARCHAR(255)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

COMMENT ON TABLE taskmaster.tasks IS 'Work to be done, by people and by agents';

CREATE TABLE taskmaster.workflows (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    task_id UUID REFERENCES taskmaster.tasks(id) ON DELETE CASCADE,
    status VARCHAR(50) DEFAULT 'initialized',
    current_step VARCHAR(100),
    steps_completed JSONB DEFAULT '[]'::jsonb,
    error_log JSONB DEFAULT '[]'::jsonb,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    completed_at TIMESTAMP WITH TIME ZONE,
    metadata JSONB DEFAULT '{}'::jsonb,

    workflow_type VARCHAR(50) DEFAULT 'standard',
    total_steps INTEGER DEFAULT 0,
    retry_count INTEGER DEFAULT 0,
    max_retries INTEGER DEFAULT 3,
    timeout_minutes INTEGER DEFAULT 60,

    codegen_pr_url VARCHAR(500),
    claude_session_id VARCHAR(255),
    validation_results JSONB DEFAULT '{}'::jsonb
) WITH (fillfactor = 85);

COMMENT ON TABLE taskmaster.workflows IS 'Runs of a task: its steps, their results and errors';

CREATE TABLE taskmaster.system_metrics (
    id UUID DEFAULT gen_random_uuid(),
    metric_name VARCHAR(100) NOT NULL,
    metric_value NUMERIC NOT NULL,
    metric_metadata JSONB DEFAULT '{}'::jsonb,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    component VARCHAR(100),

    metric_type VARCHAR(50) NOT NULL DEFAULT 'gauge',
    metric_unit VARCHAR(20),
    tags JSONB DEFAULT '{}'::jsonb,
    source_system VARCHAR(50),

    PRIMARY KEY (id, recorded_at)
) PARTITION BY RANGE (recorded_at);

COMMENT ON TABLE taskmaster.system_metrics IS 'Measurements, one partition per day in UTC';

-- The default partitions never lose an insert, and must stay empty: a row there makes the partition
-- that should have held it cost a move. ensure_partitions() does that move.
CREATE TABLE taskmaster.system_metrics_default PARTITION OF taskmaster.system_metrics DEFAULT;

-- The row that every call to an API touches; room on its page keeps such updates off the indexes.
CREATE TABLE taskmaster.external_integrations (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    integration_type VARCHAR(50) NOT NULL,
    integration_name VARCHAR(100) NOT NULL,
    configuration JSONB NOT NULL,
    status VARCHAR(50) DEFAULT 'active',
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    last_used_at TIMESTAMP WITH TIME ZONE,

    health_check_url VARCHAR(500),
    last_health_check TIMESTAMP WITH TIME ZONE,
    health_status VARCHAR(20) DEFAULT 'unknown',

    rate_limit_per_minute INTEGER DEFAULT 60,
    current_usage INTEGER DEFAULT 0,
    usage_reset_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() + INTERVAL '1 minute'
) WITH (fillfactor = 50);

COMMENT ON TABLE taskmaster.external_integrations IS 'Services that are called, their health and rate limits';

CREATE TABLE taskmaster.api_access_logs (
    id UUID DEFAULT gen_random_uuid(),
    integration_id UUID REFERENCES taskmaster.external_integrations(id),
    endpoint VARCHAR(255) NOT NULL,
    method VARCHAR(10) NOT NULL,
    request_headers JSONB,
    request_body JSONB,
    response_status INTEGER,
    response_headers JSONB,
    response_body JSONB,
    response_time_ms INTEGER,
    timestamp TIMESTAMP WITH TIME ZONE DEFAULT NOW(),

    correlation_id VARCHAR(255),
    user_id VARCHAR(255),
    task_id UUID REFERENCES taskmaster.tasks(id),

    error_message TEXT,
    retry_count INTEGER DEFAULT 0,

    PRIMARY KEY (id, "timestamp")
) PARTITION BY RANGE ("timestamp");

COMMENT ON TABLE taskmaster.api_access_logs IS 'Calls to external services, one partition per week in UTC';

CREATE TABLE taskmaster.api_access_logs_default PARTITION OF taskmaster.api_access_logs DEFAULT;
