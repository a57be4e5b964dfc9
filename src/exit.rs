//! Exit codes. They are part of the interface: a code never changes its meaning.

/// The verb has done what it was asked, or there was nothing to do.
pub const DONE: u8 = 0;
/// A step failed.
pub const STEP_FAILED: u8 = 1;
/// A mistake in the command line or the runbook.
pub const USAGE: u8 = 2;
/// Interrupted, or paused because the credentials are missing or expired. The next run continues.
pub const INTERRUPTED: u8 = 3;
/// An expectation did not hold.
pub const EXPECTATION: u8 = 4;
/// `down` could not delete every resource.
pub const LEFT_OVER: u8 = 5;
/// The price is over the budget, or the user declined it.
pub const DECLINED: u8 = 6;
/// Another run holds the runbook.
pub const LOCKED: u8 = 7;
/// A bug in opsml.
pub const BUG: u8 = 70;
/// A second Ctrl-C.
pub const KILLED: u8 = 130;
