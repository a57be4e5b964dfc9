//! Functions in the shapes of AWS's answers.

use serde_json::{Value, json};

use super::record::{Function, LATEST, State, Version};
use super::service::Lambda;
use super::target::arn;

impl Lambda {
    /// Returns a version as a FunctionConfiguration. Its ARN has the qualifier that the request named.
    pub(super) fn describe(&self, function: &Function, version: &Version, qualifier: Option<&str>) -> Value {
        let settings = &version.settings;
        let mut answer = json!({
            "FunctionName": function.name,
            "FunctionArn": arn(&self.cloud, &function.name, qualifier),
            "Runtime": settings.runtime,
            "Role": settings.role,
            "Handler": settings.handler,
            "CodeSize": version.code.size,
            "Description": settings.description,
            "Timeout": settings.timeout,
            "MemorySize": settings.memory,
            "LastModified": time(version.modified_ms),
            "CodeSha256": version.code.sha256,
            "Version": version.name(),
            "TracingConfig": {"Mode": "PassThrough"},
            "RevisionId": version.revision,
            "State": version.state,
            "LastUpdateStatus": version.update,
            "PackageType": "Zip",
            "Architectures": [settings.architecture],
            "EphemeralStorage": {"Size": settings.storage},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": settings.log_group},
        });
        if version.state == State::Pending {
            answer["StateReason"] = json!("The function is being created.");
            answer["StateReasonCode"] = json!("Creating");
        }
        if let Some(vpc) = &settings.vpc {
            answer["VpcConfig"] = json!({
                "SubnetIds": vpc.subnets,
                "SecurityGroupIds": vpc.groups,
                "VpcId": self.network.vpc_id(),
                "Ipv6AllowedForDualStack": false,
            });
        }
        if !settings.environment.is_empty() {
            answer["Environment"] = json!({"Variables": settings.environment});
        }
        answer
    }

    /// Returns `$LATEST` and all published versions as FunctionConfigurations.
    pub(super) fn describe_all(&self, function: &Function) -> Vec<Value> {
        let latest = self.describe(function, &function.latest, Some(LATEST));
        let published = function.published.values();
        let published = published.map(|version| self.describe(function, version, Some(&version.name())));
        [latest].into_iter().chain(published).collect()
    }
}

/// Returns a time as Lambda writes it: `2026-11-21T09:00:00.000+0000`.
pub fn time(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}
