//! The agent's own memory. Enters: nothing; leaves: free pages, to the system, and in builds that count it, how much is in use.

#[cfg(feature = "count-memory")]
pub use counting::Counting;

/// Gives back what compiling took, on this thread and on those that compile: it takes tens of MiB for a moment on threads that
/// then have nothing to do, and mimalloc returns what a thread freed when that thread asks.
pub(crate) fn give_back() {
    collect();
    rayon::broadcast(|_| collect());
}

fn collect() {
    // SAFETY: it takes no pointer and may be called on any thread at any time, whichever allocator the program has.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

/// Bytes that were asked of the allocator and not given back. None: this build does not count them.
pub(crate) fn allocated() -> Option<u64> {
    #[cfg(feature = "count-memory")]
    return Some(counting::allocated());
    #[cfg(not(feature = "count-memory"))]
    None
}

#[cfg(feature = "count-memory")]
mod counting {
    use std::{
        alloc::{GlobalAlloc, Layout},
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use mimalloc::MiMalloc;

    /// mimalloc, counted: a counter that all threads share is too slow for other builds.
    pub struct Counting;

    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    static FREED: AtomicUsize = AtomicUsize::new(0);

    pub(super) fn allocated() -> u64 {
        // in this order, so that what is freed meanwhile was taken before
        let freed = FREED.load(Relaxed);
        TAKEN.load(Relaxed).wrapping_sub(freed) as u64
    }

    // SAFETY: everything is mimalloc's, which keeps the contract.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            TAKEN.fetch_add(layout.size(), Relaxed);
            // SAFETY: the caller's.
            unsafe { MiMalloc.alloc(layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            TAKEN.fetch_add(layout.size(), Relaxed);
            // SAFETY: the caller's.
            unsafe { MiMalloc.alloc_zeroed(layout) }
        }

        unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
            FREED.fetch_add(layout.size(), Relaxed);
            // SAFETY: the caller's.
            unsafe { MiMalloc.dealloc(place, layout) }
        }

        unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            TAKEN.fetch_add(size, Relaxed);
            FREED.fetch_add(layout.size(), Relaxed);
            // SAFETY: the caller's.
            unsafe { MiMalloc.realloc(place, layout, size) }
        }
    }
}
