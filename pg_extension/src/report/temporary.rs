//! Objects in the temporary schema of this session. Must not know which statements make them.

use std::cell::RefCell;
use std::ptr;

use pgrx::pg_sys;

/// A catalog and an object in it.
type Object = (pg_sys::Oid, pg_sys::Oid);

#[derive(Default)]
struct Objects {
    /// At the end of the last transaction.
    kept: Vec<Object>,
    /// What the transaction that commits is about to leave.
    leaving: Option<Vec<Object>>,
}

thread_local! {
    static OBJECTS: RefCell<Objects> = RefCell::default();
}

/// True when the last transaction left some.
pub(super) fn exists() -> bool {
    OBJECTS.with_borrow(|objects| !objects.kept.is_empty())
}

/// True when the open transaction has used the temporary schema.
pub(super) fn is_used() -> bool {
    // SAFETY: a plain variable of the backend.
    let flags = unsafe { ptr::read(&raw const pg_sys::MyXactFlags) } as u32;
    flags & pg_sys::XACT_FLAGS_ACCESSEDTEMPNAMESPACE != 0
}

/// A transaction is about to commit: its last chance to look into the catalog.
pub(super) fn about_to_commit() {
    if is_used() || exists() {
        let found = scan();
        OBJECTS.with_borrow_mut(|objects| objects.leaving = Some(found));
    }
}

/// An object is dropped; ON COMMIT DROP does that after the look into the catalog.
pub(super) fn dropped(object: Object) {
    OBJECTS.with_borrow_mut(|objects| {
        if let Some(leaving) = &mut objects.leaving {
            leaving.retain(|known| *known != object);
        }
    });
}

/// The transaction has committed. True when the answer of [`exists`] may have changed.
pub(super) fn committed() -> bool {
    OBJECTS.with_borrow_mut(|objects| match objects.leaving.take() {
        Some(leaving) => {
            let was_empty = objects.kept.is_empty();
            objects.kept = leaving;
            was_empty != objects.kept.is_empty()
        }
        None => false,
    })
}

/// The transaction was rolled back, and with it what it made or dropped.
pub(super) fn aborted() {
    OBJECTS.with_borrow_mut(|objects| objects.leaving = None);
}

/// Whatever depends on the temporary schema: that is how PostgreSQL itself finds what to drop when a session ends
/// (`RemoveTempRelations` in catalog/namespace.c).
fn scan() -> Vec<Object> {
    let Some(schema) = schema() else { return Vec::new() };
    let mut found = Vec::new();
    // SAFETY: called inside a transaction, whose last statement may have left its rows for the next command to see.
    unsafe { pg_sys::CommandCounterIncrement() };
    // SAFETY: called inside a transaction; the scan and the table are closed again, and each tuple is read before the
    // next one is fetched. A raised error ends the transaction, which closes them too.
    unsafe {
        let depend = pg_sys::table_open(pg_sys::DependRelationId, LOCK);
        let mut keys = [
            key(pg_sys::Anum_pg_depend_refclassid, pg_sys::NamespaceRelationId),
            key(pg_sys::Anum_pg_depend_refobjid, schema),
        ];
        let index = pg_sys::Oid::from(pg_sys::DependReferenceIndexId);
        let (no_snapshot, count) = (ptr::null_mut(), keys.len() as i32);
        let scan =
            pg_sys::systable_beginscan(depend, index, true, no_snapshot, count, keys.as_mut_ptr());
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            let data = (*tuple).t_data;
            let row = data.byte_add((*data).t_hoff as usize).cast::<pg_sys::FormData_pg_depend>();
            found.push(((*row).classid, (*row).objid));
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(depend, LOCK);
    }
    found
}

const LOCK: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;

fn schema() -> Option<pg_sys::Oid> {
    let (mut schema, mut toast) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
    // SAFETY: writes two identifiers.
    unsafe { pg_sys::GetTempNamespaceState(&raw mut schema, &raw mut toast) };
    (schema != pg_sys::InvalidOid).then_some(schema)
}

/// An index key: this column is this object.
fn key(column: u32, object: pg_sys::Oid) -> pg_sys::ScanKeyData {
    let mut key = pg_sys::ScanKeyData::default();
    // SAFETY: fills the key, and looks up a built-in function.
    unsafe {
        pg_sys::ScanKeyInit(
            &raw mut key,
            column as pg_sys::AttrNumber,
            pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
            pg_sys::Oid::from(pg_sys::F_OIDEQ),
            pg_sys::Datum::from(object),
        );
    }
    key
}
