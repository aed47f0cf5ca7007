//! What the ends of transactions change, and what is to be reported then. Must not know statements.

use std::ffi::c_void;
use std::ptr;

use pgrx::{pg_guard, pg_sys};

use super::cell::BackendCell;
use super::channels::{self, Change};
use super::variable::Variable;
use super::{locks, names, temporary};

/// What the open transaction has done so far.
#[derive(Clone, Copy, Debug)]
struct Doings {
    /// It has made what its end may take back: settings, a role, cursors.
    touched: bool,
    /// It has changed shapes.
    shapes: bool,
    /// It has committed a prepared transaction.
    committed_another: bool,
}

impl Doings {
    const NONE: Self = Self { touched: false, shapes: false, committed_another: false };
}

static DOINGS: BackendCell<Doings> = BackendCell::new(Doings::NONE);
/// Whether the end of the transaction has to be looked at: it did something, or earlier ones left what it may have taken
/// away. Most transactions only read, and find here that there is nothing to do.
static IS_WATCHED: BackendCell<bool> = BackendCell::new(false);
/// Where `XactLastCommitEnd` stood when it was last looked at.
static LOG_SEEN: BackendCell<pg_sys::XLogRecPtr> = BackendCell::new(0);
static LAST_COMMIT: BackendCell<pg_sys::XLogRecPtr> = BackendCell::new(0);
static SHAPES: BackendCell<u64> = BackendCell::new(0);

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
    did(Doings { touched: true, ..DOINGS.get() });
    Variable::Settings.mark();
    Variable::Session.mark();
}

/// A statement has changed shapes, if its transaction commits.
pub(super) fn shapes_touched() {
    did(Doings { shapes: true, ..DOINGS.get() });
}

/// A statement has committed a prepared transaction, which may have changed anything.
pub(super) fn committed_another() {
    did(Doings { shapes: true, committed_another: true, ..DOINGS.get() });
}

/// A statement asks for a change of the channels, at the end of its transaction.
pub(super) fn asked(change: Change) {
    // SAFETY: reads a variable of the backend.
    let depth = unsafe { pg_sys::GetCurrentTransactionNestLevel() };
    channels::ask(depth, change);
    touched();
}

fn did(doings: Doings) {
    DOINGS.set(doings);
    IS_WATCHED.set(true);
}

/// True when the open transaction needs nothing at this point, as far as a few variables tell.
fn is_quiet() -> bool {
    !IS_WATCHED.get() && !temporary::is_used() && log_end() == LOG_SEEN.get()
}

/// The end of the last commit that wrote to the log.
fn log_end() -> pg_sys::XLogRecPtr {
    // SAFETY: a plain variable of the backend.
    unsafe { ptr::read(&raw const pg_sys::XactLastCommitEnd) }
}

/// Without `pg_guard`, which costs more than all that a quiet transaction needs: what can fail is in a function that has it,
/// and nothing here is left to drop when PostgreSQL jumps over this frame. The other callbacks do the same.
unsafe extern "C-unwind" fn on_transaction(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    if !is_quiet() {
        on_event(event);
    }
}

/// Watches the transaction from here to its very end, which looks at what is left ([`on_end`]).
#[pg_guard]
extern "C-unwind" fn on_event(event: pg_sys::XactEvent::Type) {
    use pg_sys::XactEvent::{
        XACT_EVENT_ABORT, XACT_EVENT_COMMIT, XACT_EVENT_PRE_COMMIT, XACT_EVENT_PRE_PREPARE,
        XACT_EVENT_PREPARE,
    };
    IS_WATCHED.set(true);
    match event {
        XACT_EVENT_PRE_COMMIT | XACT_EVENT_PRE_PREPARE => temporary::about_to_commit(),
        XACT_EVENT_COMMIT | XACT_EVENT_PREPARE => committed(),
        XACT_EVENT_ABORT => aborted(),
        _ => {}
    }
}

fn committed() {
    let doings = DOINGS.replace(Doings::NONE);
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
    note_log_end(doings.committed_another);
}

/// A transaction that only pruned pages moves the end of the log but has no number, and replicas need not wait for it.
fn note_log_end(has_committed_another: bool) {
    let end = log_end();
    if LOG_SEEN.replace(end) == end {
        return;
    }
    // SAFETY: reads a variable of the backend, which keeps its value until after the callbacks (`CommitTransaction` in
    // access/transam/xact.c).
    let number = unsafe { pg_sys::GetTopTransactionIdIfAny() };
    if number != pg_sys::InvalidTransactionId || has_committed_another {
        LAST_COMMIT.set(end);
        Variable::Lsn.mark();
    }
}

fn aborted() {
    channels::aborted();
    temporary::aborted();
    if DOINGS.replace(Doings::NONE).touched {
        Variable::Settings.mark();
        Variable::Session.mark();
    }
}

unsafe extern "C-unwind" fn on_subtransaction(
    event: pg_sys::SubXactEvent::Type,
    _this: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut c_void,
) {
    if IS_WATCHED.get() {
        on_subtransaction_event(event);
    }
}

#[pg_guard]
extern "C-unwind" fn on_subtransaction_event(event: pg_sys::SubXactEvent::Type) {
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

/// Locks of the transaction are gone when the last phase comes to its own owner, after all owners below it, and those of the
/// session are left (`ResourceOwnerRelease` in utils/resowner/resowner.c).
unsafe extern "C-unwind" fn on_release(
    phase: pg_sys::ResourceReleasePhase::Type,
    _is_commit: bool,
    _is_top_level: bool,
    _argument: *mut c_void,
) {
    if phase == pg_sys::ResourceReleasePhase::RESOURCE_RELEASE_AFTER_LOCKS && is_last_owner() {
        if locks::look() {
            on_changed_locks();
        }
        if IS_WATCHED.get() {
            on_end();
        }
    }
}

fn is_last_owner() -> bool {
    // SAFETY: plain variables of the backend.
    unsafe {
        ptr::read(&raw const pg_sys::CurrentResourceOwner)
            == ptr::read(&raw const pg_sys::TopTransactionResourceOwner)
    }
}

#[pg_guard]
extern "C-unwind" fn on_changed_locks() {
    Variable::Session.mark();
}

/// What goes by a name may go without a statement that could be seen, so each transaction is watched as long as there is any;
/// so are temporary objects, which any transaction may drop.
#[pg_guard]
extern "C-unwind" fn on_end() {
    let are_remembered = names::are_remembered();
    if are_remembered {
        Variable::Session.mark();
    }
    IS_WATCHED.set(are_remembered || temporary::exists());
}
