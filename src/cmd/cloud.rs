//! `opsml cloud`: the local cloud on its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use local_cloud::Settings;
use local_cloud::lifecycle::{self, Running};
use opsml_contract::HANDLER;
use serde_json::json;

use super::aws_cli;
use super::help;
use super::output;
use super::stop::{Stop, Verdict};
use crate::cli::{Cloud, Format};
use crate::exit;

pub fn run(arguments: &Cloud) -> Verdict {
    match arguments {
        Cloud::Start { port } => {
            let running = start_at(*port)?;
            output::say(format_args!(
                "local cloud at {} (process {})",
                running.record.endpoint(),
                running.record.pid
            ));
            for missing in lifecycle::missing() {
                output::complain(format_args!("warning: {missing}"));
            }
        }
        Cloud::Stop => match lifecycle::stop(&folder()?).map_err(stopped)? {
            true => output::say(format_args!("stopped; its state stays in {}", folder()?.display())),
            false => output::say("the local cloud was not running"),
        },
        Cloud::Status { format } => status(*format)?,
        Cloud::Env => env()?,
        Cloud::Help { words } => {
            let words: Vec<&str> = std::iter::once("cloud").chain(words.iter().map(String::as_str)).collect();
            return help::of_verb(&words);
        }
        Cloud::Serve { dir, port, speedup, region } => {
            let mut settings = Settings::new(dir);
            settings.port = *port;
            settings.worker = worker();
            settings.tools = Some(std::env::current_exe()?);
            settings.detached = true;
            settings.speedup = *speedup;
            settings.region.clone_from(region);
            lifecycle::serve(settings).map_err(stopped)?;
        }
        Cloud::Aws { arguments } => return aws_cli::run(arguments),
    }
    Ok(exit::DONE)
}

/// Prints what makes a shell's programs clients of the local cloud. Those that build the URL of a host of AWS themselves
/// reach it by their proxy.
fn env() -> Result<(), Stop> {
    let running = start()?;
    let folder = folder()?;
    let endpoint = running.record.endpoint();
    if let Ok(proxy) = std::env::var("HTTPS_PROXY")
        && !proxy.is_empty()
        && !proxy.starts_with("http://127.0.0.1:")
    {
        output::complain(format_args!(
            "warning: HTTPS_PROXY was {proxy}: from now on, other hosts than AWS's are reached without it"
        ));
    }
    let before = trusted_before(&folder);
    let trusted = lifecycle::trusted(&folder, before.as_deref()).map_err(stopped)?;
    // The keys are what is asked for, so they are not masked.
    output::as_it_is(format_args!("export AWS_ENDPOINT_URL={endpoint}"));
    output::as_it_is(format_args!("export AWS_ACCESS_KEY_ID={}", running.keys.access_key_id));
    output::as_it_is(format_args!("export AWS_SECRET_ACCESS_KEY={}", running.keys.secret_access_key));
    output::as_it_is(format_args!(
        "export AWS_REGION={0}\nexport AWS_DEFAULT_REGION={0}",
        running.record.region
    ));
    output::as_it_is(format_args!("export HTTPS_PROXY={endpoint}"));
    for variable in TRUST {
        output::as_it_is(format_args!("export {variable}={}", output::quoted(&trusted.to_string_lossy())));
    }
    Ok(())
}

/// The variables by which boto3 and the AWS CLI, requests, OpenSSL and curl learn whom to trust.
const TRUST: [&str; 4] = ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"];

/// Returns the file of the authorities that the shell's programs trust: the one that a variable names, unless that is ours
/// already, or the system's.
fn trusted_before(folder: &Path) -> Option<PathBuf> {
    let named = TRUST.iter().filter_map(std::env::var_os).map(PathBuf::from);
    // Debian, Fedora, Alpine and macOS.
    let known =
        ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
    named.filter(|path| !path.starts_with(folder)).chain(known.map(PathBuf::from)).find(|path| path.is_file())
}

/// Returns the running local cloud, and starts it first if necessary.
pub fn start() -> Result<Running, Stop> {
    start_at(None)
}

