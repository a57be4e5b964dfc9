//! Lambda: functions, whose processes use the real Runtime API.
//!
//! [`functions`] has the operations on functions, [`versions`] and [`aliases`] those on what is published of them, and
//! [`permissions`] those on who may invoke them. [`invoke`] answers Invoke: the [`pool`] of the function admits it
//! within the limits of [`concurrency`](quota), and gives it an [`environment`]. This is a process that [`runtime`]
//! chooses and [`memory`] watches. It gets its event by the Runtime [`api`], and its output goes to the [`log`].
//! [`reserve`] starts environments before there are requests.
//!
//! [`url`] serves functions at URLs of their own, and [`download`] their code.
//!
//! An environment has a `/tmp` of its own and sees its code, but not the user's home, where the kernel allows it
//! ([`isolation`]). AWS also limits the CPU share by the memory; the local cloud doesn't. Asynchronous invocations that
//! wait for a retry are lost when the server stops.

mod access;
mod admission;
mod aliases;
mod api;
mod code;
mod concurrency;
mod describe;
mod download;
mod environment;
mod errors;
mod fault;
mod functions;
mod host;
mod invoke;
mod isolation;
mod log;
mod memory;
mod metrics;
mod permissions;
mod pool;
mod provisioned;
mod quota;
mod record;
mod reserve;
mod runtime;
mod scaled;
mod service;
mod settings;
mod state;
mod tags;
mod target;
mod url;
mod versions;
mod vpc;

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use http::request::Parts;
use http::{Request as HttpRequest, Response};
use serde_json::Value;

use crate::autoscaling::Functions;
use crate::door::Door;
use crate::model::Model;
use crate::service::{Operation, Service, on_everything};
use access::{on_function, on_qualifier, on_tagged, on_url, to_create, to_invoke};
use record::{FUNCTION, Function};

pub use isolation::missing;
pub use quota::{Quota, set_quota};
pub use service::Lambda;

const OPERATIONS: &[Operation<Lambda>] = &[
    Operation::later("CreateFunction", to_create, |request| Box::pin(functions::create(request))),
    Operation::new("GetFunction", on_function, functions::get),
    Operation::new("GetFunctionConfiguration", on_function, functions::get_configuration),
    Operation::later("UpdateFunctionCode", on_function, |request| Box::pin(functions::update_code(request))),
    Operation::new("UpdateFunctionConfiguration", on_function, functions::update_configuration),
    Operation::new("DeleteFunction", on_function, functions::delete),
    Operation::new("ListFunctions", on_everything, functions::list),
    Operation::raw("Invoke", to_invoke, |request| Box::pin(invoke::invoke(request))),
    Operation::new("PublishVersion", on_function, versions::publish),
    Operation::new("ListVersionsByFunction", on_function, versions::list),
    Operation::new("CreateAlias", on_function, aliases::create),
    Operation::new("GetAlias", on_function, aliases::get),
    Operation::new("UpdateAlias", on_function, aliases::update),
    Operation::new("DeleteAlias", on_function, aliases::delete),
    Operation::new("ListAliases", on_function, aliases::list),
    Operation::new("AddPermission", on_function, permissions::add),
    Operation::new("RemovePermission", on_function, permissions::remove),
    Operation::new("GetPolicy", on_function, permissions::get),
    Operation::new("PutFunctionConcurrency", on_function, concurrency::put),
    Operation::new("GetFunctionConcurrency", on_function, concurrency::get),
    Operation::new("DeleteFunctionConcurrency", on_function, concurrency::delete),
    Operation::new("GetAccountSettings", on_everything, concurrency::account_settings),
    Operation::new("PutProvisionedConcurrencyConfig", on_qualifier, provisioned::put),
    Operation::new("GetProvisionedConcurrencyConfig", on_qualifier, provisioned::get),
    Operation::new("ListProvisionedConcurrencyConfigs", on_function, provisioned::list),
    Operation::new("DeleteProvisionedConcurrencyConfig", on_qualifier, provisioned::delete),
    Operation::new("CreateFunctionUrlConfig", on_url, url::create),
    Operation::new("GetFunctionUrlConfig", on_function, url::get),
    Operation::new("UpdateFunctionUrlConfig", on_url, url::update),
    Operation::new("DeleteFunctionUrlConfig", on_function, url::delete),
    Operation::new("ListFunctionUrlConfigs", on_function, url::list),
    Operation::new("TagResource", on_tagged, tags::tag),
    Operation::new("UntagResource", on_tagged, tags::untag),
    Operation::new("ListTags", on_tagged, tags::list),
];

