//! `opsml cloud aws`: the AWS CLI of the local cloud's instances. It has `s3 cp` and `s3 sync`, and refuses every other
//! command.

use super::runtime;
use super::stop::{Stop, Verdict};
use crate::action::{Place, copy, copy_all, s3_client};
use crate::exit;

/// Options that change the output. This CLI prints nothing.
const QUIET: [&str; 3] = ["--only-show-errors", "--quiet", "--no-progress"];

pub fn run(arguments: &[String]) -> Verdict {
    let mut recursive = false;
    let mut region = None;
    let mut words = Vec::new();
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--recursive" => recursive = true,
            "--region" => region = rest.next().cloned(),
            quiet if QUIET.contains(&quiet) => {}
            option if option.starts_with("--") => return Err(unknown(option)),
            word => words.push(word),
        }
    }
    let (sync, from, to) = match words[..] {
        ["s3", "cp", from, to] => (false, Place::read(from)?, Place::read(to)?),
        ["s3", "sync", from, to] => (true, Place::read(from)?, Place::read(to)?),
        _ => return Err(unknown(&words.join(" "))),
    };
    runtime::block_on(async {
        let s3 = s3_client(region).await;
        match sync || recursive {
            true => copy_all(&s3, &from, &to, sync).await?,
            false => copy(&s3, &from, &to).await?,
        }
        Ok(exit::DONE)
    })
}

fn unknown(what: &str) -> Stop {
    Stop::usage(format!("aws: the local cloud's instances have no `{what}`"))
        .hint("they know `aws s3 cp` and `aws s3 sync`, with --recursive, --region and --only-show-errors")
}
