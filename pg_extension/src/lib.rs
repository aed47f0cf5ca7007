//! The PostgreSQL extension `taskmaster`: the stored functions over the tables of schema
//! `taskmaster`.
//!
//! A call goes `api` (SQL signature) to `domain` (pure rules) to `store` (SPI). This file owns the
//! module tree and the library's magic block; it must not know any rule or statement.

mod api;
mod domain;
mod error;
mod store;
mod warning;

pgrx::pg_module_magic!(name, version);
