//! Session-level advisory locks. Must not know who asks for them.

use std::cell::Cell;

use pgrx::pg_sys;

thread_local! {
    static HELD: Cell<bool> = const { Cell::new(false) };
}

/// True when some were held at the end of the last transaction.
pub(super) fn are_held() -> bool {
    HELD.get()
}

/// Looks at what is left after a transaction has let go of its own locks. True when the answer has changed.
pub(super) fn look() -> bool {
    let held = advisory_locks_remain();
    HELD.replace(held) != held
}

/// Any advisory lock among those that this process holds, in each partition of the lock table.
fn advisory_locks_remain() -> bool {
    // SAFETY: `MyProc` is set in every backend that runs transactions. Only this process adds to its own lists, but for
    // relation locks taken by the fast path, of which it holds none after the end of a transaction.
    unsafe {
        let lists = &raw const (*pg_sys::MyProc).myProcLocks;
        (0..pg_sys::NUM_LOCK_PARTITIONS as usize)
            .any(|partition| any_advisory(&raw const (*lists)[partition]))
    }
}

/// SAFETY: `list` is the head of a list of `PROCLOCK`s by their `procLink`.
#[cfg(any(feature = "pg14", feature = "pg15"))]
unsafe fn any_advisory(list: *const pg_sys::SHM_QUEUE) -> bool {
    let offset = std::mem::offset_of!(pg_sys::PROCLOCK, procLink);
    // SAFETY: the list is circular, and each link is inside a `PROCLOCK`.
    unsafe {
        let mut link = (*list).next.cast_const();
        while !link.is_null() && link != list {
            if is_advisory(link.byte_sub(offset).cast()) {
                return true;
            }
            link = (*link).next;
        }
    }
    false
}

/// SAFETY: `list` is the head of a list of `PROCLOCK`s by their `procLink`.
#[cfg(not(any(feature = "pg14", feature = "pg15")))]
unsafe fn any_advisory(list: *const pg_sys::dlist_head) -> bool {
    let offset = std::mem::offset_of!(pg_sys::PROCLOCK, procLink);
    // SAFETY: the list is circular, and each link is inside a `PROCLOCK`.
    unsafe {
        let head = &raw const (*list).head;
        let mut link = (*head).next.cast_const();
        while !link.is_null() && link != head {
            if is_advisory(link.byte_sub(offset).cast()) {
                return true;
            }
            link = (*link).next;
        }
    }
    false
}

/// SAFETY: `lock` is one of this process's entries in the lock table.
unsafe fn is_advisory(lock: *const pg_sys::PROCLOCK) -> bool {
    // SAFETY: an entry points to its lock for as long as it exists.
    let kind = unsafe { (*(*lock).tag.myLock).tag.locktag_type };
    u32::from(kind) == pg_sys::LockTagType::LOCKTAG_ADVISORY
}
