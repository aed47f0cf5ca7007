//! Holdable cursors and statements prepared by SQL, by name. Which were made is remembered here; which are left is asked
//! of PostgreSQL.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_int};
use std::thread::LocalKey;

use pgrx::pg_sys;

use super::cell::BackendCell;

/// What goes by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// Cursors WITH HOLD.
    Cursors,
    /// Statements prepared by SQL.
    Statements,
}

/// `InvalidSubTransactionId` of c.h, a macro.
const NO_SUBTRANSACTION: pg_sys::SubTransactionId = 0;

type Names = RefCell<BTreeSet<CString>>;

thread_local! {
    static CURSORS: Names = const { RefCell::new(BTreeSet::new()) };
    static STATEMENTS: Names = const { RefCell::new(BTreeSet::new()) };
}

static ARE_LOST: BackendCell<bool> = BackendCell::new(false);

/// A cursor WITH HOLD of this name was declared.
pub(super) fn declared(name: CString) {
    CURSORS.with_borrow_mut(|names| names.insert(name));
}

/// A statement of this name was prepared.
pub(super) fn prepared(name: CString) {
    STATEMENTS.with_borrow_mut(|names| names.insert(name));
}

/// A cursor (CLOSE) or a statement (DEALLOCATE) of this name was given up; of no name, all of them.
pub(super) fn given_up(names: Given, name: Option<&CStr>) {
    let names = match names {
        Given::Cursors => &CURSORS,
        Given::Statements => &STATEMENTS,
    };
    names.with_borrow_mut(|names| match name {
        Some(name) => drop(names.remove(name)),
        None => names.clear(),
    });
}

/// Something that the client runs has dropped all statements, those that the proxy shares between clients among them.
/// The proxy does not see that, so nobody else may get this session before DISCARD ALL.
pub(super) fn lost() {
    ARE_LOST.set(true);
}

/// DISCARD ALL has told the proxy that no statement is left.
pub(super) fn found() {
    ARE_LOST.set(false);
}

/// True when the proxy counts on statements that are gone.
pub(super) fn are_lost() -> bool {
    ARE_LOST.get()
}

/// True when any name is remembered: what it stands for may go without a statement that could be seen, by a message of
/// the protocol or by CLOSE in PL/pgSQL.
pub(super) fn are_remembered() -> bool {
    let is_filled = |names: &Names| !names.borrow().is_empty();
    CURSORS.with(is_filled) || STATEMENTS.with(is_filled)
}

/// True when a cursor WITH HOLD is left by a transaction that has committed (`HoldPortal` in utils/mmgr/portalmem.c takes
/// its subtransaction away). One of the open transaction is not a reason yet.
pub(super) fn has_held_cursors() -> bool {
    left(&CURSORS, |name| {
        // SAFETY: looks a name up in a table of this process; the portal is read at once.
        unsafe {
            let portal = pg_sys::GetPortalByName(name.as_ptr());
            !portal.is_null()
                && (*portal).cursorOptions & pg_sys::CURSOR_OPT_HOLD as c_int != 0
                && (*portal).createSubid == NO_SUBTRANSACTION
        }
    })
}

/// True when a statement prepared by SQL is left.
pub(super) fn has_prepared_statements() -> bool {
    left(&STATEMENTS, |name| {
        // SAFETY: looks a name up in a table of this process, without raising; the entry is read at once.
        unsafe {
            let statement = pg_sys::FetchPreparedStatement(name.as_ptr(), false);
            !statement.is_null() && (*statement).from_sql
        }
    })
}

/// Whether PostgreSQL still has one, looking no further than the first. When none is left, all are forgotten, but not
/// inside a transaction: a cursor declared there is left only once it has committed.
fn left(names: &'static LocalKey<Names>, is_left: impl Fn(&CStr) -> bool) -> bool {
    if names.with_borrow(|names| names.iter().any(|name| is_left(name))) {
        return true;
    }
    // SAFETY: reads a variable of the backend.
    if !unsafe { pg_sys::IsTransactionState() } {
        names.with_borrow_mut(BTreeSet::clear);
    }
    false
}