impl Service for Lambda {
    const NAME: &'static str = "lambda";
    const TITLE: &'static str = "Lambda";
    const BODY_LIMIT: usize = code::MAX_REQUEST;

    fn model() -> &'static Model {
        static MODEL: LazyLock<Model> = LazyLock::new(|| {
            Model::read(include_str!("model.json")).with_members(include_str!("members.txt"))
        });
        &MODEL
    }

    fn operations() -> &'static [Operation<Self>] {
        OPERATIONS
    }

    fn has_url(request: &Parts) -> bool {
        url::is_url(request) || download::is_location(request)
    }

    async fn answer_url(self: &Arc<Self>, request: HttpRequest<Body>, door: &Door) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if url::is_url(&parts) {
            url::answer(self, parts, body, door).await
        } else {
            self.downloads.answer(&self.cloud, &parts).await
        }
    }

    /// Ends the processes of a killed server, and starts the provisioned environments again.
    async fn start(self: &Arc<Self>) {
        environment::end_leftovers(&self.cloud).await;
        // If it fails, Python functions fail with an error that names the missing file.
        let _ = runtime::prepare(&self.cloud);
        Arc::clone(&self.scaling).scale_functions(Arc::clone(self) as Arc<dyn Functions>);
        let (host, pools) = (Arc::clone(&self.host), Arc::clone(&self.pools));
        tokio::spawn(async move { tokio::join!(host.watched.watch(), pools.end_idle()) });
        for (name, function) in self.cloud.store.list::<Function>(FUNCTION).unwrap_or_default() {
            functions::settle(self, &name);
            for qualifier in function.provisioned.keys() {
                self.pools.provision(&name, qualifier);
            }
        }
    }

    async fn stop(self: &Arc<Self>) {
        self.pools.stop().await;
    }

    fn is_empty(&self) -> bool {
        self.cloud.store.list::<Value>(FUNCTION).is_ok_and(|all| all.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_is_found_by_its_path() {
        let find = |method: &str, uri: &str| {
            let (parts, ()) = http::Request::builder().method(method).uri(uri).body(()).unwrap().into_parts();
            Lambda::model().operation(&parts, b"").map_err(|error| error.code)
        };
        let concurrency = "/2019-09-30/functions/f/provisioned-concurrency";
        for (method, uri, operation) in [
            ("GET", "/2015-03-31/functions/?MaxItems=5", "ListFunctions"),
            ("POST", "/2015-03-31/functions", "CreateFunction"),
            ("GET", &format!("{concurrency}?List=ALL"), "ListProvisionedConcurrencyConfigs"),
            ("GET", &format!("{concurrency}?Qualifier=1"), "GetProvisionedConcurrencyConfig"),
            ("DELETE", "/2017-03-31/tags/arn%3Aaws%3Alambda?tagKeys=a&tagKeys=b", "UntagResource"),
        ] {
            assert_eq!(find(method, uri).as_deref(), Ok(operation), "{uri}");
        }
        // If a path belongs to no operation, the error message names the path.
        for uri in ["/2018-10-31/layers", "/2015-03-31/functions//policy"] {
            assert_eq!(find("GET", uri).as_deref(), Ok(uri));
        }
    }
}
