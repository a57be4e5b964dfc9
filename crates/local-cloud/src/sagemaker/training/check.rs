//! The checks of CreateTrainingJob in addition to those by AWS's model.

use std::collections::HashSet;

use regex::Regex;
use serde_json::Value;

use super::layout::{TENSORBOARD, channels, instance_count};
use super::program::entrypoint;
use super::record::DEFAULT_RUNTIME;
use super::script::launcher;
use crate::call::AwsError;
use crate::ec2::Network;
use crate::sagemaker::resource::text;
use crate::sagemaker::transfer::S3Uri;

/// Checks an input that fits AWS's model.
///
/// # Errors
/// A ValidationException; `UnknownOperationException` for what the local cloud lacks.
pub fn check(network: &dyn Network, input: &Value) -> Result<(), AwsError> {
    let unsupported =
        |what: &str| Err(AwsError::unsupported("SageMaker", &format!("{what} in CreateTrainingJob")));
    if text(&input["OutputDataConfig"], "CompressionType") == "NONE" {
        return unsupported("OutputDataConfig.CompressionType NONE");
    }
    if input["EnableNetworkIsolation"] == true && instance_count(input) > 1 {
        return unsupported("EnableNetworkIsolation with several instances");
    }
    check_time(input)?;
    check_network(network, input)?;
    let resources = &input["ResourceConfig"];
    if text(resources, "InstanceType").is_empty() {
        return Err(AwsError::validation("ResourceConfig.InstanceType is required."));
    }
    if resources["InstanceCount"].as_u64().unwrap_or_default() == 0 {
        return Err(AwsError::validation("ResourceConfig.InstanceCount must be 1 or more."));
    }
    let algorithm = &input["AlgorithmSpecification"];
    if text(algorithm, "TrainingImage").is_empty() {
        return Err(AwsError::validation(
            "AlgorithmSpecification requires either TrainingImage or AlgorithmName; the local cloud supports \
             TrainingImage alone.",
        ));
    }
    if entrypoint(input).is_none()
        && algorithm["ContainerArguments"].as_array().is_some_and(|list| !list.is_empty())
    {
        return unsupported("ContainerArguments without ContainerEntrypoint");
    }
    if let Some(launcher) = launcher(input) {
        return unsupported(&format!("the launcher {launcher}"));
    }
    if text(algorithm, "TrainingInputMode") != "File" {
        return unsupported("TrainingInputMode other than File");
    }
    for definition in algorithm["MetricDefinitions"].as_array().into_iter().flatten() {
        let (name, pattern) = (text(definition, "Name"), text(definition, "Regex"));
        let groups = Regex::new(pattern).map(|regex| regex.captures_len());
        if !groups.is_ok_and(|groups| groups > 1) {
            return Err(AwsError::validation(format!(
                "The regex '{pattern}' of metric '{name}' is not valid: it must have a group that captures the value."
            )));
        }
    }
    let mut names = HashSet::new();
    for (name, channel) in channels(input) {
        if !names.insert(name) {
            return Err(AwsError::validation(format!("Duplicate channel name '{name}'.")));
        }
        // Channels become folders, so these names are refused.
        if matches!(name, "." | "..") {
            return Err(AwsError::validation(format!("Invalid channel name '{name}'.")));
        }
        let source = &channel["DataSource"]["S3DataSource"];
        if text(source, "S3DataType") != "S3Prefix" {
            return unsupported("a DataSource other than S3Prefix");
        }
        if !matches!(channel["CompressionType"].as_str(), None | Some("None")) {
            return unsupported("CompressionType");
        }
        if !matches!(channel["InputMode"].as_str(), None | Some("File")) {
            return unsupported("InputMode other than File");
        }
        if !matches!(channel["RecordWrapperType"].as_str(), None | Some("None")) {
            return unsupported("RecordWrapperType");
        }
        S3Uri::parse(text(source, "S3Uri"))?;
    }
    if let Some(uri) = input["TensorBoardOutputConfig"]["S3OutputPath"].as_str() {
        S3Uri::parse(uri)?;
        let path = input["TensorBoardOutputConfig"]["LocalPath"].as_str().unwrap_or(TENSORBOARD);
        if path.trim_end_matches('/') != TENSORBOARD {
            return unsupported("TensorBoardOutputConfig.LocalPath other than /opt/ml/output/tensorboard");
        }
    }
    S3Uri::parse(text(&input["OutputDataConfig"], "S3OutputPath"))?;
    if let Some(uri) = input["CheckpointConfig"]["S3Uri"].as_str() {
        S3Uri::parse(uri)?;
        let path = input["CheckpointConfig"]["LocalPath"].as_str().unwrap_or("/opt/ml/checkpoints");
        if path.trim_end_matches('/') != "/opt/ml/checkpoints" {
            return unsupported("CheckpointConfig.LocalPath other than /opt/ml/checkpoints");
        }
    }
    Ok(())
}

/// Checks the times of managed spot training.
fn check_time(input: &Value) -> Result<(), AwsError> {
    let condition = &input["StoppingCondition"];
    let wait = condition["MaxWaitTimeInSeconds"].as_u64();
    let why = match (input["EnableManagedSpotTraining"] == true, wait) {
        (false, Some(_)) => "It is only supported when EnableManagedSpotTraining is set to true",
        (true, wait) if wait < Some(condition["MaxRuntimeInSeconds"].as_u64().unwrap_or(DEFAULT_RUNTIME)) => {
            "It must be present and be greater than or equal to MaxRuntimeInSeconds"
        }
        _ => return Ok(()),
    };
    Err(AwsError::validation(format!("Invalid MaxWaitTimeInSeconds. {why}")))
}

/// Checks that the subnets and groups of VpcConfig exist. Nothing here limits where the containers connect to.
fn check_network(network: &dyn Network, input: &Value) -> Result<(), AwsError> {
    let config = &input["VpcConfig"];
    let ids = |name: &str| {
        config[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>()
    };
    let groups = ids("SecurityGroupIds");
    ids("Subnets").into_iter().try_for_each(|subnet| {
        network.check_network(subnet, &groups).map_err(|error| AwsError::validation(error.message))
    })
}
