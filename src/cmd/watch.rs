//! `opsml watch`: the write-up as a page on the loopback interface, which fills itself while a run goes on.
//!
//! The page is rendered from the journal's file by the same template as the report, so it shows what another process does, too.
//! Its address has a random part, since every user of this machine can reach the loopback interface.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::{Stream, StreamExt, stream};
use opsml_contract::names_loopback;
use rand::RngExt;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::stop::{Stop, Verdict};
use super::{interrupt, output, report, runtime, session};
use crate::cli::{Target, Watch, WriteUp};
use crate::exit;
use crate::journal::{State, StepStatus};
use crate::runbook::Runbook;
use crate::written::duration;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_millis(250);

/// What is watched: a runbook, and its journal on a target.
#[derive(Clone, Debug)]
pub struct Watched {
    pub file: PathBuf,
    pub target: Target,
    pub output: WriteUp,
}

/// When each file changed last. Another one of any of them is another version of the page.
type Version = Vec<(PathBuf, Option<SystemTime>)>;

#[derive(Clone)]
struct Page {
    watched: Arc<Watched>,
    versions: watch::Receiver<Version>,
}

pub fn run(arguments: &Watch) -> Verdict {
    // A runbook that can't be read is said at once.
    session::read_source(&arguments.file)?;
    let watched = Watched {
        file: arguments.file.clone(),
        target: arguments.target.clone(),
        output: arguments.output.clone(),
    };
    runtime::block_on(async {
        let mut interrupted = interrupt::watch();
        let address = serve(watched).await?;
        output::say(format_args!("watch: {address}"));
        if arguments.open {
            report::open(address.as_ref())?;
        }
        let _ = interrupted.wait_for(|is_set| *is_set).await;
        Ok(exit::DONE)
    })
}

/// Starts the server and returns the page's address. It serves as long as the runtime lives.
pub async fn serve(watched: Watched) -> Result<String, Stop> {
    let failed =
        |error: std::io::Error| Stop::new(exit::STEP_FAILED, format!("can't serve the page: {error}"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    let secret = format!("{:032x}", rand::rng().random::<u128>());
    let watched = Arc::new(watched);
    let (sender, versions) = watch::channel(version(&watched));
    let looked = watched.clone();
    tokio::spawn(async move {
        while !sender.is_closed() {
            tokio::time::sleep(INTERVAL).await;
            let (looked, now) = (looked.clone(), sender.borrow().clone());
            let next = tokio::task::spawn_blocking(move || version(&looked)).await.unwrap_or(now);
            sender.send_if_modified(|known| std::mem::replace(known, next.clone()) != next);
        }
    });
    let at = |page: &str| format!("/{secret}/{page}");
    let router = Router::new()
        .route(
            &at(""),
            get(|| async { typed("text/html; charset=utf-8", include_str!("../../templates/watch.html")) }),
        )
        .route(
            &at("watch.js"),
            get(|| async {
                typed("text/javascript; charset=utf-8", include_str!("../../templates/watch.js"))
            }),
        )
        .route(&at("report"), get(write_up))
        .route(&at("events"), get(events))
        .layer(middleware::from_fn(refuse_strangers))
        .with_state(Page { watched, versions });
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(format!("http://127.0.0.1:{port}/{secret}/"))
}

/// Refuses requests that name another server, and tells browsers that no other page may use this one.
async fn refuse_strangers(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(header::HOST).iter().map(HeaderValue::as_bytes);
    if !names_loopback(hosts, request.uri().authority().map(|named| named.as_str())) {
        return (StatusCode::FORBIDDEN, "the Host header must name the loopback interface").into_response();
    }
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'self'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn typed(content_type: &'static str, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

async fn write_up(Shared(page): Shared<Page>) -> Response {
    let rendered = tokio::task::spawn_blocking(move || {
        let (runbook, state) = read(&page.watched)?;
        report::page(&runbook, &state, &page.watched.output)
    });
    match rendered.await {
        Ok(Ok(html)) => typed("text/html; charset=utf-8", html),
        Ok(Err(stop)) => (StatusCode::SERVICE_UNAVAILABLE, stop.message().to_owned()).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the write-up can't be rendered").into_response(),
    }
}

/// Says what the run does, once a second, and `changed` when the write-up is another one.
async fn events(Shared(page): Shared<Page>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let watched = page.watched.clone();
    let changed = stream::unfold((page.versions, true), |(mut versions, is_first)| async move {
        if !is_first {
            versions.changed().await.ok()?;
        }
        versions.mark_unchanged();
        Some((Event::default().event("changed").data("the write-up"), (versions, false)))
    });
    let ticks = stream::unfold((watched, true), |(watched, is_first)| async move {
        if !is_first {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let read = watched.clone();
        let said = tokio::task::spawn_blocking(move || said(&read)).await.unwrap_or_default();
        Some((Event::default().event("state").data(json!(said).to_string()), (watched, false)))
    });
    Sse::new(stream::select(changed, ticks).map(Ok)).keep_alive(KeepAlive::default())
}

fn read(watched: &Watched) -> Result<(Runbook, State), Stop> {
    let (runbook, _) = session::parsed(&watched.file)?;
    let journal = session::read(&watched.file, &watched.target)?;
    let state = session::state_as_moved(&runbook, journal.as_ref())?.into_owned();
    Ok((runbook, state))
}

/// Returns what the run does now, in one line.
fn said(watched: &Watched) -> String {
    let state = match read(watched) {
        Ok((_, state)) => state,
        Err(stop) => return stop.message().to_owned(),
    };
    let Some(run) = state.runs.last() else { return "no run yet".to_owned() };
    let Some(outcome) = run.outcome else {
        let now = jiff::Timestamp::now().as_millisecond();
        let running = state.steps.iter().filter(|(_, row)| row.status == StepStatus::Running);
        let running: Vec<String> =
            running.map(|(id, row)| format!("{id} for {}", duration(now - row.started))).collect();
        return format!("run {} goes on: {}", run.run, running.join(", "));
    };
    let why = run.cause.as_ref().map(|cause| format!(" at `{}`", cause.step)).unwrap_or_default();
    format!("run {}: {}{why}", run.run, outcome.word())
}

fn version(watched: &Watched) -> Version {
    let folder = session::state_folder(&watched.file);
    let journals = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut files: Vec<PathBuf> = journals
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "head"))
        .collect();
    files.push(watched.file.clone());
    files.sort();
    files
        .into_iter()
        .map(|path| (path.clone(), path.metadata().and_then(|data| data.modified()).ok()))
        .collect()
}
