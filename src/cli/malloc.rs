//! The allocator of a process that runs for hours.

/// One arena for all threads (mallopt(3), `M_ARENA_MAX`). With glibc's default
/// the threads that live for one question to a guest each leave free memory in
/// an arena that the others do not take from, and the process grows with every
/// trial.
#[allow(unsafe_code)]
pub(super) fn one_arena() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it sets one number of the allocator under the allocator's own lock.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
