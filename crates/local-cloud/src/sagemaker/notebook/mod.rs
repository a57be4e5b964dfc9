//! Notebook instances, as far as the control plane goes: their settings, and the states that they pass through. Nothing
//! here is Jupyter: the URL that AWS would give leads nowhere, and there are no presigned ones.

mod operations;
mod record;
mod steps;

pub use operations::{create, delete, describe, list, on_notebook, start, stop, update};
pub use record::{PATH, STORE};
pub use steps::recover;
