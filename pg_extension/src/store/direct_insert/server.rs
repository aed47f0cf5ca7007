//! Small pieces of PostgreSQL that differ between its versions, or that its headers have as macros. It must not know what
//! they are used for.

use std::mem::size_of;
use std::ptr;

use pgrx::pg_sys;

/// `makeNode` of nodes/nodes.h: a zeroed node in the current memory context.
///
/// # Safety
/// `T` is the struct of nodes with this tag.
pub(super) unsafe fn make_node<T>(tag: pg_sys::NodeTag) -> *mut T {
    // SAFETY: a node's struct begins with its tag.
    unsafe {
        let node = pg_sys::palloc0(size_of::<T>());
        node.cast::<pg_sys::NodeTag>().write(tag);
        node.cast()
    }
}

/// Makes the table the executor's only one, and returns its index there. PostgreSQL 14 and 15 look up the columns that a
/// statement names when they word the violation of a constraint; no named columns are what a caller with all rights has.
///
/// # Safety
/// `relation` is open.
#[cfg(any(feature = "pg14", feature = "pg15"))]
pub(super) unsafe fn add_range_table(
    state: *mut pg_sys::EState,
    relation: pg_sys::Relation,
) -> pg_sys::Index {
    // SAFETY: the entry is made zeroed, and is a range table of one.
    unsafe {
        let entry = make_node::<pg_sys::RangeTblEntry>(pg_sys::NodeTag::T_RangeTblEntry);
        (*entry).rtekind = pg_sys::RTEKind::RTE_RELATION;
        (*entry).relid = (*relation).rd_id;
        (*entry).relkind = (*(*relation).rd_rel).relkind;
        (*entry).rellockmode = pg_sys::RowExclusiveLock as std::ffi::c_int;
        (*entry).requiredPerms = pg_sys::ACL_INSERT as pg_sys::AclMode;
        pg_sys::ExecInitRangeTable(state, pg_sys::lappend(ptr::null_mut(), entry.cast()));
        1
    }
}

/// Later versions do without.
///
/// # Safety
/// None.
#[cfg(not(any(feature = "pg14", feature = "pg15")))]
pub(super) unsafe fn add_range_table(
    _state: *mut pg_sys::EState,
    _relation: pg_sys::Relation,
) -> pg_sys::Index {
    0
}

/// The map from the root table's columns to a partition's; null when they are the same.
///
/// # Safety
/// `target` was found by routing.
#[cfg(any(feature = "pg14", feature = "pg15"))]
pub(super) unsafe fn root_to_partition(
    target: *mut pg_sys::ResultRelInfo,
    _state: *mut pg_sys::EState,
) -> *mut pg_sys::TupleConversionMap {
    // SAFETY: the caller vouches for the target.
    unsafe { (*target).ri_RootToPartitionMap }
}

/// The map from the root table's columns to a partition's; null when they are the same.
///
/// # Safety
/// `target` was found by routing.
#[cfg(not(any(feature = "pg14", feature = "pg15")))]
pub(super) unsafe fn root_to_partition(
    target: *mut pg_sys::ResultRelInfo,
    state: *mut pg_sys::EState,
) -> *mut pg_sys::TupleConversionMap {
    // SAFETY: the caller vouches for the target.
    unsafe { pg_sys::ExecGetRootToChildMap(target, state) }
}

/// `ExecInsertIndexTuples` for a row that is new.
///
/// # Safety
/// The row was written to the target, whose indexes are open.
pub(super) unsafe fn insert_index_entries(
    target: *mut pg_sys::ResultRelInfo,
    row: *mut pg_sys::TupleTableSlot,
    state: *mut pg_sys::EState,
) -> *mut pg_sys::List {
    let (no_conflict, no_arbiters) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: as above; without arbiters a duplicate is an error.
    unsafe {
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        return pg_sys::ExecInsertIndexTuples(
            target,
            row,
            state,
            false,
            false,
            no_conflict,
            no_arbiters,
        );
        #[cfg(not(any(feature = "pg14", feature = "pg15")))]
        return pg_sys::ExecInsertIndexTuples(
            target,
            row,
            state,
            false,
            false,
            no_conflict,
            no_arbiters,
            false,
        );
    }
}

/// Gives the executor the CHECK constraints of a table, which are parsed and planned already. Without it, it does that for
/// each statement.
///
/// # Safety
/// The executor's memory is current, and the expressions are those of all of the table's constraints, in their order.
#[cfg(not(feature = "pg18"))]
pub(super) unsafe fn set_checks(target: *mut pg_sys::ResultRelInfo, checks: &[*mut pg_sys::Expr]) {
    if checks.is_empty() {
        return;
    }
    // SAFETY: the array has room for a pointer for each.
    unsafe {
        let states = pg_sys::palloc(size_of_val(checks)).cast::<*mut pg_sys::ExprState>();
        for (index, check) in checks.iter().enumerate() {
            states.add(index).write(pg_sys::ExecInitExpr(*check, ptr::null_mut()));
        }
        (*target).ri_ConstraintExprs = states;
    }
}

/// PostgreSQL 18 has constraints that are not enforced, and plans the others itself.
///
/// # Safety
/// None.
#[cfg(feature = "pg18")]
pub(super) unsafe fn set_checks(
    _target: *mut pg_sys::ResultRelInfo,
    _checks: &[*mut pg_sys::Expr],
) {
}
