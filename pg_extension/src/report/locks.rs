//! Session-level advisory locks. Must not know who asks for them.

use pgrx::pg_sys;

use super::cell::BackendCell;

static HELD: BackendCell<bool> = BackendCell::new(false);

/// True when some were held at the end of the last transaction.
pub(super) fn are_held() -> bool {
    HELD.get()
}

/// Looks at what is left after a transaction has let go of its own locks. True when the answer has changed.
pub(super) fn look() -> bool {
    let held = advisory_locks_remain();
    HELD.replace(held) != held
}

/// Any advisory lock among those that this process holds, in each partition of the lock table. Nearly always all lists are
/// empty, which one comparison for each tells: cheaper than to follow who may have asked for a lock, and it misses nobody.
fn advisory_locks_remain() -> bool {
    // SAFETY: `MyProc` is set in every backend that runs transactions, and `InitProcGlobal` in storage/lmgr/proc.c made all
    // lists. Only this process adds to its own, but for relation locks taken by the fast path, of which it holds none after
    // the end of a transaction.
    unsafe {
        let lists = (&raw const (*pg_sys::MyProc).myProcLocks).cast::<Head>();
        (0..pg_sys::NUM_LOCK_PARTITIONS as usize).any(|partition| {
            let list = link(lists.add(partition));
            (*list).next.cast_const() != list && any_advisory(list)
        })
    }
}

/// SAFETY: `list` is the head of a list of `PROCLOCK`s by their `procLink`.
#[cold]
unsafe fn any_advisory(list: *const Link) -> bool {
    let offset = std::mem::offset_of!(pg_sys::PROCLOCK, procLink);
    // SAFETY: the list is circular, and each link is inside a `PROCLOCK`.
    unsafe {
        let mut link = (*list).next.cast_const();
        while link != list {
            if is_advisory(link.byte_sub(offset).cast()) {
                return true;
            }
            link = (*link).next;
        }
    }
    false
}

#[cfg(any(feature = "pg14", feature = "pg15"))]
type Head = pg_sys::SHM_QUEUE;
#[cfg(any(feature = "pg14", feature = "pg15"))]
type Link = pg_sys::SHM_QUEUE;

#[cfg(not(any(feature = "pg14", feature = "pg15")))]
type Head = pg_sys::dlist_head;
#[cfg(not(any(feature = "pg14", feature = "pg15")))]
type Link = pg_sys::dlist_node;

/// The link of a list's head, which is all there is of it in every version.
fn link(head: *const Head) -> *const Link {
    head.cast()
}

/// SAFETY: `lock` is one of this process's entries in the lock table.
unsafe fn is_advisory(lock: *const pg_sys::PROCLOCK) -> bool {
    // SAFETY: an entry points to its lock for as long as it exists.
    let kind = unsafe { (*(*lock).tag.myLock).tag.locktag_type };
    u32::from(kind) == pg_sys::LockTagType::LOCKTAG_ADVISORY
}
