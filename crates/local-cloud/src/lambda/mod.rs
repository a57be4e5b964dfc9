//! Lambda: functions that run, by the real Runtime API.
//!
//! [`functions`] keeps them, [`versions`] and [`aliases`] what is published of them, [`permissions`] who may invoke
//! them. [`invoke`] answers Invoke: [`pool`] admits it within the [`concurrency`] there is, and lends it an
//! [`environment`], a process that [`runtime`] starts, [`memory`] watches, and that gets its event by the [`api`]; its
//! output goes to the [`log`]. [`provisioned`] starts environments ahead of requests.
//!
//! What AWS limits and the local cloud does not: the share of CPU that comes with memory, and the size of `/tmp`.
//! Asynchronous invocations that are still to be repeated end with the server.

mod aliases;
mod api;
mod code;
mod concurrency;
mod environment;
mod fault;
mod functions;
mod invoke;
mod log;
mod memory;
mod model;
mod permissions;
mod pool;
mod provisioned;
mod runtime;
mod settings;
mod tags;
mod versions;
mod vpc;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use serde_json::{Value, json};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use crate::call::{AwsError, Call, Caller, Reply};
use crate::cloud::Cloud;
use crate::iam::Context;
use crate::protocol::restjson::{Routes, add_body, encode_error};
use crate::shapes::Shapes;
pub use code::MAX_REQUEST;
pub use concurrency::{Quota, set_quota};
use model::{FUNCTION, Function, Target};

/// Whom a role has to trust.
const SERVICE: &str = "lambda.amazonaws.com";
const NOT_ASSUMABLE: &str = "The role defined for the function cannot be assumed by Lambda.";
/// Initialisations at once, on demand and ahead: more only slow each other down.
const STARTS: usize = 8;
const PROVISIONS: usize = 4;

/// What runs now.
pub struct Running {
    pools: Mutex<HashMap<String, pool::Pool>>,
    watched: memory::Watched,
    starts: Semaphore,
    provisions: Semaphore,
    /// The version of the machine's Python. None: it has none.
    python: OnceCell<Option<String>>,
    /// The port of [`vpc::nowhere`].
    nowhere: OnceCell<u16>,
    stopping: AtomicBool,
}

impl Default for Running {
    fn default() -> Self {
        Self {
            pools: Mutex::default(),
            watched: memory::Watched::default(),
            starts: Semaphore::new(STARTS),
            provisions: Semaphore::new(PROVISIONS),
            python: OnceCell::new(),
            nowhere: OnceCell::new(),
            stopping: AtomicBool::new(false),
        }
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("watched", &self.watched).finish_non_exhaustive()
    }
}

const SHAPES: &str = include_str!("shapes.json");
static ROUTES: LazyLock<Routes> =
    LazyLock::new(|| serde_json::from_str(SHAPES).expect("the file is part of the build and tested"));
static MODEL: LazyLock<Shapes> = LazyLock::new(|| Shapes::read(SHAPES));

/// One operation on its way through.
struct Request<'a> {
    cloud: &'a Arc<Cloud>,
    call: &'a Call,
}

impl Request<'_> {
    fn text(&self, member: &str) -> &str {
        self.call.input[member].as_str().unwrap_or_default()
    }

    /// `lambda:OPERATION` on one resource, with the request's tags as context.
    fn authorize(&self, resource: &str) -> Result<(), AwsError> {
        let mut context = Context::new();
        if let Some(tags) = self.call.input["Tags"].as_object() {
            for (key, value) in tags {
                context = context.with(&format!("aws:RequestTag/{key}"), value.as_str().unwrap_or_default());
            }
            context = context.with_list("aws:TagKeys", tags.keys().cloned());
        }
        let action = format!("lambda:{}", self.call.operation);
        self.cloud.authorize(&self.call.caller, &action, resource, &context)
    }

    /// The function that the call names, once the caller is allowed to do this to it.
    fn target(&self) -> Result<Target, AwsError> {
        let target = Target::read(self.cloud, &self.call.input)?;
        self.authorize(&target.function_arn(self.cloud))?;
        Ok(target)
    }

    /// A page of what is listed; the marker is the number of entries told so far.
    fn page(&self, member: &str, items: Vec<Value>) -> Reply {
        let input = &self.call.input;
        let start = match input["Marker"].as_str() {
            None => 0,
            Some(marker) => {
                marker.parse::<usize>().map_err(|_| model::invalid("The marker is not valid."))?
            }
        };
        let max = input["MaxItems"].as_u64().map_or(50, |max| usize::try_from(max).unwrap_or(50).min(50));
        let next = start.saturating_add(max);
        let more = next < items.len();
        let mut answer = json!({member: items.into_iter().skip(start).take(max).collect::<Vec<_>>()});
        if more {
            answer["NextMarker"] = json!(next.to_string());
        }
        Ok(answer)
    }
}

