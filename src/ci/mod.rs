//! What continuous integration reads of a run: a result for each step, as JUnit's XML, as a Markdown summary, and as
//! the annotations of GitHub's workflows. No I/O.

mod annotation;
mod gathered;
mod junit;
mod summary;

pub use annotation::{Level, Place, annotation};
pub use gathered::{Account, Gathered, Mark, Planned, StepResult, Trouble};
pub use junit::junit;
pub use summary::{Costs, summary};
