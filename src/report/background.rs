//! What a write-up shows and neither the runbook nor the journal knows: who renders it, hands it in.

use crate::journal::ResourceId;

/// What is not in the runbook and its journal.
#[derive(Clone, Debug, Default)]
pub struct Background {
    /// What is alive, by the journal.
    pub alive: Vec<Alive>,
    /// US dollars on AWS by step, in the order of the runbook, at the end of the run that filled the write-up.
    pub spent: Vec<(String, f64)>,
    /// US dollars an hour on AWS for what was alive then.
    pub hourly: f64,
    /// The SHA-256 of the runbook's text, in hex.
    pub digest: String,
    /// The commit of the runbook, if it lies in a git repository: `1a91f2e`, or `1a91f2e, with changes`.
    pub commit: Option<String>,
}

/// A resource that is alive, and what it costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Alive {
    pub id: ResourceId,
    pub step: String,
    /// Milliseconds since 1970.
    pub since: i64,
    /// US dollars an hour from now on, if it bills by the hour and its price is known.
    pub hourly: Option<f64>,
}
