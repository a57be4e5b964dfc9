//! The checks of CreateTrainingJob in addition to those by AWS's model.

use std::collections::HashSet;

use regex::Regex;
use serde_json::Value;

use super::layout::channels;
use super::script::launcher;
use crate::call::AwsError;
use crate::sagemaker::resource::text;
use crate::sagemaker::transfer::S3Uri;

/// Checks an input that fits AWS's model.
///
/// # Errors
/// A ValidationException; `UnknownOperationException` for what the local cloud lacks.
pub fn check(input: &Value) -> Result<(), AwsError> {
    let unsupported =
        |what: &str| Err(AwsError::unsupported("SageMaker", &format!("{what} in CreateTrainingJob")));
    for member in ["VpcConfig", "ServerlessJobConfig", "EnableManagedSpotTraining", "RetryStrategy"] {
        if !matches!(input[member], Value::Null | Value::Bool(false)) {
            return unsupported(member);
        }
    }
    let resources = &input["ResourceConfig"];
    for member in ["InstanceGroups", "KeepAlivePeriodInSeconds", "TrainingPlanArn"] {
        if !resources[member].is_null() {
            return unsupported(&format!("ResourceConfig.{member}"));
        }
    }
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
        S3Uri::parse(text(source, "S3Uri"))?;
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
