//! The only place that speaks SPI: one file per table, each statement fully qualified and prepared
//! once per backend. It also owns the SQL types of arguments and the raising of errors, because
//! both need raw server calls. It must not know the rules: `domain` decides, this writes.

pub(crate) mod api_calls;
pub(crate) mod audit;
mod audit_rows;
mod audit_seals;
pub(crate) mod diagnostic;
pub(crate) mod identity;
pub(crate) mod jsonb;
pub(crate) mod metrics;
pub(crate) mod number;
mod owner;
mod plan;
mod schema;
pub(crate) mod tasks;
pub(crate) mod tree;
pub(crate) mod varchar;
pub(crate) mod workflows;

pub(crate) use diagnostic::OrRaise;
pub(crate) use jsonb::Jsonb;
pub(crate) use number::Number;
pub(crate) use varchar::Varchar;
