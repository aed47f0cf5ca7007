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
    ProxyKeys,
}

impl Table {
    /// The table's oid; raises 55000 with the command that makes it when it does not exist.
    pub(super) fn require(self) -> pg_sys::Oid {
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
            Self::ProxyKeys => c"proxy_keys",
        }
    }
}
