//! The executor's state for one direct INSERT, and the rows on their way into the table. Follows `ExecInsert`
//! (executor/nodeModifyTable.c) for one row and `CopyFrom` (commands/copyfrom.c) for many. It must not know why a table is
//! written without a plan.

use std::ffi::c_int;
use std::ptr;

use pgrx::{IntoDatum, pg_sys};

use super::super::plan::Bound;
use super::super::random;
use super::Cell;
use super::definition::{Default, Shape, is_writable};
use super::server::{
    add_range_table, insert_index_entries, make_node, root_to_partition, set_checks,
};

/// How many rows are written to a partition at a time: two or three pages full, each of which is a record of the log. A slot
/// for a row costs about a tenth of writing it, so there are not more of them.
const BATCH_LEN: usize = 128;

/// One INSERT at work. All of its memory goes with the executor's state.
pub(super) struct Executor<'a> {
    shape: &'a Shape,
    state: *mut pg_sys::EState,
    root: *mut pg_sys::ResultRelInfo,
    routing: Option<Routing>,
    /// The row as the table has it.
    slot: Slot,
    defaults: Vec<Evaluated>,
    batches: Vec<Batch>,
    /// Whether a table that was written to has triggers.
    has_triggers: bool,
}

/// What is known of a default that is no constant.
#[derive(Clone, Copy)]
enum Evaluated {
    Not,
    /// The state that evaluates it for each row.
    By(*mut pg_sys::ExprState),
    /// Its value for all rows, in the executor's memory.
    To(Bound),
}

/// How rows find their partition.
struct Routing {
    node: *mut pg_sys::ModifyTableState,
    routing: *mut pg_sys::PartitionTupleRouting,
}

/// Rows that wait to be written to one partition.
struct Batch {
    target: *mut pg_sys::ResultRelInfo,
    rows: Vec<pg_sys::HeapTuple>,
}

/// One row.
type Slot = *mut pg_sys::TupleTableSlot;

impl<'a> Executor<'a> {
    /// Runs `write` with an executor for the table, ends the statement as the executor does, and makes its rows visible
    /// to the commands that follow.
    ///
    /// # Safety
    /// `relation` is open and locked for writing, and `shape` is its own.
    pub(super) unsafe fn run<T>(
        relation: pg_sys::Relation,
        shape: &'a Shape,
        write: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        // SAFETY: everything that is made here is taken apart below; when an error unwinds, the abort of the transaction
        // does it, as with any statement.
        unsafe {
            let state = pg_sys::CreateExecutorState();
            let before = pg_sys::MemoryContextSwitchTo((*state).es_query_cxt);
            let mut executor = Self::start(relation, shape, state);
            pg_sys::AfterTriggerBeginQuery();
            let written = write(&mut executor);
            executor.fire_triggers();
            executor.end();
            pg_sys::MemoryContextSwitchTo(before);
            pg_sys::FreeExecutorState(state);
            if written.is_some() {
                pg_sys::CommandCounterIncrement();
            }
            written
        }
    }

    /// # Safety
    /// The executor's memory is current.
    unsafe fn start(
        relation: pg_sys::Relation,
        shape: &'a Shape,
        state: *mut pg_sys::EState,
    ) -> Self {
        // SAFETY: the nodes are made zeroed and of the sizes of their types.
        unsafe {
            let index = add_range_table(state, relation);
            let root = make_node::<pg_sys::ResultRelInfo>(pg_sys::NodeTag::T_ResultRelInfo);
            pg_sys::InitResultRelInfo(root, relation, index, ptr::null_mut(), 0);
            let routing = if shape.is_partitioned {
                Some(Routing::start(state, root))
            } else {
                pg_sys::ExecOpenIndices(root, false);
                set_checks(root, &shape.checks);
                // What is in this list has its indexes closed with the executor's state.
                (*state).es_opened_result_relations =
                    pg_sys::lappend((*state).es_opened_result_relations, root.cast());
                None
            };
            let slot = pg_sys::MakeSingleTupleTableSlot(
                (*relation).rd_att,
                &raw const pg_sys::TTSOpsVirtual,
            );
            let defaults = vec![Evaluated::Not; shape.defaults.len()];
            Self {
                shape,
                state,
                root,
                routing,
                slot,
                defaults,
                batches: Vec::new(),
                has_triggers: false,
            }
        }
    }

