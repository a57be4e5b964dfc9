//! Refuses an answer that is not of AWS's protocols: the page of a proxy or of a captive portal, with status 200. Where the SDK
//! reads no body, as of PutObject, it would take that for success.

use std::fmt;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// The operations whose answer may be a page: it is what the user has stored, or what an endpoint answers.
const ANY_BODY: &[&str] = &["GetObject", "HeadObject", "InvokeEndpoint", "Invoke"];

#[derive(Clone, Debug)]
pub struct Protocol;

/// The error for an answer that is a page.
#[derive(Debug)]
struct Page;

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer is an HTML page, and no answer of AWS: is there a proxy in between?")
    }
}

impl std::error::Error for Page {}

impl Intercept for Protocol {
    fn name(&self) -> &'static str {
        "Protocol"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().map_or("", |metadata| metadata.name());
        let response = context.response();
        let header = |name: &str| response.headers().get(name).unwrap_or_default();
        // Some servers call an empty body a page.
        let page = response.status().is_success()
            && header("content-type").starts_with("text/html")
            && header("content-length") != "0"
            && response.status().as_u16() != 204;
        match page && !ANY_BODY.contains(&operation) {
            true => Err(Page.into()),
            false => Ok(()),
        }
    }
}
