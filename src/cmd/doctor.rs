//! `opsml doctor`: what is missing on this machine.

use std::process::{Command, Stdio};

use serde_json::json;

use super::cloud;
use super::output;
use super::stop::Verdict;
use crate::cli::{Doctor, Format};
use crate::exit;

struct Finding {
    what: &'static str,
    /// What was found, or the problem.
    found: Result<String, String>,
    way_out: &'static str,
}

pub fn run(arguments: &Doctor) -> Verdict {
    let findings = [worker(), local_cloud(), python()];
    let healthy = findings.iter().all(|finding| finding.found.is_ok());
    match arguments.format {
        Format::Json => {
            let shown: Vec<_> = findings
                .iter()
                .map(|one| match &one.found {
                    Ok(found) => json!({"what": one.what, "ok": true, "found": found}),
                    Err(wrong) => {
                        json!({"what": one.what, "ok": false, "found": wrong, "way_out": one.way_out})
                    }
                })
                .collect();
            output::json(&json!(shown));
        }
        Format::Text => {
            for one in &findings {
                match &one.found {
                    Ok(found) => output::say(format_args!("✓ {}: {found}", one.what)),
                    Err(wrong) => {
                        output::say(format_args!("✗ {}: {wrong}\n  hint: {}", one.what, one.way_out))
                    }
                }
            }
        }
    }
    Ok(if healthy { exit::DONE } else { exit::USAGE })
}

/// Starts the worker, which fails without its libtorch.
fn worker() -> Finding {
    let found = match cloud::worker() {
        None => Err("opsml-worker is not beside opsml".to_owned()),
        Some(path) => match Command::new(&path).arg("--version").stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => {
                Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
            }
            Ok(output) => {
                Err(format!("{}: {}", path.display(), String::from_utf8_lossy(&output.stderr).trim()))
            }
            Err(error) => Err(format!("{}: {error}", path.display())),
        },
    };
    Finding {
        what: "worker and libtorch",
        found,
        way_out: "`make build` fetches libtorch and builds it; LIBTORCH names another libtorch",
    }
}

fn local_cloud() -> Finding {
    let found = match cloud::prepared_folder() {
        Ok(folder) => Ok(format!("state in {}", folder.display())),
        Err(stop) => Err(stop.message().to_owned()),
    };
    Finding { what: "local cloud", found, way_out: "set OPSML_CLOUD_DIR to a folder that can be written" }
}

fn python() -> Finding {
    let found = match Command::new("python3").arg("--version").stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    };
    Finding { what: "python3 (to fetch libtorch)", found, way_out: "apt-get install python3 python3-pip" }
}
