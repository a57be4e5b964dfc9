//! The operations on notebook instances.

use serde_json::{Value, json};

use super::record::{Notebook, STORE, Status, all, arn, find};
use super::steps::{finish_later, move_on};
use crate::authority::Access;
use crate::call::{AwsError, Reply};
use crate::sagemaker::listing;
use crate::sagemaker::resource::text;
use crate::sagemaker::service::Request;
use crate::sagemaker::{access, quota, tags};
use crate::store::Store;

pub fn on_notebook(request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
    access::on(request, arn(request.service.cloud(), name(request)))
}

fn name<'a>(request: &Request<'a>) -> &'a str {
    request.text("NotebookInstanceName")
}

pub fn create(request: &Request<'_>) -> Reply {
    let (service, name) = (request.service, name(request));
    let (arn, store) = (arn(service.cloud(), name), service.store());
    check_network(request)?;
    access::pass_role(request, request.text("RoleArn"))?;
    if store.get::<Value>(STORE, name)?.is_some() {
        return Err(already_there(&arn));
    }
    check_room(store, request.text("InstanceType"))?;
    if !store.insert(STORE, name, &Notebook::new(request.input().clone()))? {
        return Err(already_there(&arn));
    }
    tags::add(store, &arn, request.input())?;
    finish_later(service, name);
    Ok(json!({"NotebookInstanceArn": arn}))
}

fn already_there(arn: &str) -> AwsError {
    AwsError::validation(format!("Cannot create already existing notebook instance \"{arn}\"."))
}

fn check_network(request: &Request<'_>) -> Result<(), AwsError> {
    let groups = request.texts("SecurityGroupIds");
    match request.optional("SubnetId") {
        Some(subnet) => {
            let checked = request.service.network.check_network(subnet, &groups);
            checked.map_err(|error| AwsError::validation(error.message))
        }
        None if !groups.is_empty() => {
            Err(AwsError::validation("SecurityGroupIds may only be specified together with SubnetId."))
        }
        None if request.text("DirectInternetAccess") == "Disabled" => {
            Err(AwsError::validation("DirectInternetAccess can be Disabled only if SubnetId is specified."))
        }
        None => Ok(()),
    }
}

/// Checks that one more may run. Stopped ones don't count.
fn check_room(store: &Store, instance_type: &str) -> Result<(), AwsError> {
    let counts = |notebook: &Notebook| {
        notebook.input["InstanceType"] == instance_type
            && !matches!(notebook.status, Status::Stopped | Status::Deleting)
    };
    let used = all(store)?.iter().filter(|(_, notebook)| counts(notebook)).count() as u64;
    quota::check_instances(store, instance_type, "notebook instance", used, 1)
}

pub fn describe(request: &Request<'_>) -> Reply {
    let name = name(request);
    Ok(find(request.service.store(), name)?.describe(request.service.cloud(), name))
}

pub fn list(request: &Request<'_>) -> Reply {
    let cloud = request.service.cloud();
    // No notebook instance here has a repository or a lifecycle configuration, so these filters match none.
    let filters = [
        "NotebookInstanceLifecycleConfigNameContains",
        "DefaultCodeRepositoryContains",
        "AdditionalCodeRepositoryEquals",
    ];
    let all = match filters.iter().all(|filter| request.input()[*filter].is_null()) {
        true => all(&cloud.store)?,
        false => Vec::new(),
    };
    let entries = all.into_iter().map(|(name, notebook)| notebook.entry(cloud, name));
    listing::list("NotebookInstances", request.input(), entries.collect())
}

pub fn start(request: &Request<'_>) -> Reply {
    let (service, name) = (request.service, name(request));
    let notebook = find(service.store(), name)?;
    if notebook.status == Status::Stopped {
        check_room(service.store(), text(&notebook.input, "InstanceType"))?;
    }
    move_on(service, name, Status::Stopped, Status::Pending, |_| Ok(()))?;
    Ok(Value::Null)
}

pub fn stop(request: &Request<'_>) -> Reply {
    move_on(request.service, name(request), Status::InService, Status::Stopping, |_| Ok(()))?;
    Ok(Value::Null)
}

pub fn delete(request: &Request<'_>) -> Reply {
    move_on(request.service, name(request), Status::Stopped, Status::Deleting, |_| Ok(()))?;
    Ok(Value::Null)
}

pub fn update(request: &Request<'_>) -> Reply {
    let (service, name, input) = (request.service, name(request), request.input());
    find(service.store(), name)?;
    if let Some(role) = request.optional("RoleArn") {
        access::pass_role(request, role)?;
    }
    move_on(service, name, Status::Stopped, Status::Updating, |notebook| {
        let size = notebook.volume();
        if input["VolumeSizeInGB"].as_u64().is_some_and(|asked| asked < size) {
            return Err(AwsError::validation(format!(
                "The volume size of a notebook instance can only be increased: it is {size} GB."
            )));
        }
        let kept = [
            "InstanceType",
            "RoleArn",
            "VolumeSizeInGB",
            "RootAccess",
            "PlatformIdentifier",
            "IpAddressType",
            "InstanceMetadataServiceConfiguration",
        ];
        for member in kept.into_iter().filter(|member| !input[*member].is_null()) {
            notebook.input[member] = input[member].clone();
        }
        Ok(())
    })?;
    Ok(json!({}))
}
