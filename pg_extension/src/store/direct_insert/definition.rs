//! What a direct INSERT needs to know of its table, examined once and kept until PostgreSQL says that the table, or a
//! function its defaults may call, has changed. It must not know the rows.

use std::cell::Cell as StdCell;
use std::ffi::{CStr, c_int};
use std::sync::Once;

use pgrx::{PgOid, PgTupleDesc, pg_guard, pg_sys};

use super::Column;

/// A table as it was when it was examined. Only the table itself: partitions are opened anew each time.
pub(super) struct Definition {
    oid: pg_sys::Oid,
    /// The count of changes that it was examined at.
    examined_at: u64,
    /// None when rows have to be written by a plan.
    shape: Option<Shape>,
}

/// How a row is put together.
pub(super) struct Shape {
    /// For each column of the table, in their order, the number of the cell that is its value.
    pub(super) sources: Vec<Option<usize>>,
    /// What each column of the table gets when no value is given, in their order.
    pub(super) defaults: Vec<Default>,
    /// The CHECK constraints, planned, in the order of the table's. Empty for a partitioned table, whose partitions have them.
    pub(super) checks: Vec<*mut pg_sys::Expr>,
    /// The position of the key, if one is asked for.
    pub(super) key: Option<usize>,
    pub(super) is_partitioned: bool,
    oid: pg_sys::Oid,
    /// Where the expressions of the defaults and of the constraints live.
    memory: pg_sys::MemoryContext,
}

/// The default of one column.
#[derive(Clone, Copy)]
pub(super) enum Default {
    Null,
    Constant(pg_sys::Datum),
    /// `gen_random_uuid()`.
    RandomUuid,
    /// A planned expression, in the shape's memory, that has one value for all rows of a statement.
    Stable(*mut pg_sys::Expr),
    /// One that is evaluated for each row.
    Volatile(*mut pg_sys::Expr),
}

thread_local! {
    /// How often something changed that a definition may rest on.
    static CHANGES: StdCell<u64> = const { StdCell::new(0) };
}

impl Definition {
    /// The shape of the open table, examined now unless what is kept still holds; None when a plan has to do it.
    ///
    /// # Safety
    /// `relation` is open and locked.
    pub(super) unsafe fn current<'a>(
        kept: &'a mut Option<Self>,
        relation: pg_sys::Relation,
        columns: &[Column],
        key: Option<&'static CStr>,
    ) -> Option<&'a Shape> {
        watch_changes();
        // SAFETY: the relation is open.
        let oid = unsafe { (*relation).rd_id };
        let examined_at = CHANGES.get();
        let holds = |kept: &Self| kept.oid == oid && kept.examined_at == examined_at;
        if !kept.as_ref().is_some_and(holds) {
            // SAFETY: the relation is open and locked.
            let shape = unsafe { Shape::examine(relation, columns, key) };
            *kept = Some(Self { oid, examined_at, shape });
        }
        kept.as_ref()?.shape.as_ref()
    }
}

impl Shape {
    /// # Safety
    /// `relation` is open and locked.
    unsafe fn examine(
        relation: pg_sys::Relation,
        columns: &[Column],
        key: Option<&'static CStr>,
    ) -> Option<Self> {
        // SAFETY: the relation is open, so its relcache entry and what hangs on it stay.
        unsafe {
            let form = &*(*relation).rd_rel;
            let kind = form.relkind as u8;
            let is_table =
                kind == pg_sys::RELKIND_RELATION || kind == pg_sys::RELKIND_PARTITIONED_TABLE;
            if !is_table || !(*relation).rd_rules.is_null() || !is_writable(relation) {
                return None;
            }
            let oid = (*relation).rd_id;
            let attributes = PgTupleDesc::from_pg_unchecked((*relation).rd_att);
            let mut sources = vec![None; attributes.len()];
            for (cell, column) in columns.iter().enumerate() {
                sources[position(oid, &attributes, column)?] = Some(cell);
            }
            let key = match key.map(|key| Column::new(key, pg_sys::BuiltinOid::UUIDOID)) {
                Some(column) => Some(position(oid, &attributes, &column)?),
                None => None,
            };
            let is_partitioned = kind == pg_sys::RELKIND_PARTITIONED_TABLE;
            let (memory, (defaults, checks)) = in_lasting_memory(|| {
                let checks = if is_partitioned { Vec::new() } else { checks_of(relation) };
                (defaults_of(relation, &attributes), checks)
            });
            Some(Self { sources, defaults, checks, key, is_partitioned, oid, memory })
        }
    }

