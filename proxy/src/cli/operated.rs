//! The settings of `taskmaster serve` under an operator: those of the process itself change with the others.

use super::logging::Level;
use crate::admin::{Assignment, Refused};
use crate::config::Keeper;
use crate::listener::{Change, Source};

/// The settings, and what of the process hangs on them.
pub(super) struct Operated {
    keeper: Keeper,
    level: Level,
}

impl Operated {
    /// Has the log follow the settings.
    pub(super) fn new(keeper: Keeper, level: Level) -> Self {
        Self { keeper, level }
    }

    fn change(
        &mut self,
        read: impl FnOnce(&mut Keeper) -> Result<Change, Refused>,
    ) -> Result<Change, Refused> {
        let before = self.keeper.config().log.level.clone();
        let mut change = read(&mut self.keeper)?;
        let after = &self.keeper.config().log.level;
        if *after != before && !self.level.change(after) {
            change.left.push("log.level: RUST_LOG of the environment goes before".to_owned());
        }
        Ok(change)
    }
}

impl Source for Operated {
    fn reload(&mut self) -> Result<Change, Refused> {
        self.change(Keeper::reload)
    }

    fn set(&mut self, assignment: &Assignment) -> Result<Change, Refused> {
        self.change(|keeper| keeper.set(assignment))
    }
}