fn start_at(port: Option<u16>) -> Result<Running, Stop> {
    let folder = folder()?;
    let program = std::env::current_exe()?;
    let mut command = Command::new(program);
    command.args(["cloud", "serve", "--dir"]).arg(&folder);
    if let Some(port) = port {
        command.args(["--port", &port.to_string()]);
    }
    let running = lifecycle::start(&folder, port, command).map_err(stopped)?;
    if let Some(kept) = running.kept_port.filter(|kept| *kept != running.record.port) {
        output::complain(format_args!(
            "warning: another program has port {kept}, which the local cloud keeps: until its next start, it listens at port {}",
            running.record.port
        ));
    }
    Ok(running)
}

/// Returns the state folder, which is created if it is missing.
pub fn prepared_folder() -> Result<PathBuf, Stop> {
    let folder = folder()?;
    lifecycle::prepare(&folder).map_err(stopped)?;
    Ok(folder)
}

fn status(format: Format) -> Result<(), Stop> {
    let folder = folder()?;
    let running = lifecycle::find(&folder).map_err(stopped)?;
    let kept = lifecycle::kept_port(&folder).map_err(stopped)?;
    match (format, running) {
        (Format::Json, running) => {
            let record = running.map(|running| {
                let record = running.record;
                json!({
                    "endpoint": record.endpoint(), "port": record.port, "pid": record.pid, "region": record.region,
                })
            });
            let missing = lifecycle::missing();
            output::json(
                &json!({"folder": folder, "kept_port": kept, "running": record, "missing": missing}),
            );
        }
        (Format::Text, Some(running)) => {
            output::say(format_args!(
                "running at {} (process {})",
                running.record.endpoint(),
                running.record.pid
            ));
            let port = running.record.port;
            match kept {
                Some(kept) if kept == port => {
                    output::say(format_args!("port {port}, which it keeps when it is started again"))
                }
                Some(kept) => {
                    output::say(format_args!(
                        "port {port} until its next start: another program had port {kept}, which it keeps"
                    ));
                }
                None => output::say(format_args!("port {port}, which it does not keep")),
            }
            output::say(format_args!("state in {}", folder.display()));
            let missing = lifecycle::missing();
            if missing.is_empty() {
                output::say("functions, training jobs and endpoints run in namespaces of their own");
            }
            for missing in missing {
                output::say(missing);
            }
        }
        (Format::Text, None) => {
            output::say(format_args!("not running; state in {}", folder.display()));
            if let Some(kept) = kept {
                output::say(format_args!("port {kept}, which it keeps when it is started again"));
            }
        }
    }
    Ok(())
}

/// Returns the state folder: `OPSML_CLOUD_DIR`, or a folder in the user's state directory.
pub fn folder() -> Result<PathBuf, Stop> {
    if let Some(folder) = std::env::var_os("OPSML_CLOUD_DIR").filter(|folder| !folder.is_empty()) {
        // The server changes its working directory.
        return Ok(std::path::absolute(folder)?);
    }
    let state = std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    state.or_else(home).map(|state| state.join("opsml/cloud")).ok_or_else(|| {
        Stop::usage("HOME is not set, so there is no folder for the local cloud's state")
            .hint("set OPSML_CLOUD_DIR to a folder")
    })
}

/// The environment variable with the worker's path.
const WORKER_ENV: &str = "OPSML_WORKER";

/// Returns the worker: `OPSML_WORKER`, or the one beside this program.
pub fn worker() -> Option<PathBuf> {
    program(WORKER_ENV, "opsml-worker")
}

/// Returns the Lambda handler: `OPSML_HANDLER`, or the one beside this program.
pub fn handler() -> Option<PathBuf> {
    program("OPSML_HANDLER", HANDLER)
}

/// Returns the program that an environment variable names, or else the one beside this program.
fn program(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Some(PathBuf::from(path));
    }
    let beside = std::env::current_exe().ok()?.with_file_name(name);
    beside.is_file().then_some(beside)
}

fn stopped(error: lifecycle::Error) -> Stop {
    let stop = Stop::new(exit::STEP_FAILED, format!("the local cloud: {error}"));
    match error.way_out() {
        Some(way_out) => stop.hint(way_out),
        None => stop,
    }
}
