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
use std::ffi::CStr;

use pgrx::{FromDatum, Uuid, pg_sys};

use super::plan::Bound;
use super::schema::Table;
use definition::Definition;
use executor::Executor;

/// An INSERT of some columns of a table. Lives in a thread-local, which in a backend is the process.
pub(super) struct DirectInsert {
    table: Table,
    columns: &'static [Column],
    /// The column whose value [`DirectInsert::one`] returns, a uuid, if there is one.
    key: Option<&'static CStr>,
    definition: RefCell<Option<Definition>>,
}

/// A column that gets a value, and what is promised of that value.
pub(super) struct Column {
    pub(super) name: &'static CStr,
    pub(super) type_oid: pg_sys::BuiltinOid,
    form: Form,
}

/// What is promised of the values of a column, which have to be what its type modifier makes of them.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// Nothing; a column with a modifier is left to the kept plan.
    Any,
    /// At most so many characters; a narrower column is left to the kept plan.
    Varchar(i32),
    /// Rounded as this modifier of `numeric` says; a column with another one is left to the kept plan.
    Numeric(i32),
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
    /// A column of a type without modifier.
    pub(super) const fn new(name: &'static CStr, type_oid: pg_sys::BuiltinOid) -> Self {
        Self { name, type_oid, form: Form::Any }
    }

    /// A column of `varchar`.
    pub(super) const fn varchar(name: &'static CStr, length_max: i32) -> Self {
        Self { name, type_oid: pg_sys::BuiltinOid::VARCHAROID, form: Form::Varchar(length_max) }
    }

    /// A column of `numeric` with this type modifier.
    pub(super) const fn numeric(name: &'static CStr, modifier: i32) -> Self {
        Self { name, type_oid: pg_sys::BuiltinOid::NUMERICOID, form: Form::Numeric(modifier) }
    }

    /// Whether a column with this type modifier takes the values as they are.
    fn fits(&self, modifier: i32) -> bool {
        modifier < 0
            || match self.form {
                Form::Any => false,
                // `VARHDRSZ` is part of the modifier of varchar (`varchartypmodin` in varchar.c).
                Form::Varchar(length_max) => modifier - 4 >= length_max,
                Form::Numeric(rounded) => modifier == rounded,
            }
    }
}

impl DirectInsert {
    /// An INSERT into `columns` of `table`, with the uuid column `key` as its result.
    pub(super) const fn new(table: Table, columns: &'static [Column], key: &'static CStr) -> Self {
        Self { table, columns, key: Some(key), definition: RefCell::new(None) }
    }

    /// An INSERT into `columns` of `table` without a result.
    pub(super) const fn without_key(table: Table, columns: &'static [Column]) -> Self {
        Self { table, columns, key: None, definition: RefCell::new(None) }
    }

    /// Inserts one row, with a cell for each column, and returns its key. None when it has to be done by a plan; then
    /// nothing was written.
    ///
    /// # Errors
    /// Whatever the server raises goes to the client as it is; 55000 when the table is missing.
    pub(super) fn one(&self, cells: &[Cell]) -> Option<Uuid> {
        self.with_executor(|executor| {
            executor.insert(cells)?;
            // SAFETY: the definition holds that the key column is a uuid; the value is copied.
            let key = executor.key().and_then(|key| unsafe { Uuid::from_datum(key, false) });
            Some(key.expect("a primary key is not null"))
        })
    }

    /// Inserts one row, with a cell for each column. False when it has to be done by a plan; then nothing was written.
    ///
    /// # Errors
    /// As [`DirectInsert::one`].
    pub(super) fn row(&self, cells: &[Cell]) -> bool {
        self.with_executor(|executor| executor.insert(cells)).is_some()
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
