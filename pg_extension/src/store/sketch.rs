//! A sketch as the state of an aggregate: in the aggregate's memory, and as bytes between parallel workers. It must not know
//! how a sketch works.

use pgrx::datum::Internal;
use pgrx::pg_sys;

use crate::domain::sketch::Sketch;

/// Changes the state, which is made at the first call, and returns it.
pub(crate) fn change(
    state: Option<Internal>,
    fcinfo: pg_sys::FunctionCallInfo,
    change: impl FnOnce(&mut Sketch),
) -> Internal {
    let mut state = state.unwrap_or_default();
    // SAFETY: only functions of the aggregates below `api::sketch` are called with such a state, and it is a Sketch; it lives
    // in the memory of the aggregate, which is current while it is made.
    unsafe {
        let before = pg_sys::MemoryContextSwitchTo(aggregate_memory(fcinfo));
        let sketch = state.get_or_insert_default::<Sketch>();
        pg_sys::MemoryContextSwitchTo(before);
        change(sketch);
    }
    state
}

/// The sketch of a state; none of a state that was never changed.
pub(crate) fn of(state: &Option<Internal>) -> Option<&Sketch> {
    // SAFETY: as in `change`.
    state.as_ref().and_then(|state| unsafe { state.get::<Sketch>() })
}

/// # Safety
/// `fcinfo` is that of the call.
unsafe fn aggregate_memory(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::MemoryContext {
    let mut memory = std::ptr::null_mut();
    // SAFETY: the caller vouches for `fcinfo`. A type `internal` keeps SQL from calling these functions, so that there is an
    // aggregate; without one the current memory does.
    unsafe {
        match pg_sys::AggCheckCallContext(fcinfo, &raw mut memory) {
            0 => pg_sys::CurrentMemoryContext,
            _ => memory,
        }
    }
}
