//! The AWS SDK's clients for a target: the local cloud, AWS, or another server by its URL.
//!
//! No trait hides them, and no test replaces them with a fake: the local cloud is one more endpoint.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sagemaker::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use tokio::sync::watch;

use super::gate::{Closed, Gate};
use super::protocol::{Protocol, was_page};
use crate::failure::{Failure, Outcome};

/// The account whose registry holds AWS's own images, in all but a few regions.
const PYTORCH_REGISTRY: &str = "763104351884";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The local cloud with this endpoint and these keys.
    Local {
        url: String,
        access_key_id: String,
        secret_access_key: String,
    },
    Aws,
    /// A server that speaks AWS's protocols. The SDK finds the credentials as it does for AWS.
    Url(String),
}

impl Target {
    fn is_on_this_machine(&self) -> bool {
        match self {
            Self::Local { .. } => true,
            Self::Aws => false,
            Self::Url(url) => url::Url::parse(url).is_ok_and(|url| match url.host() {
                Some(url::Host::Ipv4(address)) => address.is_loopback(),
                Some(url::Host::Ipv6(address)) => address.is_loopback(),
                _ => false,
            }),
        }
    }
}

/// Returns how calls are repeated. A server on this machine that is gone is missed after some seconds and not after half a
/// minute.
fn retries(target: &Target) -> RetryConfig {
    let standard = RetryConfig::standard();
    match target.is_on_this_machine() {
        true => standard.with_max_attempts(8).with_initial_backoff(Duration::from_millis(100)),
        false => standard.with_max_attempts(6),
    }
}

/// The clients and the identity whose credentials they have.
#[derive(Clone, Debug)]
pub struct Aws {
    pub target: Target,
    pub account: String,
    pub region: String,
    /// The ARN that GetCallerIdentity returns.
    pub principal: String,
    /// Becomes true when the user wants to stop.
    interrupted: watch::Receiver<bool>,
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
    /// Creates the clients and calls GetCallerIdentity. When `interrupted` becomes true, waits end, and no call leaves that
    /// could create something.
    pub async fn connect(
        target: Target,
        profile: Option<&str>,
        region: Option<&str>,
        interrupted: watch::Receiver<bool>,
    ) -> Outcome<Self> {
        let http = aws_smithy_http_client::Builder::new();
        // To read the machine's root certificates takes longer than a call to the local cloud.
        let http = match target {
            Target::Local { .. } => http.build_http(),
            Target::Aws | Target::Url(_) => {
                http.tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https()
            }
        };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(10))
            .operation_attempt_timeout(Duration::from_secs(120))
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .retry_config(retries(&target))
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
                // The user's own AWS configuration and credentials must not reach the local cloud.
                let keys = Credentials::new(access_key_id, secret_access_key, None, None, "local cloud");
                loader = loader.endpoint_url(url).credentials_provider(keys).empty_test_environment();
            }
        }
        let config = loader.load().await;
        let region = config.region().map(|region| region.to_string()).ok_or_else(|| {
            Failure::usage("NoRegion", "no AWS region is configured").hint("give --region, or set AWS_REGION")
        })?;
        let sts = aws_sdk_sts::Client::new(&config);
        let identity = sts.get_caller_identity().send().await;
        let identity = identity.map_err(|error| failure("GetCallerIdentity", error))?;
        let account = identity.account().unwrap_or_default().to_owned();
        // The account becomes part of the journal's file name and of ARNs.
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            let message =
                format!("GetCallerIdentity returned the account `{account}`, which is not 12 digits");
            return Err(Failure::new("BadAccount", message)
                .hint("check that the target's URL is that of a server that speaks AWS's protocols"));
        }
        let path_style = target != Target::Aws;
        let gate = Gate(interrupted.clone());
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(path_style);
        // Only a few regions serve the price list, which covers all regions:
        // <https://docs.aws.amazon.com/general/latest/gr/billing.html>.
        let pricing =
            aws_sdk_pricing::config::Builder::from(&config).region(Region::new("us-east-1")).build();
        macro_rules! client {
            ($sdk:ident) => {
                $sdk::Client::from_conf(
                    $sdk::config::Builder::from(&config)
                        .interceptor(gate.clone())
                        .interceptor(Protocol)
                        .build(),
                )
            };
        }
        Ok(Self {
            account,
            principal: identity.arn().unwrap_or_default().to_owned(),
            region,
            interrupted,
            autoscaling: client!(aws_sdk_applicationautoscaling),
            ec2: client!(aws_sdk_ec2),
            iam: client!(aws_sdk_iam),
            lambda: client!(aws_sdk_lambda),
            logs: client!(aws_sdk_cloudwatchlogs),
            pricing: aws_sdk_pricing::Client::from_conf(pricing),
            s3: aws_sdk_s3::Client::from_conf(s3.interceptor(gate.clone()).interceptor(Protocol).build()),
            sagemaker: client!(aws_sdk_sagemaker),
            sagemaker_runtime: client!(aws_sdk_sagemakerruntime),
            target,
        })
    }

    pub fn is_local(&self) -> bool {
        matches!(self.target, Target::Local { .. })
    }

    /// Whether the target is a server on this machine, which costs nothing.
    pub fn is_on_this_machine(&self) -> bool {
        self.target.is_on_this_machine()
    }

    /// Returns the URI of a training or serving image. A bare name is a repository in the account's own registry: on
    /// AWS, the user pushes the worker's image there.
    pub fn image(&self, image: &str) -> String {
        match image.contains(['/', ':']) {
            true => image.to_owned(),
            false => format!("{}.dkr.ecr.{}.amazonaws.com/{image}:latest", self.account, self.region),
        }
    }

    /// Returns the URI of AWS's own PyTorch image for training.
    /// <https://github.com/aws/deep-learning-containers/blob/master/available_images.md>
    pub fn pytorch_image(&self, version: &str, python: &str, instance_type: &str) -> String {
        let family = instance_type.trim_start_matches("ml.");
        let processor = if family.starts_with(['p', 'g']) { "gpu" } else { "cpu" };
        let registry = format!("{PYTORCH_REGISTRY}.dkr.ecr.{}.amazonaws.com", self.region);
        format!("{registry}/pytorch-training:{version}-{processor}-{python}")
    }

    /// Returns the flag that becomes true when the user wants to stop.
    pub fn interrupted(&self) -> watch::Receiver<bool> {
        self.interrupted.clone()
    }

    /// Waits before the next Describe call, unless the user wants to stop.
    pub async fn pause(&self, attempt: u32) -> Outcome<()> {
        let mut interrupted = self.interrupted.clone();
        // Without a sender, nothing interrupts.
        let stop = async {
            if interrupted.wait_for(|stop| *stop).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = tokio::time::sleep(self.poll_interval(attempt)) => Ok(()),
            () = stop => Err(Failure::interrupted("stopped by Ctrl-C; jobs and resources on AWS keep running")),
        }
    }

    /// Returns how long to wait between the nth Describe call and the next. AWS takes minutes for what the local cloud
    /// does in seconds, and throttles frequent calls.
    pub fn poll_interval(&self, attempt: u32) -> Duration {
        match self.is_on_this_machine() {
            true => Duration::from_millis(20u64 << attempt.min(3)),
            false => Duration::from_secs(1u64 << attempt.min(4)),
        }
    }
}

