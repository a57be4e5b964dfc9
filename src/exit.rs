//! Exit codes: part of the interface, so a code never changes its meaning.

/// Done, or nothing to do.
pub const DONE: u8 = 0;
/// A step failed.
pub const STEP_FAILED: u8 = 1;
/// A mistake in the command line or the runbook.
pub const USAGE: u8 = 2;
/// Interrupted, or paused for want of credentials; run again to go on.
pub const INTERRUPTED: u8 = 3;
/// An expectation did not hold.
pub const EXPECTATION: u8 = 4;
/// Teardown left something.
pub const LEFT_OVER: u8 = 5;
/// Over budget, or declined when asked.
pub const DECLINED: u8 = 6;
/// Another run holds the runbook.
pub const LOCKED: u8 = 7;
/// A bug in opsml.
pub const BUG: u8 = 70;
/// A second Ctrl-C: stopped at once.
pub const KILLED: u8 = 130;
