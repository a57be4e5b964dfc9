//! `opsml lsp`: the language server, on standard input and output.

use std::io::BufReader;
use std::path::Path;

use super::output;
use super::session;
use super::stop::Verdict;
use crate::cli::Target;
use crate::exit;
use crate::lsp::{self, Host};

pub fn run(target: &Target) -> Verdict {
    let (one, other) = (target.clone(), target.clone());
    let mut options = Vec::new();
    if target.target != "local" {
        options.extend(["--target".to_owned(), target.target.clone()]);
        options.extend(target.profile.iter().flat_map(|profile| ["--profile".to_owned(), profile.clone()]));
    }
    options.extend(target.region.iter().flat_map(|region| ["--region".to_owned(), region.clone()]));
    let host = Host {
        most: session::MAX_RUNBOOK as usize,
        check: |source| {
            let checked = session::check_text(source);
            (checked.runbook, checked.diagnostics)
        },
        written: Box::new(move |file: &Path| session::newest(file, &one)?.0),
        journal: Box::new(move |file: &Path| {
            session::read(file, &other).ok()?.map(|journal| journal.state().clone())
        }),
        program: std::env::args().next().unwrap_or_else(|| "opsml".to_owned()),
        options,
    };
    let ended = lsp::serve(BufReader::new(std::io::stdin()), &mut output::stream(), host)?;
    Ok(if ended { exit::DONE } else { exit::STEP_FAILED })
}