    /// Writes one row; None when its partition has to be written by a plan.
    pub(super) fn insert(&mut self, cells: &[Cell]) -> Option<()> {
        // SAFETY: the executor is started, and the row has the form of the target's rows.
        unsafe {
            self.form(cells);
            let target = self.route()?;
            let row = self.in_shape_of(target);
            self.check(target, row);
            pg_sys::simple_table_tuple_insert((*target).ri_RelationDesc, row);
            self.follow_up(target, row);
            Some(())
        }
    }

    /// The key of the row that was written last.
    pub(super) fn key(&self) -> Option<pg_sys::Datum> {
        let key = self.shape.key?;
        // SAFETY: the slot holds a row of the table, and the shape knows its columns.
        unsafe {
            let is_null = *(*self.slot).tts_isnull.add(key);
            (!is_null).then_some(*(*self.slot).tts_values.add(key))
        }
    }

    /// Adds one row to those that [`Executor::flush`] writes; None when its partition has to be written by a plan.
    pub(super) fn add(&mut self, cells: &[Cell]) -> Option<()> {
        // SAFETY: the executor is started; the batch's slot has the form of the target's rows.
        unsafe {
            self.form(cells);
            let target = self.route()?;
            let row = self.in_shape_of(target);
            (*row).tts_tableOid = (*(*target).ri_RelationDesc).rd_id;
            self.check(target, row);
            let number = self.batch_of(target);
            self.batches[number].rows.push(pg_sys::ExecCopySlotHeapTuple(row));
            Some(())
        }
    }

    /// Writes what was added.
    pub(super) fn flush(&mut self) {
        for Batch { target, rows } in std::mem::take(&mut self.batches) {
            // SAFETY: the target is open.
            let descriptor = unsafe { (*(*target).ri_RelationDesc).rd_att };
            let slots = Slots::new(descriptor, rows.len().min(BATCH_LEN));
            for rows in rows.chunks(BATCH_LEN) {
                // SAFETY: the executor is started, and the rows were put together for this target.
                unsafe { self.write(target, slots.hold(rows)) };
            }
            slots.release();
        }
    }

    /// Puts the row together in the slot. What the row before needed is freed.
    ///
    /// # Safety
    /// The executor is started.
    unsafe fn form(&mut self, cells: &[Cell]) {
        // SAFETY: a virtual slot has room for a value and a flag for each column.
        unsafe {
            let context = self.expression_context();
            pg_sys::MemoryContextReset((*context).ecxt_per_tuple_memory);
            pg_sys::ExecClearTuple(self.slot);
            for index in 0..self.shape.defaults.len() {
                let cell = self.shape.sources[index].map_or(Cell::Default, |cell| cells[cell]);
                let value = match cell {
                    Cell::Value(value) => value,
                    Cell::Default => self.default(index, context),
                };
                *(*self.slot).tts_isnull.add(index) = value.is_none();
                *(*self.slot).tts_values.add(index) = value.unwrap_or(pg_sys::Datum::from(0_usize));
            }
            pg_sys::ExecStoreVirtualTuple(self.slot);
        }
    }

    /// A value that lives until the next row is formed, or longer.
    ///
    /// # Safety
    /// The executor is started.
    unsafe fn default(&mut self, index: usize, context: *mut pg_sys::ExprContext) -> Bound {
        // SAFETY: the expressions were planned; both contexts live.
        unsafe {
            match (self.shape.defaults[index], self.defaults[index]) {
                (Default::Null, _) => None,
                (Default::Constant(value), _) => Some(value),
                (_, Evaluated::To(value)) => value,
                (Default::RandomUuid, _) => in_memory((*context).ecxt_per_tuple_memory, || {
                    random::pooled_uuid().into_datum()
                }),
                (Default::Stable(expression), _) => {
                    let state = pg_sys::ExecInitExpr(expression, ptr::null_mut());
                    let value = evaluate(state, context, (*self.state).es_query_cxt);
                    self.defaults[index] = Evaluated::To(value);
                    value
                }
                (Default::Volatile(_), Evaluated::By(state)) => {
                    evaluate(state, context, (*context).ecxt_per_tuple_memory)
                }
                (Default::Volatile(expression), Evaluated::Not) => {
                    let state = pg_sys::ExecInitExpr(expression, ptr::null_mut());
                    self.defaults[index] = Evaluated::By(state);
                    evaluate(state, context, (*context).ecxt_per_tuple_memory)
                }
            }
        }
    }

