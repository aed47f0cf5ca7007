//! Sees utility statements that leave something behind. Must not know what is reported of it.

use std::ffi::{CStr, CString, c_char};

use pgrx::{pg_guard, pg_sys};

use super::cell::BackendCell;
use super::channels::Change;
use super::names::{self, Given};
use super::{start, transaction};

/// What a statement does once it has succeeded.
enum Deed {
    Nothing,
    /// SET, RESET.
    Settings,
    /// DISCARD ALL.
    DiscardAll,
    Listen(Change),
    Prepare(CString),
    DeclareHold(CString),
    /// DEALLOCATE, CLOSE, of all when there is no name.
    GiveUp(Given, Option<CString>),
    /// DISCARD of some things.
    Forget,
    /// COMMIT PREPARED.
    CommitPrepared,
    /// Data definition.
    Reshape,
}

static NEXT: BackendCell<pg_sys::ProcessUtility_hook_type> = BackendCell::new(None);

/// Has them seen from now on, around whoever sees them already.
pub(super) fn watch() {
    // SAFETY: hooks are set while a library is loaded, by the only thread there is.
    unsafe {
        NEXT.set(pg_sys::ProcessUtility_hook);
        pg_sys::ProcessUtility_hook = Some(on_utility);
    }
}

#[pg_guard]
#[expect(clippy::too_many_arguments, reason = "the hook's signature is PostgreSQL's")]
unsafe extern "C-unwind" fn on_utility(
    statement: *mut pg_sys::PlannedStmt,
    query: *const c_char,
    is_read_only: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    parameters: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    receiver: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    if context == pg_sys::ProcessUtilityContext::PROCESS_UTILITY_TOPLEVEL {
        // SAFETY: a utility statement's tree, handed over by PostgreSQL.
        if let Some(settings) = unsafe { start::asked((*statement).utilityStmt) } {
            return start::begin(&settings);
        }
    }
    // Read before it runs: a statement that ends its transaction takes its own tree along.
    // SAFETY: a utility statement's tree, handed over by PostgreSQL.
    let deed = unsafe { Deed::of((*statement).utilityStmt) };
    // SAFETY: both texts are null or end with a zero byte; compared before the statement runs.
    let is_hidden = unsafe { is_hidden(query) };
    // SAFETY: handed on as it came.
    unsafe {
        match NEXT.get() {
            Some(next) => next(
                statement,
                query,
                is_read_only,
                context,
                parameters,
                environment,
                receiver,
                completion,
            ),
            None => pg_sys::standard_ProcessUtility(
                statement,
                query,
                is_read_only,
                context,
                parameters,
                environment,
                receiver,
                completion,
            ),
        }
    }
    if is_hidden && deed.drops_all_statements() {
        names::lost();
    }
    deed.done();
}

/// True for a statement that the client has not sent itself, but something that it runs. A statement of the client comes
/// with the text that the client sent (`debug_query_string` of tcop/postgres.c).
///
/// SAFETY: `query` is null or ends with a zero byte.
unsafe fn is_hidden(query: *const c_char) -> bool {
    // SAFETY: as above; the variable is null or such a text, too.
    unsafe {
        let sent = pg_sys::debug_query_string;
        query.is_null() || sent.is_null() || CStr::from_ptr(query) != CStr::from_ptr(sent)
    }
}

