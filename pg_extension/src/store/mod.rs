//! The only place that speaks SPI: one file per table, each statement fully qualified and prepared
//! once per backend. It also owns the SQL types of arguments and the raising of errors, because
//! both need raw server calls. It must not know the rules: `domain` decides, this writes.

pub(crate) mod api_calls;
pub(crate) mod budgets;
pub(crate) mod diagnostic;
pub(crate) mod health;
pub(crate) mod health_checks;
pub(crate) mod host;
pub(crate) mod integrations;
pub(crate) mod jsonb;
pub(crate) mod metrics;
pub(crate) mod moment;
pub(crate) mod number;
mod plan;
pub(crate) mod rate_limits;
mod schema;
pub(crate) mod tasks;
pub(crate) mod tree;
pub(crate) mod varchar;
pub(crate) mod workflow_ends;
pub(crate) mod workflow_views;
pub(crate) mod workflows;

pub(crate) use diagnostic::OrRaise;
pub(crate) use jsonb::Jsonb;
pub(crate) use number::Number;
pub(crate) use varchar::Varchar;
