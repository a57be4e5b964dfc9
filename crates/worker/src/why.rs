//! The text of a C++ exception, as the C functions of this crate write it.

use std::ffi::{CStr, c_char};

/// A buffer for the text.
pub struct Why(pub [c_char; 1024]);

impl Why {
    pub fn new() -> Self {
        Self([0; 1024])
    }

    /// Returns the first line, without what only libtorch's developers need: `[file:line]` and the request to report a bug.
    pub fn text(&self) -> String {
        // SAFETY: the array is initialised with zeros, and C++ terminates the text with one.
        let text = unsafe { CStr::from_ptr(self.0.as_ptr()) }.to_string_lossy();
        let line = text.lines().next().unwrap_or("no reason was given");
        let line =
            line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(line, |(_, rest)| rest);
        line.split(". This is typically").next().unwrap_or(line).to_owned()
    }
}
