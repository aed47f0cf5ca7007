//! Whether the migrations have made the tables. Tables belong to the migrations and functions to
//! the extension, so either may be there without the other.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::diagnostic::raise;
use crate::error::DomainError;

/// A table of schema `taskmaster`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Tasks,
    Workflows,
    SystemMetrics,
    ExternalIntegrations,
    ApiAccessLogs,
    AuditLog,
    AuditSeals,
    ErasureRequests,
    IdempotencyKeys,
    IntegrationHealth,
    IntegrationHealthHistory,
    IntegrationRateState,
    MetricDirtyBuckets,
    MetricRollups,
    MetricSeries,
    ProxyKeys,
    RetentionPolicies,
    RollupWatermarks,
    TaskBudgets,
    TaskDependencies,
    TaskEvents,
    TaskGates,
    WorkflowSteps,
}

impl Table {
    /// Returns when the table exists; raises 55000 with the command that makes it otherwise.
    pub(super) fn require(self) {
        self.oid();
    }

    /// The table's oid; raises 55000 with the command that makes it when there is none.
    pub(super) fn oid(self) -> pg_sys::Oid {
        // SAFETY: both are syscache look-ups by a zero-terminated name; a missing schema is the
        // invalid oid, in which no table is found.
        let oid = unsafe {
            let schema = pg_sys::get_namespace_oid(c"taskmaster".as_ptr(), true);
            pg_sys::get_relname_relid(self.name().as_ptr(), schema)
        };
        if oid == pg_sys::InvalidOid {
            let table = self.name().to_str().expect("table names are ASCII");
            raise(&DomainError::SchemaMissing { table });
        }
        oid
    }

    fn name(self) -> &'static CStr {
        match self {
            Self::Tasks => c"tasks",
            Self::Workflows => c"workflows",
            Self::SystemMetrics => c"system_metrics",
            Self::ExternalIntegrations => c"external_integrations",
            Self::ApiAccessLogs => c"api_access_logs",
            Self::AuditLog => c"audit_log",
            Self::AuditSeals => c"audit_seals",
            Self::ErasureRequests => c"erasure_requests",
            Self::IdempotencyKeys => c"idempotency_keys",
            Self::IntegrationHealth => c"integration_health",
            Self::IntegrationHealthHistory => c"integration_health_history",
            Self::IntegrationRateState => c"integration_rate_state",
            Self::MetricDirtyBuckets => c"metric_dirty_buckets",
            Self::MetricRollups => c"metric_rollups",
            Self::MetricSeries => c"metric_series",
            Self::ProxyKeys => c"proxy_keys",
            Self::RetentionPolicies => c"retention_policies",
            Self::RollupWatermarks => c"rollup_watermarks",
            Self::TaskBudgets => c"task_budgets",
            Self::TaskDependencies => c"task_dependencies",
            Self::TaskEvents => c"task_events",
            Self::TaskGates => c"task_gates",
            Self::WorkflowSteps => c"workflow_steps",
        }
    }
}
