//! What the RAM store needs from the process's allocator.

/// Gives whole pages of freed memory back to the system, from wherever in the heap they are.
///
/// glibc by itself gives back what is at a heap's end only; the holes that objects of mixed sizes
/// leave would make up two fifths more than the objects. Takes milliseconds for each 100 MB
/// given back, and allocations wait for it meanwhile. Elsewhere than on glibc, nothing is done.
#[allow(unsafe_code)]
pub fn give_back_free_pages() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes the heaps' locks itself, touches free memory only, and may be
    // called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
