//! A folder of steps that goes away with its test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use harness::Database;
use taskmaster_migrations::{Runner, load};

use super::support::connection;

/// The schema that keeps the record of the folder's steps.
pub(super) const LEDGER: &str = "app_steps";

pub(super) struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!(
            "taskmaster-steps-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(unique);
        fs::create_dir_all(&path).unwrap();
        let folder = Self(path);
        files.iter().for_each(|(name, text)| folder.write(name, text));
        folder
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    pub(super) async fn runner(&self, database: &Database<'_>) -> Runner {
        let plan = load(&self.0).unwrap().of_project(LEDGER);
        Runner::with_plan(connection(database).await, plan)
    }

    pub(super) fn refused(&self) -> String {
        load(&self.0).unwrap_err().to_string()
    }
}
