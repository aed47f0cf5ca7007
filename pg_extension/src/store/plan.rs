//! One SQL statement of the store: prepared at its first use in a backend, kept, and run over SPI
//! in the caller's transaction. PostgreSQL replans it by itself when a table changes. It must not
//! know any statement's text.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int};
use std::ptr::NonNull;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{FromDatum, IntoDatum, PgLogLevel, PgOid, PgSqlErrorCode, pg_sys};

use super::schema::Table;

/// A statement put together from literals, for those that share parts.
macro_rules! sql {
    ($($part:expr),+ $(,)?) => {
        match std::ffi::CStr::from_bytes_with_nul(concat!($($part),+, "\0").as_bytes()) {
            Ok(sql) => sql,
            Err(_) => panic!("a statement holds no zero byte"),
        }
    };
}

pub(super) use sql;

/// A statement and its kept plan. Lives in a thread-local, which in a backend is the process.
pub(super) struct Plan {
    sql: &'static CStr,
    arguments: &'static [pg_sys::BuiltinOid],
    access: Access,
    tables: &'static [Table],
    planning: Planning,
    kept: Cell<Option<NonNull<pg_sys::_SPI_plan>>>,
}

/// What a statement may do, and so which snapshot it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Runs on the snapshot of the calling query, as a STABLE function must.
    Read,
    /// Runs on a new snapshot that sees the caller's earlier commands.
    Write,
}

/// How often PostgreSQL plans a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planning {
    /// Anew for the values of each call, unless that was of no use so far (documentation, "plan_cache_mode").
    AsItPays,
    /// Once for all values.
    Once,
}

/// One row of a result, valid until the statement's rows have been read.
pub(super) struct Row {
    tuple: pg_sys::HeapTuple,
    descriptor: pg_sys::TupleDesc,
}

/// A value bound to a parameter; `None` is NULL.
pub(super) type Bound = Option<pg_sys::Datum>;

impl Plan {
    /// The statement `sql` with parameters of the types `arguments`, over `tables`.
    pub(super) const fn new(
        sql: &'static CStr,
        arguments: &'static [pg_sys::BuiltinOid],
        access: Access,
        tables: &'static [Table],
    ) -> Self {
        let planning = Planning::AsItPays;
        Self { sql, arguments, access, tables, planning, kept: Cell::new(None) }
    }

    /// The same statement with one plan for all values: for those whose way through the tables does not depend on them, where
    /// planning would take as long as the work. PostgreSQL makes another when a table changes.
    pub(super) const fn planned_once(mut self) -> Self {
        self.planning = Planning::Once;
        self
    }

    /// Runs the statement and reads each row of its result.
    ///
    /// # Errors
    /// Whatever the server raises goes to the client as it is; 55000 when a table is missing.
    pub(super) fn rows<T>(&self, values: &[Bound], read: impl FnMut(&Row) -> T) -> Vec<T> {
        debug_assert_eq!(values.len(), self.arguments.len(), "one value for each parameter");
        self.tables.iter().for_each(|table| table.require());
        // SAFETY: SPI calls come in the order connect, prepare, execute, read, finish; an error
        // unwinds to the caller, where the abort of the transaction resets the SPI stack.
        unsafe {
            succeed("SPI_connect", pg_sys::SPI_connect());
            self.execute(values);
            let rows = result_rows().iter().map(read).collect();
            succeed("SPI_finish", pg_sys::SPI_finish());
            rows
        }
    }

    /// [`Self::rows`] of a statement with at most one row.
    pub(super) fn row<T>(&self, values: &[Bound], read: impl FnMut(&Row) -> T) -> Option<T> {
        self.rows(values, read).pop()
    }

    /// [`Self::rows`] of a statement without a result.
    pub(super) fn run(&self, values: &[Bound]) {
        self.rows(values, |_| ());
    }

