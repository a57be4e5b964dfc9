//! SDK clients for a target: the local cloud, AWS, or another server by its URL.
//!
//! There is no trait with a fake behind it: the SDK's client is the interface, and the local cloud is one more
//! endpoint.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_sagemaker::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::failure::{Failure, Outcome};

/// The account whose registry holds AWS's images in all but a few regions.
const PYTORCH_REGISTRY: &str = "763104351884";

/// Where the calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The local cloud with this endpoint and these keys.
    Local {
        url: String,
        access_key_id: String,
        secret_access_key: String,
    },
    Aws,
    /// A server that speaks AWS's protocols, with credentials from the usual places.
    Url(String),
}

/// The clients, and whose account they speak for.
#[derive(Clone, Debug)]
pub struct Aws {
    pub target: Target,
    pub account: String,
    pub region: String,
    /// Who calls, as STS names it.
    pub principal: String,
    pub autoscaling: aws_sdk_applicationautoscaling::Client,
    pub ec2: aws_sdk_ec2::Client,
    pub iam: aws_sdk_iam::Client,
    pub lambda: aws_sdk_lambda::Client,
    pub logs: aws_sdk_cloudwatchlogs::Client,
    pub pricing: aws_sdk_pricing::Client,
    pub s3: aws_sdk_s3::Client,
    pub sagemaker: aws_sdk_sagemaker::Client,
    pub sagemaker_runtime: aws_sdk_sagemakerruntime::Client,
}

impl Aws {
    /// Makes the clients and asks STS who is calling.
    pub async fn connect(target: Target, profile: Option<&str>, region: Option<&str>) -> Outcome<Self> {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(10))
            .operation_attempt_timeout(Duration::from_secs(120))
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .retry_config(RetryConfig::standard().with_max_attempts(6))
            .timeout_config(timeouts);
        if let Some(region) = region {
            loader = loader.region(Region::new(region.to_owned()));
        }
        match &target {
            Target::Aws => {
                if let Some(profile) = profile {
                    loader = loader.profile_name(profile);
                }
            }
            Target::Url(url) => loader = loader.endpoint_url(url),
            Target::Local { url, access_key_id, secret_access_key } => {
                // Nothing of the user's own configuration may reach the local cloud, nor the other way.
                let keys = Credentials::new(access_key_id, secret_access_key, None, None, "local cloud");
                loader = loader.endpoint_url(url).credentials_provider(keys).empty_test_environment();
            }
        }
        let config = loader.load().await;
        let region = config.region().map(|region| region.to_string()).ok_or_else(|| {
            Failure::new("NoRegion", "no AWS region is configured").hint("give --region, or set AWS_REGION")
        })?;
        let sts = aws_sdk_sts::Client::new(&config);
        let identity = sts.get_caller_identity().send().await.map_err(|error| {
            failure("GetCallerIdentity", error)
                .hint("credentials are needed: AWS_PROFILE, AWS_ACCESS_KEY_ID, or `aws sso login`")
        })?;
        let account = identity.account().unwrap_or_default().to_owned();
        // It becomes a part of the journal's name, and of ARNs.
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("GetCallerIdentity: `{account}` is not an account: 12 digits");
            return Err(Failure::new("BadAccount", message)
                .hint("is the target a server that speaks AWS's protocols?"));
        }
        let path_style = target != Target::Aws;
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(path_style).build();
        // The price list is served from a few regions only, of all of them:
        // <https://docs.aws.amazon.com/general/latest/gr/billing.html>.
        let pricing =
            aws_sdk_pricing::config::Builder::from(&config).region(Region::new("us-east-1")).build();
        Ok(Self {
            account,
            principal: identity.arn().unwrap_or_default().to_owned(),
            region,
            autoscaling: aws_sdk_applicationautoscaling::Client::new(&config),
            ec2: aws_sdk_ec2::Client::new(&config),
            iam: aws_sdk_iam::Client::new(&config),
            lambda: aws_sdk_lambda::Client::new(&config),
            logs: aws_sdk_cloudwatchlogs::Client::new(&config),
            pricing: aws_sdk_pricing::Client::from_conf(pricing),
            s3: aws_sdk_s3::Client::from_conf(s3),
            sagemaker: aws_sdk_sagemaker::Client::new(&config),
            sagemaker_runtime: aws_sdk_sagemakerruntime::Client::new(&config),
            target,
        })
    }

    /// Whether this is the local cloud.
    pub fn is_local(&self) -> bool {
        matches!(self.target, Target::Local { .. })
    }

    /// The URI of a training or serving image. A bare name is a repository of the account's own registry, which is
    /// where the worker's image lies on AWS, and how the local cloud knows it.
    pub fn image(&self, image: &str) -> String {
        match image.contains(['/', ':']) {
            true => image.to_owned(),
            false => format!("{}.dkr.ecr.{}.amazonaws.com/{image}:latest", self.account, self.region),
        }
    }

    /// The URI of AWS's own PyTorch image for training.
    /// <https://github.com/aws/deep-learning-containers/blob/master/available_images.md>
    pub fn pytorch_image(&self, version: &str, python: &str, instance_type: &str) -> String {
        let family = instance_type.trim_start_matches("ml.");
        let processor = if family.starts_with(['p', 'g']) { "gpu" } else { "cpu" };
        let registry = format!("{PYTORCH_REGISTRY}.dkr.ecr.{}.amazonaws.com", self.region);
        format!("{registry}/pytorch-training:{version}-{processor}-{python}")
    }

    /// How long to wait before asking again whether something is ready, for the nth time. AWS takes minutes for
    /// what the local cloud does in moments, and throttles those who ask too often.
    pub fn poll_interval(&self, asked: u32) -> Duration {
        match self.target {
            Target::Local { .. } => Duration::from_millis(20u64 << asked.min(3)),
            Target::Aws | Target::Url(_) => Duration::from_secs(1u64 << asked.min(4)),
        }
    }
}

