//! Events as they are read: many at once, on all processors where they are many.

use opsml_contract::worded;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::event::{Event, Record};
use super::head::Head;
use crate::secret::{Masker, may_hold_secret};

/// How many events one processor reads before another takes some over. They are searched for secrets together: nearly all hold
/// none, and to begin a search costs more than to search one.
const AT_ONCE: usize = 256;
/// The most events and bytes of a batch.
const MOST: usize = 16 * AT_ONCE;
const MOST_BYTES: usize = 4 << 20;

/// Why an event can't be read, with its number.
pub(super) type Wrong = (u64, String);

/// Events that follow one another in the file.
#[derive(Default)]
pub(super) struct Batch {
    masker: Masker,
    /// The event before the first one.
    previous: Head,
    rows: Vec<Row>,
    /// The text of each event, one after the other.
    texts: String,
}

struct Row {
    at: i64,
    /// The end of its text.
    end: usize,
    hash: Vec<u8>,
}

/// An event as it was read, and whether it may hold a secret that an older opsml did not know for one.
type Read = Result<(Event, bool), String>;

impl Batch {
    pub fn after(head: &Head) -> Self {
        Self { masker: Masker::keyed(&head.stack), previous: head.clone(), ..Self::default() }
    }

    /// The number of the event that follows.
    pub fn next(&self) -> u64 {
        self.previous.seq + 1 + self.rows.len() as u64
    }

    pub fn push(&mut self, at: i64, body: &str, hash: &[u8]) {
        self.texts.push_str(body);
        self.rows.push(Row { at, end: self.texts.len(), hash: hash.to_vec() });
        // No secret goes on from one event into the next.
        self.texts.push('\n');
    }

    pub fn is_full(&self) -> bool {
        self.rows.len() == MOST || self.texts.len() > MOST_BYTES
    }

    /// Verifies the events, masks what must not be shown, visits them in order, and begins a new batch.
    pub fn hand_on(
        &mut self,
        visit: &mut impl FnMut(Record, &[u8]) -> Result<(), String>,
    ) -> Result<(), Wrong> {
        let firsts: Vec<usize> = (0..self.rows.len()).step_by(AT_ONCE).collect();
        let read: Vec<Vec<Read>> = match firsts.len() {
            0 | 1 => firsts.into_iter().map(|first| self.read(first)).collect(),
            _ => firsts.into_par_iter().map(|first| self.read(first)).collect(),
        };
        self.texts.clear();
        for (row, read) in self.rows.drain(..).zip(read.into_iter().flatten()) {
            let seq = self.previous.seq + 1;
            let (mut event, may_hold_secret) = read.map_err(|why| (seq, why))?;
            if let Event::Opened { stack, .. } = &event {
                self.masker = Masker::keyed(stack);
            }
            if may_hold_secret {
                event.mask(&self.masker);
            }
            visit(Record { seq, at: row.at, event }, &row.hash).map_err(|why| (seq, why))?;
            (self.previous.seq, self.previous.hash) = (seq, row.hash);
        }
        Ok(())
    }

    /// Reads the events from one on, [`AT_ONCE`] at most.
    fn read(&self, first: usize) -> Vec<Read> {
        let last = (first + AT_ONCE).min(self.rows.len());
        let start = |index: usize| index.checked_sub(1).map_or(0, |before| self.rows[before].end + 1);
        let closely = may_hold_secret(&self.texts[start(first)..start(last)]);
        let read = |index: usize| {
            let row = &self.rows[index];
            let body = &self.texts[start(index)..row.end];
            let previous = index.checked_sub(1).map_or(&self.previous.hash, |before| &self.rows[before].hash);
            if row.hash != chain(previous, row.at, body) {
                return Err("its hash does not match its content".to_owned());
            }
            let event = serde_json::from_str(body).map_err(|error| worded(&error))?;
            Ok((event, closely && may_hold_secret(body)))
        };
        (first..last).map(read).collect()
    }
}

/// Returns the hash of an event, over the hash of the event before it.
pub(super) fn chain(previous: &[u8], at: i64, body: &str) -> [u8; 32] {
    Sha256::new().chain_update(previous).chain_update(at.to_le_bytes()).chain_update(body).finalize().into()
}
