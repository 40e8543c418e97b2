//! Memory given back after compiling. Enters: nothing; leaves: free pages, to the system. Compiling takes tens of MiB for a
//! moment on threads that then have nothing to do, and mimalloc returns what a thread freed when that thread asks.

/// On this thread and on those that compile.
pub(crate) fn give_back() {
    collect();
    rayon::broadcast(|_| collect());
}

fn collect() {
    // SAFETY: it takes no pointer and may be called on any thread at any time, whichever allocator the program has.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