    /// Whether the caller may insert and read the whole table, and no policy stands in the way. A caller with less goes by
    /// the plan, which knows columns and policies and words the refusal. So does everybody where a library of the server
    /// looks on when privileges are checked, as pgAudit does.
    pub(super) fn permits_caller(&self) -> bool {
        // SAFETY: a plain variable of the backend, which has one thread.
        if unsafe { pg_sys::ExecutorCheckPerms_hook }.is_some() {
            return false;
        }
        let wanted = (pg_sys::ACL_INSERT | pg_sys::ACL_SELECT) as pg_sys::AclMode;
        // SAFETY: look-ups in the catalog by an oid that the open table has.
        unsafe {
            let all = pg_sys::AclMaskHow::ACLMASK_ALL;
            let granted = pg_sys::pg_class_aclmask(self.oid, pg_sys::GetUserId(), wanted, all);
            granted == wanted
                && pg_sys::check_enable_rls(self.oid, pg_sys::InvalidOid, true)
                    != pg_sys::CheckEnableRlsResult::RLS_ENABLED as c_int
        }
    }
}

impl Drop for Shape {
    fn drop(&mut self) {
        // SAFETY: the context was made for this shape, and nobody else holds what is in it.
        unsafe { pg_sys::MemoryContextDelete(self.memory) };
    }
}

/// Whether rows can be written to a table, or to a partition, without more than AFTER ROW triggers and constraints.
///
/// # Safety
/// `relation` is open and locked.
pub(super) unsafe fn is_writable(relation: pg_sys::Relation) -> bool {
    // SAFETY: the pointers of an open relation are null or valid.
    unsafe {
        let has_generated = (*(*relation).rd_att)
            .constr
            .as_ref()
            .is_some_and(|constraints| constraints.has_generated_stored);
        !has_generated && !(*relation).trigdesc.as_ref().is_some_and(needs_plan)
    }
}

fn needs_plan(triggers: &pg_sys::TriggerDesc) -> bool {
    triggers.trig_insert_before_row
        || triggers.trig_insert_instead_row
        || triggers.trig_insert_before_statement
        || triggers.trig_insert_after_statement
        || triggers.trig_insert_new_table
}

/// The position of a column that takes the promised values as they are.
fn position(oid: pg_sys::Oid, attributes: &PgTupleDesc<'_>, column: &Column) -> Option<usize> {
    // SAFETY: a look-up in the catalog by a zero-terminated name.
    let number = unsafe { pg_sys::get_attnum(oid, column.name.as_ptr()) };
    let position = usize::try_from(number).ok()?.checked_sub(1)?;
    let attribute = attributes.get(position)?;
    (column.fits(attribute.atttypmod)
        && attribute.atttypid == PgOid::BuiltIn(column.type_oid).value())
    .then_some(position)
}

/// Makes something in memory of its own, a child of one that lives as long as the backend.
fn in_lasting_memory<T>(make: impl FnOnce() -> T) -> (pg_sys::MemoryContext, T) {
    // SAFETY: the new context is current only here. Planning leaves what it does not need any more in it, which is little. An
    // error in between leaves the context behind, empty as it is.
    unsafe {
        let memory = pg_sys::AllocSetContextCreateInternal(
            pg_sys::CacheMemoryContext,
            c"taskmaster definition".as_ptr(),
            pg_sys::ALLOCSET_SMALL_MINSIZE as usize,
            pg_sys::ALLOCSET_SMALL_INITSIZE as usize,
            pg_sys::ALLOCSET_SMALL_MAXSIZE as usize,
        );
        let before = pg_sys::MemoryContextSwitchTo(memory);
        let made = make();
        pg_sys::MemoryContextSwitchTo(before);
        (memory, made)
    }
}