    /// `GetPerTupleExprContext` of executor.h.
    ///
    /// # Safety
    /// The executor is started.
    unsafe fn expression_context(&self) -> *mut pg_sys::ExprContext {
        // SAFETY: the state is valid, and keeps the context that is made here.
        unsafe {
            let context = (*self.state).es_per_tuple_exprcontext;
            if context.is_null() { pg_sys::MakePerTupleExprContext(self.state) } else { context }
        }
    }

    /// The table or partition that the row in the slot belongs to; None when a plan has to write to it.
    ///
    /// # Safety
    /// The slot holds a row.
    unsafe fn route(&mut self) -> Option<*mut pg_sys::ResultRelInfo> {
        // SAFETY: the routing belongs to the root table, whose row the slot holds. A partition that was found is opened.
        unsafe {
            let Some(routing) = &self.routing else {
                self.has_triggers = !(*self.root).ri_TrigDesc.is_null();
                return Some(self.root);
            };
            let (node, routing) = (routing.node, routing.routing);
            let target = pg_sys::ExecFindPartition(node, self.root, routing, self.slot, self.state);
            let is_table = (*target).ri_FdwRoutine.is_null();
            self.has_triggers |= !(*target).ri_TrigDesc.is_null();
            (is_table && is_writable((*target).ri_RelationDesc)).then_some(target)
        }
    }

    /// The row with the target's order of columns: a partition that was attached may have another one.
    ///
    /// # Safety
    /// `target` is where the row in the slot belongs.
    unsafe fn in_shape_of(&self, target: *mut pg_sys::ResultRelInfo) -> Slot {
        // SAFETY: a partition with another order of columns comes with a map and a slot (`ExecInitRoutingInfo`).
        unsafe {
            match root_to_partition(target, self.state).as_ref() {
                Some(map) => {
                    let slot = (*target).ri_PartitionTupleSlot;
                    pg_sys::execute_attr_map_slot(map.attrMap, self.slot, slot)
                }
                None => self.slot,
            }
        }
    }

    /// Checks NOT NULL and CHECK constraints, and the bounds of a partition that was named itself.
    ///
    /// # Safety
    /// `row` has the form of the target's rows.
    unsafe fn check(&self, target: *mut pg_sys::ResultRelInfo, row: Slot) {
        // SAFETY: the target is open.
        unsafe {
            let relation = (*target).ri_RelationDesc;
            if !(*(*relation).rd_att).constr.is_null() {
                pg_sys::ExecConstraints(target, row, self.state);
            }
            if self.routing.is_none() && (*(*relation).rd_rel).relispartition {
                pg_sys::ExecPartitionCheck(target, row, self.state, true);
            }
        }
    }

    /// Index entries and AFTER ROW triggers of a row that was written.
    ///
    /// # Safety
    /// `row` was written to the target and knows its place there.
    unsafe fn follow_up(&self, target: *mut pg_sys::ResultRelInfo, row: Slot) {
        // SAFETY: as above.
        unsafe {
            let mut recheck = ptr::null_mut();
            if (*target).ri_NumIndices > 0 {
                recheck = insert_index_entries(target, row, self.state);
            }
            if !(*target).ri_TrigDesc.is_null() {
                let no_capture = ptr::null_mut();
                pg_sys::ExecARInsertTriggers(self.state, target, row, recheck, no_capture);
            }
        }
    }

    /// The number of the target's batch, a new one if need be.
    fn batch_of(&mut self, target: *mut pg_sys::ResultRelInfo) -> usize {
        // Rows come mostly in the order of time, so the last partition is likely.
        let found = self.batches.iter().rposition(|batch| batch.target == target);
        found.unwrap_or_else(|| {
            self.batches.push(Batch { target, rows: Vec::new() });
            self.batches.len() - 1
        })
    }

    /// Writes rows of one table, with their index entries and triggers.
    ///
    /// # Safety
    /// The slots hold rows of the target's form.
    unsafe fn write(&self, target: *mut pg_sys::ResultRelInfo, rows: &[Slot]) {
        // SAFETY: writing the rows tells each slot its place; the array itself is only read.
        unsafe {
            pg_sys::table_multi_insert(
                (*target).ri_RelationDesc,
                rows.as_ptr().cast_mut(),
                rows.len() as c_int,
                pg_sys::GetCurrentCommandId(true),
                0,
                ptr::null_mut(),
            );
            for row in rows {
                self.follow_up(target, *row);
            }
        }
    }

