//! The migrations against a real PostgreSQL: up, down, up again, and every reason to refuse.

mod backups;
mod command_line;
mod constraint;
mod extension_update;
mod failure;
mod folder;
mod killed;
mod landing;
mod locks;
mod partition;
mod pooler;
mod project;
mod prove;
mod refusal;
mod restore;
mod round_trip;
mod rows;
mod runners;
mod schema_file;
mod seed;
mod status;
mod support;
mod task_lifecycle;