/// Returns the failure of a call, with the service's own code and message.
pub fn failure<E>(operation: &str, error: SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let failure = |code, message: String| Failure::service(operation, code, message);
    let context = || in_words(&error);
    if chain(&error).any(|error| error.is::<Closed>()) {
        return Failure { operation: Some(operation.to_owned()), ..Failure::interrupted(Closed.to_string()) };
    }
    let status = error.raw_response().map(|response| response.status().as_u16());
    match (error.code(), status) {
        (Some(code), _) => failure(code, error.message().unwrap_or("the service sent no message").to_owned()),
        // The answer to a HEAD request has no body, and so no code.
        (None, Some(404)) => failure("NotFound", "not found".to_owned()),
        (None, Some(403)) => failure("AccessDenied", "access denied".to_owned()),
        (None, Some(_)) if error.raw_response().is_some_and(was_page) => {
            let message = "the answer is an HTML page, and none of AWS's: is there a proxy in between?";
            failure("BadAnswer", message.to_owned())
        }
        (None, Some(status)) if status >= 300 => {
            failure("Http", format!("the service answered with status {status}"))
        }
        // A success that the SDK cannot parse.
        (None, Some(_)) => failure("BadAnswer", context()),
        (None, None) if lacks_credentials(&error) => Failure::credentials(operation, context()),
        (None, None) => failure("Connection", context()),
    }
}

/// Returns what an error and its causes say, each once.
fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    for one in chain(error).map(|error| error.to_string()) {
        if !said.iter().any(|before| before.contains(&one)) {
            said.push(one);
        }
    }
    // The first says only that a call failed.
    let causes = if said.len() > 1 { &said[1..] } else { &said };
    causes.join(": ")
}

/// Whether the SDK could not sign a call.
fn lacks_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    chain(error).any(|error| error.is::<CredentialsError>())
}

/// Returns an error and all that caused it.
fn chain<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// Whether a failed call says that its subject does not exist.
pub fn is_absent(failure: &Failure) -> bool {
    match failure.code.as_str() {
        "NoSuchEntity"
        | "NoSuchBucket"
        | "NoSuchKey"
        | "NotFound"
        | "ObjectNotFoundException"
        | "ResourceNotFound"
        | "ResourceNotFoundException" => true,
        // EC2's codes: InvalidKeyPair.NotFound, InvalidInstanceID.NotFound.
        code if code.ends_with(".NotFound") => true,
        "ValidationException" => ["Could not find", "does not exist", "not found", "RecordNotFound"]
            .iter()
            .any(|words| failure.message.contains(words)),
        _ => false,
    }
}

/// Turns the failure of a Describe call that says that its subject does not exist into `None`.
pub fn present<T>(result: Outcome<T>) -> Outcome<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(failure) if is_absent(&failure) => Ok(None),
        Err(failure) => Err(failure),
    }
}