/// The defaults of all columns.
///
/// # Safety
/// `relation` is open and locked, and `attributes` are its own.
unsafe fn defaults_of(relation: pg_sys::Relation, attributes: &PgTupleDesc<'_>) -> Vec<Default> {
    let of = |(index, attribute): (usize, &pg_sys::FormData_pg_attribute)| {
        // SAFETY: the relation has a column of this number.
        unsafe {
            let tree = match attribute.attisdropped {
                true => std::ptr::null_mut(),
                false => pg_sys::build_column_default(relation, index as c_int + 1),
            };
            if tree.is_null() {
                Default::Null
            } else {
                classify(pg_sys::expression_planner(tree.cast()))
            }
        }
    };
    attributes.iter().enumerate().map(of).collect()
}

/// The CHECK constraints, as `ExecRelCheck` (executor/execMain.c) plans them for each statement.
///
/// # Safety
/// `relation` is open and locked.
unsafe fn checks_of(relation: pg_sys::Relation) -> Vec<*mut pg_sys::Expr> {
    // SAFETY: the pointers of an open relation are null or valid, and there are as many constraints as it says.
    unsafe {
        let Some(constraints) = (*(*relation).rd_att).constr.as_ref() else { return Vec::new() };
        let number = usize::from(constraints.num_check);
        let planned = |index| {
            let tree = pg_sys::stringToNode((*constraints.check.add(index)).ccbin);
            pg_sys::expression_planner(tree.cast())
        };
        (0..number).map(planned).collect()
    }
}

/// # Safety
/// `expression` is a planned expression.
unsafe fn classify(expression: *mut pg_sys::Expr) -> Default {
    // SAFETY: a node of type Const is a Const, and one of type FuncExpr a FuncExpr.
    unsafe {
        match (*expression).type_ {
            pg_sys::NodeTag::T_Const => {
                let constant = &*expression.cast::<pg_sys::Const>();
                let value = constant.constvalue;
                if constant.constisnull { Default::Null } else { Default::Constant(value) }
            }
            pg_sys::NodeTag::T_FuncExpr
                if (*expression.cast::<pg_sys::FuncExpr>()).funcid
                    == pg_sys::Oid::from(pg_sys::F_GEN_RANDOM_UUID) =>
            {
                Default::RandomUuid
            }
            _ if pg_sys::contain_volatile_functions(expression.cast()) => {
                Default::Volatile(expression)
            }
            _ => Default::Stable(expression),
        }
    }
}

/// Has PostgreSQL tell this backend of every change to a table or a function: an expression may have a function's body
/// inlined in it.
fn watch_changes() {
    static WATCHED: Once = Once::new();
    // SAFETY: the callbacks are functions of this library, which is never unloaded.
    WATCHED.call_once(|| unsafe {
        let nothing = pg_sys::Datum::from(0_usize);
        pg_sys::CacheRegisterRelcacheCallback(Some(on_table_change), nothing);
        let functions = pg_sys::SysCacheIdentifier::PROCOID as c_int;
        pg_sys::CacheRegisterSyscacheCallback(functions, Some(on_function_change), nothing);
    });
}

#[pg_guard]
unsafe extern "C-unwind" fn on_table_change(_argument: pg_sys::Datum, _table: pg_sys::Oid) {
    CHANGES.set(CHANGES.get() + 1);
}

#[pg_guard]
unsafe extern "C-unwind" fn on_function_change(
    _argument: pg_sys::Datum,
    _cache: c_int,
    _hash: pg_sys::uint32,
) {
    CHANGES.set(CHANGES.get() + 1);
}
