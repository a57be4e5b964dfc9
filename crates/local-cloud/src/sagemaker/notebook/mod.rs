//! Notebook instances: only the control plane, with their settings and states. There is no Jupyter: a notebook
//! instance's URL leads nowhere, and there are no presigned URLs.

mod operations;
mod record;
mod steps;

pub use operations::{create, delete, describe, list, on_notebook, start, stop, update};
pub use record::{PATH, STORE};
pub use steps::recover;
