-- The SQL of the user's document, as it is written there: the five tables.

CREATE TABLE tasks (
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
    
    -- Enhanced fields
    type VARCHAR(50) NOT NULL DEFAULT 'general',
    complexity_score INTEGER DEFAULT 5,
    affected_files JSONB DEFAULT '[]'::jsonb,
    acceptance_criteria JSONB DEFAULT '[]'::jsonb,
    parent_task_id UUID REFERENCES tasks(id),
    tags JSONB DEFAULT '[]'::jsonb,
    estimated_hours DECIMAL(8,2),
    actual_hours DECIMAL(8,2),
    completed_at TIMESTAMP WITH TIME ZONE,
    
    -- External integration fields
    linear_issue_id VARCHAR(255),
    github_issue_number INTEGER,
    codegen_session_id VARCHAR(255)
);

CREATE TABLE workflows (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    task_id UUID REFERENCES tasks(id) ON DELETE CASCADE,
    status VARCHAR(50) DEFAULT 'initialized',
    current_step VARCHAR(100),
    steps_completed JSONB DEFAULT '[]'::jsonb,
    error_log JSONB DEFAULT '[]'::jsonb,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    completed_at TIMESTAMP WITH TIME ZONE,
    metadata JSONB DEFAULT '{}'::jsonb,
    
    -- Enhanced workflow management
    workflow_type VARCHAR(50) DEFAULT 'standard',
    total_steps INTEGER DEFAULT 0,
    retry_count INTEGER DEFAULT 0,
    max_retries INTEGER DEFAULT 3,
    timeout_minutes INTEGER DEFAULT 60,
    
    -- External service integration
    codegen_pr_url VARCHAR(500),
    claude_session_id VARCHAR(255),
    validation_results JSONB DEFAULT '{}'::jsonb
);

CREATE TABLE system_metrics (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    metric_name VARCHAR(100) NOT NULL,
    metric_value NUMERIC NOT NULL,
    metric_metadata JSONB DEFAULT '{}'::jsonb,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    component VARCHAR(100),
    
    -- Enhanced monitoring
    metric_type VARCHAR(50) NOT NULL DEFAULT 'gauge',
    metric_unit VARCHAR(20),
    tags JSONB DEFAULT '{}'::jsonb,
    source_system VARCHAR(50)
);

CREATE TABLE external_integrations (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    integration_type VARCHAR(50) NOT NULL,
    integration_name VARCHAR(100) NOT NULL,
    configuration JSONB NOT NULL,
    status VARCHAR(50) DEFAULT 'active',
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    last_used_at TIMESTAMP WITH TIME ZONE,
    
    -- Health monitoring
    health_check_url VARCHAR(500),
    last_health_check TIMESTAMP WITH TIME ZONE,
    health_status VARCHAR(20) DEFAULT 'unknown',
    
    -- Rate limiting
    rate_limit_per_minute INTEGER DEFAULT 60,
    current_usage INTEGER DEFAULT 0,
    usage_reset_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() + INTERVAL '1 minute'
);

CREATE TABLE api_access_logs (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    integration_id UUID REFERENCES external_integrations(id),
    endpoint VARCHAR(255) NOT NULL,
    method VARCHAR(10) NOT NULL,
    request_headers JSONB,
    request_body JSONB,
    response_status INTEGER,
    response_headers JSONB,
    response_body JSONB,
    response_time_ms INTEGER,
    timestamp TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    
    -- Request tracking
    correlation_id VARCHAR(255),
    user_id VARCHAR(255),
    task_id UUID REFERENCES tasks(id),
    
    -- Error tracking
    error_message TEXT,
    retry_count INTEGER DEFAULT 0
);