impl Deed {
    /// SAFETY: `tree` is the tree of a utility statement.
    unsafe fn of(tree: *mut pg_sys::Node) -> Self {
        // SAFETY: a node's tag says which struct it begins.
        unsafe {
            match (*tree).type_ {
                pg_sys::NodeTag::T_VariableSetStmt => Self::Settings,
                pg_sys::NodeTag::T_DiscardStmt => {
                    match (*tree.cast::<pg_sys::DiscardStmt>()).target {
                        pg_sys::DiscardMode::DISCARD_ALL => Self::DiscardAll,
                        _ => Self::Forget,
                    }
                }
                pg_sys::NodeTag::T_ListenStmt => {
                    let channel = (*tree.cast::<pg_sys::ListenStmt>()).conditionname;
                    Self::Listen(Change::Listen(copy(channel)))
                }
                pg_sys::NodeTag::T_UnlistenStmt => {
                    let channel = (*tree.cast::<pg_sys::UnlistenStmt>()).conditionname;
                    Self::Listen(match channel.is_null() {
                        true => Change::UnlistenAll,
                        false => Change::Unlisten(copy(channel)),
                    })
                }
                pg_sys::NodeTag::T_PrepareStmt => {
                    Self::Prepare(copy((*tree.cast::<pg_sys::PrepareStmt>()).name))
                }
                pg_sys::NodeTag::T_DeclareCursorStmt => {
                    let declare = tree.cast::<pg_sys::DeclareCursorStmt>();
                    match (*declare).options as u32 & pg_sys::CURSOR_OPT_HOLD {
                        0 => Self::Nothing,
                        _ => Self::DeclareHold(copy((*declare).portalname)),
                    }
                }
                pg_sys::NodeTag::T_DeallocateStmt => {
                    let name = (*tree.cast::<pg_sys::DeallocateStmt>()).name;
                    Self::GiveUp(Given::Statements, (!name.is_null()).then(|| copy(name)))
                }
                pg_sys::NodeTag::T_ClosePortalStmt => {
                    let name = (*tree.cast::<pg_sys::ClosePortalStmt>()).portalname;
                    Self::GiveUp(Given::Cursors, (!name.is_null()).then(|| copy(name)))
                }
                pg_sys::NodeTag::T_TransactionStmt => {
                    match (*tree.cast::<pg_sys::TransactionStmt>()).kind {
                        pg_sys::TransactionStmtKind::TRANS_STMT_COMMIT_PREPARED => {
                            Self::CommitPrepared
                        }
                        _ => Self::Nothing,
                    }
                }
                _ if is_reshaping(tree) => Self::Reshape,
                _ => Self::Nothing,
            }
        }
    }

    /// DEALLOCATE ALL.
    fn drops_all_statements(&self) -> bool {
        matches!(self, Self::GiveUp(Given::Statements, None))
    }

    fn done(self) {
        match self {
            Self::Nothing => return,
            Self::Settings | Self::Forget => {}
            Self::DiscardAll => {
                names::found();
                return transaction::asked(Change::UnlistenAll);
            }
            Self::GiveUp(names, name) => names::given_up(names, name.as_deref()),
            Self::CommitPrepared => return transaction::committed_another(),
            Self::Listen(change) => return transaction::asked(change),
            Self::Prepare(name) => names::prepared(name),
            Self::DeclareHold(name) => names::declared(name),
            Self::Reshape => return transaction::shapes_touched(),
        }
        transaction::touched();
    }
}

/// Data definition, but for temporary tables, which nobody else sees.
///
/// SAFETY: `tree` is the tree of a utility statement.
unsafe fn is_reshaping(tree: *mut pg_sys::Node) -> bool {
    // SAFETY: as above.
    unsafe {
        let is_temporary = (*tree).type_ == pg_sys::NodeTag::T_CreateStmt && {
            let relation = (*tree.cast::<pg_sys::CreateStmt>()).relation;
            (*relation).relpersistence as u8 == pg_sys::RELPERSISTENCE_TEMP
        };
        !is_temporary && pg_sys::GetCommandLogLevel(tree) == pg_sys::LogStmtLevel::LOGSTMT_DDL
    }
}

/// SAFETY: `text` is null or ends with a zero byte.
unsafe fn copy(text: *const c_char) -> CString {
    // SAFETY: as above.
    unsafe { if text.is_null() { CString::default() } else { CStr::from_ptr(text).to_owned() } }
}
