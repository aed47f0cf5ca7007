//! What to do about an error, in one sentence each.

use crate::{MigrateError, StepFailure};

/// Of a statement that failed.
pub(crate) fn of_step(failure: &StepFailure) -> Option<String> {
    let own = match failure.sqlstate.as_str() {
        "55P03" | "40P01" | "40001" => {
            "other sessions hold what the step needs: see pg_stat_activity and pg_blocking_pids(), and run it again"
        }
        "42501" => {
            "migrate as a superuser, or as the owner of the database for all steps but the extension's"
        }
        "42P06" => {
            "the schema's name is taken by something that no migration made: move it away, and run it again"
        }
        "2BP01" => {
            "drop or move what depends on it, and run it again: nothing is dropped in cascade"
        }
        "0A000" | "58P01" if failure.message.contains("extension") => {
            "install the extension's files on the server (\"make setup\" says how), and run it again"
        }
        _ => return failure.hint.clone(),
    };
    Some(own.to_owned())
}

/// Of a connection that was not made.
pub(crate) fn of_connecting(sqlstate: Option<&str>) -> &'static str {
    match sqlstate {
        Some("3D000") => "create the database first (createdb), or check DB_NAME",
        Some("28P01" | "28000") => "check DB_USER and DB_PASSWORD, and the server's pg_hba.conf",
        Some("53300") => {
            "the server has no connection left: try again later, or raise max_connections"
        }
        Some("57P03") => "the server is starting up or shutting down: try again in a moment",
        _ => "check that PostgreSQL is running there, and DB_HOST, DB_PORT and DB_SSL_MODE",
    }
}

/// Of everything else.
pub(crate) fn of(error: &MigrateError) -> Option<&'static str> {
    Some(match error {
        MigrateError::Pooler { .. } => "give the host and port of PostgreSQL itself",
        MigrateError::RunnerBusy { .. } => {
            "wait until it ends, or end that session, and run it again"
        }
        MigrateError::ChecksumChanged { .. } => {
            "put its file back as it was: a change belongs in a step of its own; \"migrate repair\" takes it as it is"
        }
        MigrateError::MissingStep { .. } => {
            "the ledger taskmaster.schema_migrations was edited: restore the row, or the database from a backup"
        }
        MigrateError::UnknownStep { .. } => {
            "use that version of taskmaster or a later one; \"migrate down\" reverts the step from what it stored"
        }
        MigrateError::DuplicateStep { .. } | MigrateError::PlanGap { .. } => {
            "number the steps 0001, 0002, ... without gap or duplicate"
        }
        MigrateError::NotApplied { .. } | MigrateError::NoSuchStep { .. } => {
            "\"migrate status\" lists the steps"
        }
        MigrateError::AtWork { .. } => "wait until it ends, or end it all the same with --now",
        MigrateError::NoSuchTable { .. } => "name it with its schema, as in app.orders",
        MigrateError::Landing { .. } => {
            "nothing was changed: correct the way down (\"migrate repair\" stores it), or let it be with --inexact"
        }
        MigrateError::NotRepeatable { .. } => {
            "correct the step's ways up and down, or declare it irreversible"
        }
        MigrateError::Drifted { .. } => {
            "\"migrate drift\" shows each; put them back, or run it without --no-drift to take them as they are"
        }
        MigrateError::BackupDiffers { .. } => {
            "nothing was changed: a type of that table has no text that comes back the same; copy it by other means and use --no-backup"
        }
        MigrateError::BadManifest { .. } => {
            "use the version of taskmaster that wrote it; the row is in taskmaster_migrations.backups, the copies in the schema taskmaster_backup"
        }
        MigrateError::Restore { .. } => {
            "correct that, and run it again; \"migrate backup --list\" lists the backups"
        }
        MigrateError::Unfinished { .. } => {
            "\"migrate resume\" goes on with it, \"migrate down\" takes it back"
        }
        MigrateError::UnfinishedChanged { .. } => {
            "put the statements that are done back as they were; those that follow may be corrected"
        }
        MigrateError::Unmet { .. } => "apply or revert the step it names first",
        MigrateError::BadScript { .. } => "correct the file there, and run it again",
        MigrateError::BadFolder { .. } | MigrateError::BadGraph { .. } => {
            "correct that, and run it again; \"migrate validate\" checks all steps at once"
        }
        MigrateError::BadVersion { .. } => "give a number such as 3 or 0003",
        MigrateError::Irreversible { .. } => "restore the database from a backup",
        MigrateError::StoredDownChanged { .. } => {
            "taskmaster.schema_migrations was edited: restore down_sql from a backup or from the step's file"
        }
        MigrateError::NoAnswer { .. } => {
            "check the server; \"migrate status\" tells what is applied"
        }
        MigrateError::Server { sqlstate: None, .. } => {
            "an open step was rolled back with the connection; \"migrate status\" tells what is applied"
        }
        _ => return None,
    })
}
