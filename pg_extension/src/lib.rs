//! The PostgreSQL extension `taskmaster`: the stored functions over the tables of schema
//! `taskmaster`.
//!
//! A call goes `api` (SQL signature) to `domain` (pure rules) to `store` (SPI); `report` tells a proxy what
//! the session holds. This file owns the
//! module tree and the library's magic block; it must not know any rule or statement.

mod api;
mod domain;
mod error;
mod guc;
mod report;
mod store;
mod warning;
mod worker;

pgrx::pg_module_magic!(name, version);

/// Runs once in each backend, when PostgreSQL loads the library.
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    guc::define(report::is_postmaster());
    store::identity::define();
    report::begin();
    if report::is_postmaster() {
        worker::register();
    }
}