/// The error of a call in the service's own code and words.
pub fn failure<E>(operation: &str, error: SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    match (error.code(), status) {
        (Some(code), _) => {
            let message = error.message().unwrap_or("the service gave no message");
            Failure::new(code, format!("{operation}: {message}"))
        }
        // HEAD requests have no body to carry a code.
        (None, Some(404)) => Failure::new("NotFound", format!("{operation}: not found")),
        (None, Some(403)) => Failure::new("AccessDenied", format!("{operation}: access denied")),
        (None, Some(status)) if status >= 300 => {
            Failure::new("Http", format!("{operation}: the service answered with status {status}"))
        }
        // It succeeded, and can't be understood.
        (None, Some(_)) => Failure::new("BadAnswer", format!("{operation}: {}", DisplayErrorContext(&error))),
        (None, None) => Failure::new("Connection", format!("{operation}: {}", DisplayErrorContext(&error))),
    }
}

/// Whether a failed describe or delete says that the thing isn't there.
pub fn is_absent(failure: &Failure) -> bool {
    match failure.code.as_str() {
        "NoSuchEntity"
        | "NoSuchBucket"
        | "NoSuchKey"
        | "NotFound"
        | "ObjectNotFoundException"
        | "ResourceNotFound"
        | "ResourceNotFoundException" => true,
        // EC2: InvalidKeyPair.NotFound, InvalidInstanceID.NotFound, …
        code if code.ends_with(".NotFound") => true,
        "ValidationException" => ["Could not find", "does not exist", "not found", "RecordNotFound"]
            .iter()
            .any(|words| failure.message.contains(words)),
        _ => false,
    }
}

/// `Some` of what a describe call returns, `None` where it says that there is no such thing.
pub fn present<T>(result: Outcome<T>) -> Outcome<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(failure) if is_absent(&failure) => Ok(None),
        Err(failure) => Err(failure),
    }
}
