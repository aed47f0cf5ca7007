//! The migrations against a real PostgreSQL: up, down, up again, and every reason to refuse.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test, as the tests do")]

mod constraint;
mod failure;
mod partition;
mod pooler;
mod refusal;
mod round_trip;
mod runners;
mod schema_file;
mod seed;
mod support;
