//! What the ends of transactions change, and what is to be reported then. Must not know statements.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use pgrx::{pg_guard, pg_sys};

use super::variable::Variable;
use super::{channels, locks, names, temporary};

/// What the open transaction has done so far.
#[derive(Clone, Copy, Debug, Default)]
struct Doings {
    /// It has made what its end may take back: settings, a role, cursors.
    touched: bool,
    /// It has changed shapes.
    shapes: bool,
    /// It has written, so that its commit has a place in the log.
    wrote: bool,
}

thread_local! {
    static DOINGS: Cell<Doings> = Cell::default();
    static LAST_COMMIT: Cell<pg_sys::XLogRecPtr> = const { Cell::new(0) };
    static SHAPES: Cell<u64> = const { Cell::new(0) };
}

/// Has the ends of transactions seen from now on.
pub(super) fn watch() {
    // SAFETY: the callbacks are functions of this library, which is never unloaded.
    unsafe {
        pg_sys::RegisterXactCallback(Some(on_transaction), ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(on_subtransaction), ptr::null_mut());
        pg_sys::RegisterResourceReleaseCallback(Some(on_release), ptr::null_mut());
    }
}

/// The end of the last commit that wrote, as `X/Y`; empty before the first.
pub(super) fn last_commit() -> String {
    match LAST_COMMIT.get() {
        0 => String::new(),
        lsn => format!("{:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff),
    }
}

/// How many transactions have changed shapes.
pub(super) fn shapes() -> u64 {
    SHAPES.get()
}

/// A statement may have changed what is reported of the session, at once and again when its transaction ends.
pub(super) fn touched() {
    DOINGS.set(Doings { touched: true, ..DOINGS.get() });
    Variable::Settings.mark();
    Variable::Session.mark();
}

/// A statement has changed shapes, if its transaction commits.
pub(super) fn shapes_touched() {
    DOINGS.set(Doings { shapes: true, ..DOINGS.get() });
}

/// A statement has committed a prepared transaction, which may have changed anything.
pub(super) fn committed_another() {
    DOINGS.set(Doings { shapes: true, wrote: true, ..DOINGS.get() });
}

#[pg_guard]
unsafe extern "C-unwind" fn on_transaction(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    use pg_sys::XactEvent::{
        XACT_EVENT_ABORT, XACT_EVENT_COMMIT, XACT_EVENT_PRE_COMMIT, XACT_EVENT_PRE_PREPARE,
        XACT_EVENT_PREPARE,
    };
    match event {
        XACT_EVENT_PRE_COMMIT | XACT_EVENT_PRE_PREPARE => about_to_commit(),
        XACT_EVENT_COMMIT | XACT_EVENT_PREPARE => committed(),
        XACT_EVENT_ABORT => aborted(),
        _ => {}
    }
}

fn about_to_commit() {
    temporary::about_to_commit();
    // SAFETY: reads a variable of the backend. A transaction that only pruned pages has no number, and replicas need not
    // wait for it.
    let wrote = unsafe { pg_sys::GetTopTransactionIdIfAny() } != pg_sys::InvalidTransactionId;
    let doings = DOINGS.get();
    DOINGS.set(Doings { wrote: wrote || doings.wrote, ..doings });
}

fn committed() {
    let doings = DOINGS.take();
    let has_listened = channels::committed();
    if temporary::committed() || has_listened || doings.touched {
        Variable::Session.mark();
    }
    if doings.touched {
        Variable::Settings.mark();
    }
    if doings.shapes {
        SHAPES.set(SHAPES.get() + 1);
        Variable::Schema.mark();
    }
    if doings.wrote {
        // SAFETY: a plain variable of the backend.
        LAST_COMMIT.set(unsafe { ptr::read(&raw const pg_sys::XactLastCommitEnd) });
        Variable::Lsn.mark();
    }
}

fn aborted() {
    channels::aborted();
    temporary::aborted();
    if DOINGS.take().touched {
        Variable::Settings.mark();
        Variable::Session.mark();
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn on_subtransaction(
    event: pg_sys::SubXactEvent::Type,
    _this: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut c_void,
) {
    // SAFETY: reads a variable of the backend.
    let depth = unsafe { pg_sys::GetCurrentTransactionNestLevel() };
    match event {
        pg_sys::SubXactEvent::SUBXACT_EVENT_COMMIT_SUB => channels::subtransaction_committed(depth),
        pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB => {
            channels::subtransaction_aborted(depth);
            if DOINGS.get().touched {
                Variable::Settings.mark();
                Variable::Session.mark();
            }
        }
        _ => {}
    }
}

/// Locks of the transaction are gone at this point, and those of the session are left (`ResourceOwnerRelease` in
/// utils/resowner/resowner.c).
#[pg_guard]
unsafe extern "C-unwind" fn on_release(
    phase: pg_sys::ResourceReleasePhase::Type,
    _is_commit: bool,
    is_top_level: bool,
    _argument: *mut c_void,
) {
    let after_locks = phase == pg_sys::ResourceReleasePhase::RESOURCE_RELEASE_AFTER_LOCKS;
    if after_locks && is_top_level && (locks::look() || names::are_remembered()) {
        Variable::Session.mark();
    }
}
