//! Takes an answer that is not of AWS's protocols for an error: the page of a proxy or of a captive portal, with status 200.
//! Where the SDK reads no body, as of PutObject, it would take that for success. Its status becomes 502, which the SDK retries.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// The operations whose answer may be a page: it is what the user has stored, or what an endpoint answers.
const ANY_BODY: &[&str] = &["GetObject", "HeadObject", "InvokeEndpoint", "Invoke"];
/// Bad gateway.
const STATUS: u16 = 502;
/// The header that marks such an answer.
const PAGE: &str = "x-opsml-page";

#[derive(Clone, Debug)]
pub struct Protocol;

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
        let response = context.response_mut();
        if response.status().is_success() && is_page(response) && !ANY_BODY.contains(&operation) {
            *response.status_mut() = STATUS.try_into()?;
            response.headers_mut().insert(PAGE, "true");
        }
        Ok(())
    }
}

/// Whether an answer was a page with a status of success.
pub fn was_page(response: &HttpResponse) -> bool {
    response.headers().get(PAGE).is_some()
}

/// Whether an answer is an HTML page. Some servers call an empty body one.
fn is_page(response: &HttpResponse) -> bool {
    let header = |name: &str| response.headers().get(name).unwrap_or_default();
    header("content-type").starts_with("text/html")
        && header("content-length") != "0"
        && response.status().as_u16() != 204
}
