//! The SQL signatures: one file per noun, each function parses its arguments, calls the store and
//! returns. It must not hold a rule or a statement.

mod api_call;
mod budget;
mod health;
mod health_check;
mod integration;
mod metric;
mod rate_limit;
mod task;
mod workflow;
