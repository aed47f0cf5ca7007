//! The only place that speaks SPI: one file per table, each statement fully qualified and prepared
//! once per backend. It also owns the SQL types of arguments and the raising of errors, because
//! both need raw server calls. It must not know the rules: `domain` decides, this writes.

pub(crate) mod api_calls;
pub(crate) mod budgets;
pub(crate) mod claims;
pub(crate) mod clock;
pub(crate) mod dependencies;
pub(crate) mod diagnostic;
mod direct_insert;
mod document;
pub(crate) mod events;
pub(crate) mod exchange;
pub(crate) mod exposition;
pub(crate) mod gates;
pub(crate) mod health;
pub(crate) mod health_checks;
pub(crate) mod host;
mod idempotency;
pub(crate) mod integrations;
pub(crate) mod integrity;
pub(crate) mod json_text;
pub(crate) mod jsonb;
pub(crate) mod leases;
pub(crate) mod metric_batch;
pub(crate) mod metrics;
pub(crate) mod moment;
pub(crate) mod number;
pub(crate) mod overview;
pub(crate) mod partitions;
mod plan;
pub(crate) mod queue;
mod random;
pub(crate) mod rate_limits;
pub(crate) mod readiness;
pub(crate) mod rollups;
mod schema;
pub(crate) mod series;
pub(crate) mod sketch;
pub(crate) mod task_lists;
pub(crate) mod task_moves;
pub(crate) mod task_patches;
pub(crate) mod tasks;
pub(crate) mod tree;
pub(crate) mod upkeep;
pub(crate) mod varchar;
pub(crate) mod workflow_ends;
pub(crate) mod workflow_views;
pub(crate) mod workflows;

pub(crate) use diagnostic::OrRaise;
pub(crate) use json_text::JsonText;
pub(crate) use jsonb::Jsonb;
pub(crate) use number::Number;
pub(crate) use varchar::Varchar;
