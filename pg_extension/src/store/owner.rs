//! Acting as the owner of a table, as PostgreSQL's own foreign keys do. Must not know for what.
//!
//! Functions that need it are SECURITY INVOKER and are kept from strangers by EXECUTE: what they do
//! in the owner's name are statements of this library alone, wherever a dump was restored and
//! whoever owns the extension there.

use std::ffi::c_int;

use pgrx::pg_sys;

use super::schema::Table;

/// Runs `act` with the rights of the table's owner, row-level security left aside as for a foreign
/// key (`ri_PerformCheck` in utils/adt/ri_triggers.c).
///
/// An error inside ends the (sub)transaction, which puts the user back by itself.
pub(super) fn act_as_owner_of<T>(table: Table, act: impl FnOnce() -> T) -> T {
    let owner = owner_of(table);
    let (mut user, mut context) = (pg_sys::InvalidOid, 0);
    let changes = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_NOFORCE_RLS;
    // SAFETY: reads and sets variables of the backend.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&raw mut user, &raw mut context);
        pg_sys::SetUserIdAndSecContext(owner, context | changes as c_int);
    }
    let result = act();
    // SAFETY: as above.
    unsafe { pg_sys::SetUserIdAndSecContext(user, context) };
    result
}

fn owner_of(table: Table) -> pg_sys::Oid {
    let oid = table.oid();
    // SAFETY: the table was found just now; a tuple of RELOID is a pg_class row, which is read
    // before it is released.
    unsafe {
        let id = pg_sys::SysCacheIdentifier::RELOID as _;
        let tuple = pg_sys::SearchSysCache1(id, oid.into());
        assert!(!tuple.is_null(), "the table went away meanwhile");
        let owner = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>()).relowner;
        pg_sys::ReleaseSysCache(tuple);
        owner
    }
}
