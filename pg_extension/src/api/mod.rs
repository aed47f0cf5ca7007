//! The SQL signatures: one file per noun, each function parses its arguments, calls the store and
//! returns. It must not hold a rule or a statement.

mod api_call;
mod audit;
mod identity;
mod metric;
mod task;
mod workflow;