/// Answers one request, whose signature held.
pub async fn answer(
    cloud: &Arc<Cloud>,
    caller: Caller,
    request: &Parts,
    body: Bytes,
    request_id: String,
) -> Response<Bytes> {
    let refuse = |error: &AwsError| encode_error(error, &json!({}), &request_id);
    let (operation, mut input) = match ROUTES.find(request) {
        Ok(found) => found,
        Err(_) => return refuse(&AwsError::unsupported("Lambda", request.uri.path())),
    };
    let read = match operation.as_str() {
        // Its body is the event.
        "Invoke" => Ok(()),
        _ => add_body(&mut input, &body),
    };
    if let Err(error) = read.and_then(|()| MODEL.validate(&operation, &input)) {
        return refuse(&error);
    }
    let call = Call { caller, operation, input, request_id: request_id.clone() };
    if call.operation == "Invoke" {
        return invoke::answer(cloud, &call, body).await;
    }
    let reply = self::call(&Request { cloud, call: &call }).await;
    ROUTES.encode(&call.operation, &reply, &request_id)
}

async fn call(request: &Request<'_>) -> Reply {
    match request.call.operation.as_str() {
        "CreateFunction" => functions::create(request).await,
        "GetFunction" => functions::get(request),
        "GetFunctionConfiguration" => functions::get_configuration(request),
        "UpdateFunctionCode" => functions::update_code(request).await,
        "UpdateFunctionConfiguration" => functions::update_configuration(request),
        "DeleteFunction" => functions::delete(request),
        "ListFunctions" => functions::list(request),
        "PublishVersion" => versions::publish(request),
        "ListVersionsByFunction" => versions::list(request),
        "CreateAlias" => aliases::create(request),
        "GetAlias" => aliases::get(request),
        "UpdateAlias" => aliases::update(request),
        "DeleteAlias" => aliases::delete(request),
        "ListAliases" => aliases::list(request),
        "AddPermission" => permissions::add(request),
        "RemovePermission" => permissions::remove(request),
        "GetPolicy" => permissions::get(request),
        "PutFunctionConcurrency" => concurrency::put(request),
        "GetFunctionConcurrency" => concurrency::get(request),
        "DeleteFunctionConcurrency" => concurrency::delete(request),
        "GetAccountSettings" => concurrency::account(request),
        "PutProvisionedConcurrencyConfig" => provisioned::put(request),
        "GetProvisionedConcurrencyConfig" => provisioned::get(request),
        "ListProvisionedConcurrencyConfigs" => provisioned::list(request),
        "DeleteProvisionedConcurrencyConfig" => provisioned::delete(request),
        "TagResource" => tags::tag(request),
        "UntagResource" => tags::untag(request),
        "ListTags" => tags::list(request),
        _ => Err(request.call.unsupported("Lambda")),
    }
}

/// Takes up, at the server's start, what outlived the last one; provisioned environments come back.
pub async fn start(cloud: &Arc<Cloud>) {
    // What a killed server left behind.
    let environments = cloud.settings.dir.join("lambda/environments");
    for left in std::fs::read_dir(&environments).into_iter().flatten().flatten() {
        crate::sagemaker::process::end(None, &left.path()).await;
        let _ = std::fs::remove_dir_all(left.path());
    }
    // Without it Python's functions fail with an error that tells of the file.
    let _ = runtime::prepare(cloud);
    let watching = Arc::clone(cloud);
    tokio::spawn(async move { tokio::join!(watching.lambda.watched.watch(), pool::reap(&watching)) });
    for (name, function) in cloud.store.list::<Function>(FUNCTION).unwrap_or_default() {
        functions::settle(cloud, &name);
        for qualifier in function.provisioned.keys() {
            provisioned::provision(cloud, &name, qualifier);
        }
    }
}

/// Ends all environments, at the server's stop.
pub async fn stop(cloud: &Arc<Cloud>) {
    cloud.lambda.stopping.store(true, Ordering::Relaxed);
    pool::end_all(cloud).await;
    let deadline = Instant::now() + Duration::from_secs(10);
    // One that was just being started is killed as soon as it is there.
    while !cloud.lambda.watched.is_empty() && Instant::now() < deadline {
        cloud.lambda.watched.kill(None);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether nothing is left that an idle server must stay up for.
pub fn is_empty(cloud: &Cloud) -> bool {
    cloud.store.list::<Value>(FUNCTION).is_ok_and(|all| all.is_empty())
}

/// Whether nothing may be started any more.
fn locked_out(cloud: &Cloud) -> bool {
    cloud.lambda.stopping.load(Ordering::Relaxed)
}

/// A panic elsewhere leaves these maps whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
