//! Reads what an operation is about: the service, the dimension, and the variant of an endpoint or the alias of a function.

use serde_json::{Value, json};

use super::service::Request;
use crate::authority::Access;
use crate::call::{AwsError, Reply};
use crate::cloudwatch::Series;
use crate::support::page;

/// The most entries of a page.
const PAGE: usize = 50;

/// What can be scaled.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The service namespace.
    pub service: &'static str,
    pub dimension: &'static str,
    /// The service's name in the errors of activities.
    pub title: &'static str,
    /// The noun for what is counted.
    pub counted: &'static str,
    /// The predefined metric that target tracking follows, and the statistic of it.
    pub metric: &'static str,
    pub statistic: &'static str,
    /// The end of the name of the service-linked role that scales it on AWS.
    pub role: &'static str,
}

/// The instances of an endpoint's variant.
static VARIANTS: Kind = Kind {
    service: "sagemaker",
    dimension: "sagemaker:variant:DesiredInstanceCount",
    title: "AmazonSageMaker",
    counted: "instance count",
    metric: "SageMakerVariantInvocationsPerInstance",
    statistic: "Sum",
    role: "SageMakerEndpoint",
};

/// The provisioned concurrency of a function's alias or version.
static CONCURRENCY: Kind = Kind {
    service: "lambda",
    dimension: "lambda:function:ProvisionedConcurrency",
    title: "AWSLambda",
    counted: "concurrency",
    metric: "LambdaProvisionedConcurrencyUtilization",
    statistic: "Average",
    role: "LambdaConcurrency",
};

/// What is scaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    Variant { endpoint: String, variant: String },
    Concurrency { function: String, qualifier: String },
}

impl Key {
    /// Reads `endpoint/NAME/variant/VARIANT` or `function:NAME:QUALIFIER`. None: the text has another form.
    pub fn parse(resource: &str) -> Option<Self> {
        if let [first, ..] = *resource.split(['/', ':']).collect::<Vec<_>>()
            && first == "function"
        {
            return match *resource.split(':').collect::<Vec<_>>() {
                [_, function, qualifier] if !function.is_empty() && !qualifier.is_empty() => {
                    Some(Self::Concurrency { function: function.to_owned(), qualifier: qualifier.to_owned() })
                }
                _ => None,
            };
        }
        match *resource.split('/').collect::<Vec<_>>() {
            ["endpoint", endpoint, "variant", variant] if !endpoint.is_empty() && !variant.is_empty() => {
                Some(Self::Variant { endpoint: endpoint.to_owned(), variant: variant.to_owned() })
            }
            _ => None,
        }
    }

    /// Returns the text that [`Self::parse`] reads.
    pub fn resource(&self) -> String {
        match self {
            Self::Variant { endpoint, variant } => format!("endpoint/{endpoint}/variant/{variant}"),
            Self::Concurrency { function, qualifier } => format!("function:{function}:{qualifier}"),
        }
    }

    pub fn kind(&self) -> &'static Kind {
        match self {
            Self::Variant { .. } => &VARIANTS,
            Self::Concurrency { .. } => &CONCURRENCY,
        }
    }

    /// Returns the metric that target tracking follows: the requests that each instance gets, or the share of the
    /// provisioned environments that are in use.
    pub fn metric(&self) -> Series {
        match self {
            Self::Variant { endpoint, variant } => {
                let dimensions = [("EndpointName", endpoint.as_str()), ("VariantName", variant.as_str())];
                Series::new("AWS/SageMaker", "InvocationsPerInstance", &dimensions, "")
            }
            Self::Concurrency { function, qualifier } => {
                let resource = format!("{function}:{qualifier}");
                let dimensions = [("FunctionName", function.as_str()), ("Resource", resource.as_str())];
                Series::new("AWS/Lambda", "ProvisionedConcurrencyUtilization", &dimensions, "")
            }
        }
    }

    /// Returns AWS's error for something that this target lacks. `what` is its kind, and `more` identifies it.
    pub fn missing(&self, what: &str, more: &str) -> AwsError {
        let Kind { service, dimension, .. } = self.kind();
        let message = format!(
            "No {what} for service namespace: {service}, resource ID: {}, scalable dimension: {dimension}{more}",
            self.resource(),
        );
        AwsError::new(400, "ObjectNotFoundException", message)
    }
}

/// Returns the three members that name a target in every answer.
pub fn named(resource: &str) -> Value {
    let kind = Key::parse(resource).map_or(&VARIANTS, |key| key.kind());
    json!({"ServiceNamespace": kind.service, "ResourceId": resource, "ScalableDimension": kind.dimension})
}

impl Request<'_> {
    /// Returns the kind that the request names. Refuses services and dimensions that can't be scaled here.
    fn kind(&self) -> Result<&'static Kind, AwsError> {
        let service = self.text("ServiceNamespace");
        let kind = [&VARIANTS, &CONCURRENCY].into_iter().find(|kind| kind.service == service);
        let kind = kind.ok_or_else(|| self.unsupported(&format!("the service namespace {service}")))?;
        match self.optional("ScalableDimension") {
            None => Ok(kind),
            Some(given) if given == kind.dimension => Ok(kind),
            Some(other) if other.split(':').next() == Some(service) => {
                Err(self.unsupported(&format!("the scalable dimension {other}")))
            }
            Some(_) => Err(no_such_kind()),
        }
    }

    /// Returns whether a listing is about this resource.
    pub fn lists(&self, resource: &str) -> bool {
        Key::parse(resource).is_some_and(|key| key.kind().service == self.text("ServiceNamespace"))
    }

    /// Returns what the request names.
    pub fn key(&self) -> Result<Key, AwsError> {
        let kind = self.kind()?;
        Key::parse(self.text("ResourceId")).filter(|key| key.kind() == kind).ok_or_else(no_such_kind)
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
    request.kind()?;
    Ok(vec![request.on("*")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_and_aliases_are_resources() {
        for (resource, service) in
            [("endpoint/e-1/variant/AllTraffic", "sagemaker"), ("function:f:live", "lambda")]
        {
            let key = Key::parse(resource).unwrap();
            assert_eq!((key.resource().as_str(), key.kind().service), (resource, service));
        }
        for other in [
            "",
            "endpoint",
            "endpoint/e",
            "endpoint//variant/v",
            "endpoint/e/variant/v/x",
            "service/a/b",
            "function:f",
            "function:f:",
            "function/f/live",
        ] {
            assert_eq!(Key::parse(other), None, "{other}");
        }
    }
}
