//! What a training step frees stays with the process, in large pages, for the next step.
//!
//! By default, glibc gives large blocks back to the kernel as they are freed. Each step would then get the same memory anew,
//! four kilobytes at a time, each zeroed: a fifth of the time of a small job.

/// How much of the memory is in large pages, in bytes, if the machine has it. Only what is used is taken.
const LARGE: usize = 4 << 30;
/// The size of a large page.
const PAGE: usize = 2 << 20;

/// Keeps what the main thread frees. Where the kernel or another C library than glibc doesn't do so, nothing changes.
pub fn keep() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes numbers. The block is of `LARGE` bytes, the advice is for whole pages inside it and changes no
    // content, and the block is freed once.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
        let block = libc::malloc(LARGE);
        if block.is_null() {
            return;
        }
        let before_page = block.align_offset(PAGE);
        if before_page < PAGE {
            libc::madvise(block.add(before_page), LARGE - PAGE, libc::MADV_HUGEPAGE);
        }
        libc::free(block);
    }
}