    /// # Safety
    /// SPI must be connected.
    unsafe fn execute(&self, values: &[Bound]) {
        let null = pg_sys::Datum::from(0_usize);
        let mut datums: Vec<_> = values.iter().map(|value| value.unwrap_or(null)).collect();
        let nulls: Vec<_> = values.iter().map(null_flag).collect();
        // SAFETY: SPI is connected; there is a value and a flag for each parameter of the plan.
        let status = unsafe {
            pg_sys::SPI_execute_plan(
                self.prepared().as_ptr(),
                datums.as_mut_ptr(),
                nulls.as_ptr(),
                self.access == Access::Read,
                0,
            )
        };
        succeed("SPI_execute_plan", status);
    }

    /// # Safety
    /// SPI must be connected.
    unsafe fn prepared(&self) -> NonNull<pg_sys::_SPI_plan> {
        if let Some(plan) = self.kept.get() {
            return plan;
        }
        let mut types: Vec<_> =
            self.arguments.iter().map(|oid| PgOid::BuiltIn(*oid).value()).collect();
        let options = match self.planning {
            Planning::AsItPays => 0,
            Planning::Once => pg_sys::CURSOR_OPT_GENERIC_PLAN as c_int,
        };
        let (len, types) = (types.len() as c_int, types.as_mut_ptr());
        // SAFETY: SPI is connected; the statement is zero-terminated and `types` has as many elements as the count says.
        let plan = unsafe { pg_sys::SPI_prepare_cursor(self.sql.as_ptr(), len, types, options) };
        let Some(plan) = NonNull::new(plan) else {
            // SAFETY: SPI_result is a plain integer that SPI_prepare has just set.
            fail("SPI_prepare_cursor", unsafe { pg_sys::SPI_result })
        };
        // SAFETY: the plan was made by SPI_prepare_cursor just now and is not kept yet.
        succeed("SPI_keepplan", unsafe { pg_sys::SPI_keepplan(plan.as_ptr()) });
        self.kept.set(Some(plan));
        plan
    }
}

impl Row {
    /// Column `number`, counted from 1; `None` for NULL.
    pub(super) fn get<T: FromDatum>(&self, number: c_int) -> Option<T> {
        let mut is_null = false;
        // SAFETY: tuple and descriptor belong to the current result, and the statement's author
        // named a type that matches the column.
        unsafe {
            let datum =
                pg_sys::SPI_getbinval(self.tuple, self.descriptor, number, &raw mut is_null);
            T::from_datum(datum, is_null)
        }
    }

    /// Column `number` of a statement that never yields NULL there.
    pub(super) fn get_known<T: FromDatum>(&self, number: c_int) -> T {
        self.get(number).expect("the statement yields no NULL in this column")
    }
}

/// The datum of a parameter, in the memory context of the call.
pub(super) fn bind(value: impl IntoDatum) -> Bound {
    value.into_datum()
}

/// # Safety
/// SPI must be connected and have executed a statement.
unsafe fn result_rows() -> Vec<Row> {
    // SAFETY: SPI sets both after each statement; the table is null for one without a result.
    let (table, count) = unsafe { (pg_sys::SPI_tuptable, pg_sys::SPI_processed) };
    let Some(table) = NonNull::new(table) else { return Vec::new() };
    // SAFETY: a tuple table holds `SPI_processed` tuples of one descriptor (spi.h).
    unsafe {
        let table = table.as_ref();
        let tuples = std::slice::from_raw_parts(table.vals, count as usize);
        tuples.iter().map(|tuple| Row { tuple: *tuple, descriptor: table.tupdesc }).collect()
    }
}

fn null_flag(value: &Bound) -> c_char {
    (if value.is_some() { b' ' } else { b'n' }) as c_char
}

fn succeed(call: &'static str, status: c_int) {
    // SPI reports its own misuse by negative codes (spi.h); everything else raises by itself.
    if status < 0 {
        fail(call, status);
    }
}

fn fail(call: &'static str, status: c_int) -> ! {
    let message = format!("{call} failed with code {status}");
    ErrorReport::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, message, "SPI")
        .report(PgLogLevel::ERROR);
    unreachable!("an ERROR does not return")
}
