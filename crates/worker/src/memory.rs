//! What a training step frees stays with the process, for the next step.
//!
//! By default, glibc gives large blocks back to the kernel as they are freed. Each step would then get the same memory again,
//! page by page, each of which the kernel fills with zeros.

/// Keeps what the main thread frees. With another C library than glibc, nothing changes.
pub fn keep() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes numbers, and may be called by any thread.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
    }
}