    /// Fires the AFTER ROW triggers of the rows. They run SQL, so they get the snapshot that a statement of its own would have
    /// had.
    ///
    /// # Safety
    /// Follows `AfterTriggerBeginQuery`.
    unsafe fn fire_triggers(&self) {
        // SAFETY: in a transaction; the snapshot that is pushed is popped.
        unsafe {
            if self.has_triggers {
                pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            }
            pg_sys::AfterTriggerEndQuery(self.state);
            if self.has_triggers {
                pg_sys::PopActiveSnapshot();
            }
        }
    }

    /// Closes partitions and indexes, and lets go of the rows that triggers were shown.
    ///
    /// # Safety
    /// Nothing of the executor is used afterwards but its state.
    unsafe fn end(self) {
        // SAFETY: the slot was made without a list that would free it; the rest belongs to the state.
        unsafe {
            pg_sys::ExecDropSingleTupleTableSlot(self.slot);
            pg_sys::ExecResetTupleTable((*self.state).es_tupleTable, false);
            if let Some(routing) = &self.routing {
                pg_sys::ExecCleanupTupleRouting(routing.node, routing.routing);
            }
            pg_sys::ExecCloseResultRelations(self.state);
        }
    }
}

impl Routing {
    /// # Safety
    /// `root` is open.
    unsafe fn start(state: *mut pg_sys::EState, root: *mut pg_sys::ResultRelInfo) -> Self {
        // SAFETY: a node without a plan is what COPY routes with (`CopyFrom`).
        unsafe {
            let node = make_node::<pg_sys::ModifyTableState>(pg_sys::NodeTag::T_ModifyTableState);
            (*node).ps.state = state;
            (*node).operation = pg_sys::CmdType::CMD_INSERT;
            (*node).mt_nrels = 1;
            (*node).resultRelInfo = root;
            (*node).rootResultRelInfo = root;
            let routing = pg_sys::ExecSetupPartitionTupleRouting(state, (*root).ri_RelationDesc);
            Self { node, routing }
        }
    }
}

/// The value of an expression, in this memory.
///
/// # Safety
/// `ExecInitExpr` has made the state, which gives it the function that evaluates it.
unsafe fn evaluate(
    state: *mut pg_sys::ExprState,
    context: *mut pg_sys::ExprContext,
    memory: pg_sys::MemoryContext,
) -> Bound {
    // SAFETY: as above.
    unsafe {
        in_memory(memory, || {
            let mut is_null = false;
            let evaluate = (*state).evalfunc.expect("an initialised expression can be evaluated");
            let value = evaluate(state, context, &raw mut is_null);
            (!is_null).then_some(value)
        })
    }
}

/// Does something with another current memory context.
///
/// # Safety
/// The context lives.
unsafe fn in_memory<T>(memory: pg_sys::MemoryContext, work: impl FnOnce() -> T) -> T {
    // SAFETY: as above; an error unwinds to where the context is set anew.
    unsafe {
        let before = pg_sys::MemoryContextSwitchTo(memory);
        let outcome = work();
        pg_sys::MemoryContextSwitchTo(before);
        outcome
    }
}

/// Slots that hold the rows which are written at a time.
struct Slots(Vec<Slot>);

impl Slots {
    fn new(descriptor: pg_sys::TupleDesc, len: usize) -> Self {
        // SAFETY: the descriptor is that of an open table.
        let slot = |_| unsafe {
            pg_sys::MakeSingleTupleTableSlot(descriptor, &raw const pg_sys::TTSOpsHeapTuple)
        };
        Self((0..len).map(slot).collect())
    }

    /// The rows, each in a slot. They are freed with the next ones.
    ///
    /// # Safety
    /// The rows have the form of the slots' table, and belong to nobody else.
    unsafe fn hold(&self, rows: &[pg_sys::HeapTuple]) -> &[Slot] {
        for (row, slot) in rows.iter().zip(&self.0) {
            // SAFETY: as above; the slot takes the row over.
            unsafe { pg_sys::ExecStoreHeapTuple(*row, *slot, true) };
        }
        &self.0[..rows.len()]
    }

    /// Frees the slots and the rows in them. Not done when an error unwinds: the abort of the transaction does it.
    fn release(self) {
        for slot in self.0 {
            // SAFETY: each was made without a list that would free it.
            unsafe { pg_sys::ExecDropSingleTupleTableSlot(slot) };
        }
    }
}
