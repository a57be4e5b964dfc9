//! Reads what an operation is about: the service, the dimension, and the variant of an endpoint.

use serde_json::{Value, json};

use super::scalable::Variant;
use super::service::{Request, Scaling};
use crate::authority::Access;
use crate::call::{AwsError, Reply};
use crate::cloudwatch::Series;
use crate::support::page;

const SERVICE: &str = "sagemaker";
pub const DIMENSION: &str = "sagemaker:variant:DesiredInstanceCount";
/// The most entries of a page.
const PAGE: usize = 50;

/// A variant of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub endpoint: String,
    pub variant: String,
}

impl Key {
    /// Reads `endpoint/NAME/variant/VARIANT`. None: the text has another form.
    pub fn parse(resource: &str) -> Option<Self> {
        match resource.split('/').collect::<Vec<_>>().as_slice() {
            ["endpoint", endpoint, "variant", variant] if !endpoint.is_empty() && !variant.is_empty() => {
                Some(Self { endpoint: (*endpoint).to_owned(), variant: (*variant).to_owned() })
            }
            _ => None,
        }
    }

    /// Returns `endpoint/NAME/variant/VARIANT`.
    pub fn resource(&self) -> String {
        format!("endpoint/{}/variant/{}", self.endpoint, self.variant)
    }

    /// Returns the metric that target tracking follows: the requests that each instance gets.
    pub fn metric(&self) -> Series {
        let dimensions = [("EndpointName", self.endpoint.as_str()), ("VariantName", self.variant.as_str())];
        Series::new("AWS/SageMaker", "InvocationsPerInstance", &dimensions, "")
    }

    /// Returns AWS's error for something that this variant lacks. `what` is its kind, and `more` identifies it.
    pub fn missing(&self, what: &str, more: &str) -> AwsError {
        let message = format!(
            "No {what} for service namespace: {SERVICE}, resource ID: {}, scalable dimension: {DIMENSION}{more}",
            self.resource(),
        );
        AwsError::new(400, "ObjectNotFoundException", message)
    }
}

impl Scaling {
    /// Returns a variant as it is now. None: it doesn't exist.
    pub(super) fn variant(&self, key: &Key) -> Result<Option<Variant>, AwsError> {
        self.scaled()?.variant(&key.endpoint, &key.variant)
    }
}

/// Returns the three members that name a target in every answer.
pub fn named(resource: &str) -> Value {
    json!({"ServiceNamespace": SERVICE, "ResourceId": resource, "ScalableDimension": DIMENSION})
}

impl Request<'_> {
    /// Refuses services and dimensions that can't be scaled here.
    fn check_service(&self) -> Result<(), AwsError> {
        let service = self.text("ServiceNamespace");
        if service != SERVICE {
            return Err(self.unsupported(&format!("the service namespace {service}")));
        }
        match self.optional("ScalableDimension") {
            None | Some(DIMENSION) => Ok(()),
            Some(other) if other.starts_with("sagemaker:") => {
                Err(self.unsupported(&format!("the scalable dimension {other}")))
            }
            Some(_) => Err(no_such_kind()),
        }
    }

    /// Returns the variant that the request names.
    pub fn key(&self) -> Result<Key, AwsError> {
        self.check_service()?;
        Key::parse(self.text("ResourceId")).ok_or_else(no_such_kind)
    }

    /// Returns a page of a listing.
    pub fn page(&self, list: &str, entries: Vec<Value>) -> Reply {
        let size = page::size(&self.input()["MaxResults"], PAGE, PAGE);
        let page = page::page(entries, self.optional("NextToken"), size).ok_or_else(|| {
            AwsError::new(400, "InvalidNextTokenException", "The next token supplied is invalid.")
        })?;
        Ok(page.answer(list, "NextToken"))
    }
}

fn no_such_kind() -> AwsError {
    AwsError::validation("Unsupported service namespace, resource type or scalable dimension")
}

/// Returns the access that a listing needs: its action on `*`.
pub fn on_all(request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
    request.check_service()?;
    Ok(vec![request.on("*")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variants_of_endpoints_are_resources() {
        let key = Key::parse("endpoint/e-1/variant/AllTraffic").unwrap();
        assert_eq!((key.endpoint.as_str(), key.variant.as_str()), ("e-1", "AllTraffic"));
        assert_eq!(key.resource(), "endpoint/e-1/variant/AllTraffic");
        for other in
            ["", "endpoint", "endpoint/e", "endpoint//variant/v", "endpoint/e/variant/v/x", "service/a/b"]
        {
            assert_eq!(Key::parse(other), None, "{other}");
        }
    }
}
