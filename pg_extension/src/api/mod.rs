//! The SQL signatures: one file per noun, each function parses its arguments, calls the store and
//! returns. It must not hold a rule or a statement.

mod api_call;
mod audit;
mod budget;
mod dependency;
mod exchange;
mod gate;
mod health;
mod health_check;
mod identity;
mod integration;
mod lease;
mod metric;
mod openmetrics;
mod overview;
mod queue;
mod rate_limit;
mod rollup;
mod sketch;
mod task;
mod task_event;
mod task_tree;
mod upkeep;
mod workflow;
