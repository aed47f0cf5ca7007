//! INSERT without SPI and without a plan: the steps that the executor's ModifyTable node takes, on a table whose
//! definition was examined once. What is not examined here is left to the caller's kept plan: [`DirectInsert`] says no
//! before it has written anything.
//!
//! Done here, by the executor's own functions: routing to partitions of any depth, column defaults, CHECK and NOT NULL
//! constraints, unique and other indexes, foreign keys and other AFTER ROW triggers, and the caller's privileges on the
//! table. Left to the kept plan: row-level security, rules, every other kind of trigger, stored generated columns, foreign
//! and other tables that are no heap of rows, privileges on single columns, read-only transactions and parallel mode,
//! column types that differ from those bound. It must not know which table it writes.

mod definition;
mod executor;
mod server;

use std::cell::RefCell;

use pgrx::{FromDatum, Uuid, pg_sys};

use super::plan::Bound;
use super::schema::Table;
use definition::Definition;
use executor::Executor;

/// An INSERT of some columns of a table. Lives in a thread-local, which in a backend is the process.
pub(super) struct DirectInsert {
    table: Table,
    columns: &'static [Column],
    /// The column whose value [`DirectInsert::one`] returns, a uuid.
    key: &'static std::ffi::CStr,
    definition: RefCell<Option<Definition>>,
}

/// A column that gets a value, and what is promised of that value.
pub(super) struct Column {
    pub(super) name: &'static std::ffi::CStr,
    pub(super) type_oid: pg_sys::BuiltinOid,
    /// For varchar, how many characters the value may have; a narrower column is left to the kept plan.
    pub(super) length_max: Option<i32>,
}

/// What a column gets.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell {
    /// Its default.
    Default,
    /// This value, or NULL.
    Value(Bound),
}

impl Column {
    /// A column of any type but varchar.
    pub(super) const fn new(name: &'static std::ffi::CStr, type_oid: pg_sys::BuiltinOid) -> Self {
        Self { name, type_oid, length_max: None }
    }

    /// A column of `varchar`.
    pub(super) const fn varchar(name: &'static std::ffi::CStr, length_max: i32) -> Self {
        Self { name, type_oid: pg_sys::BuiltinOid::VARCHAROID, length_max: Some(length_max) }
    }
}

impl DirectInsert {
    /// An INSERT into `columns` of `table`, with the uuid column `key` as its result.
    pub(super) const fn new(
        table: Table,
        columns: &'static [Column],
        key: &'static std::ffi::CStr,
    ) -> Self {
        Self { table, columns, key, definition: RefCell::new(None) }
    }

    /// Inserts one row, with a cell for each column, and returns its key. None when it has to be done by a plan; then
    /// nothing was written.
    ///
    /// # Errors
    /// Whatever the server raises goes to the client as it is; 55000 when the table is missing.
    pub(super) fn one(&self, cells: &[Cell]) -> Option<Uuid> {
        self.with_executor(|executor| {
            let key = executor.insert(cells)?;
            // SAFETY: the definition holds that the key column is a uuid; the value is copied.
            let key = key.and_then(|key| unsafe { Uuid::from_datum(key, false) });
            Some(key.expect("a primary key is not null"))
        })
    }

    /// Inserts rows, each with a cell for each column. False when it has to be done by a plan; then nothing was written:
    /// rows are put together and checked first, so how many there are is for the caller to limit.
    ///
    /// # Errors
    /// As [`DirectInsert::one`].
    pub(super) fn many<'r>(&self, mut rows: impl Iterator<Item = &'r [Cell]>) -> bool {
        let written = self.with_executor(|executor| {
            rows.try_for_each(|cells| executor.add(cells))?;
            executor.flush();
            Some(())
        });
        written.is_some()
    }

    /// Opens the table, and runs `write` if the table and the caller allow it.
    fn with_executor<T>(&self, write: impl FnOnce(&mut Executor) -> Option<T>) -> Option<T> {
        let oid = self.table.oid();
        // SAFETY: both are plain variables and functions of the backend.
        if unsafe { pg_sys::XactReadOnly || pg_sys::IsInParallelMode() } {
            return None;
        }
        // SAFETY: a table that is opened is closed below, or by the abort of the transaction when an error unwinds; its
        // lock is kept to the end of the transaction, as a plan keeps it. Opening takes in pending invalidations first.
        unsafe {
            let relation = pg_sys::table_open(oid, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
            // Borrowed already, when a trigger of this table calls the function that is at work: a plan does that.
            let written = self.definition.try_borrow_mut().ok().and_then(|mut kept| {
                let shape = Definition::current(&mut kept, relation, self.columns, self.key)?;
                if shape.permits_caller() { Executor::run(relation, shape, write) } else { None }
            });
            pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
            written
        }
    }
}
