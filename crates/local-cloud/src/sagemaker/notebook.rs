//! Notebook instances, as far as the control plane goes: what they are, and through which states they go. Nothing
//! here pretends to be Jupyter: the URL that AWS would give leads nowhere, and asking for a presigned one is refused.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::resource::{
    Entry, authorize, check_quota, check_role, delete_tags_of, echo, list, now_ms, put_tags, seconds, text,
};
use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::ec2;

pub const NOTEBOOK: &str = "sagemaker.notebook-instance";
/// In ARNs.
pub const PATH: &str = "notebook-instance";
/// How long it takes to start, stop, change or delete one: minutes on AWS, and long enough to be seen here.
const CHANGE: Duration = Duration::from_secs(1);
/// AWS's default for most instance types on an account that has been used; settable.
const QUOTA: u64 = 20;
/// GiB, where none is asked for.
const VOLUME: u64 = 5;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Notebook {
    /// CreateNotebookInstance's, with what UpdateNotebookInstance changed.
    input: Value,
    status: Status,
    created_ms: i64,
    modified_ms: i64,
}

/// NotebookInstanceStatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Status {
    Pending,
    InService,
    Stopping,
    Stopped,
    Updating,
    Deleting,
}

impl Status {
    /// Where it gets by itself. None: it stays; or, with Deleting, it goes.
    fn next(self) -> Option<Self> {
        match self {
            Self::Pending => Some(Self::InService),
            Self::Stopping | Self::Updating => Some(Self::Stopped),
            Self::InService | Self::Stopped | Self::Deleting => None,
        }
    }

    fn moves(self) -> bool {
        self.next().is_some() || self == Self::Deleting
    }
}

fn words(status: Status) -> String {
    json!(status).as_str().unwrap_or_default().to_owned()
}

pub fn call(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    if call.operation == "ListNotebookInstances" {
        authorize(cloud, call, "*")?;
        return list_all(cloud, &call.input);
    }
    let name = text(&call.input, "NotebookInstanceName");
    let arn = arn(cloud, name);
    authorize(cloud, call, &arn)?;
    match call.operation.as_str() {
        "CreateNotebookInstance" => create(cloud, call, name, &arn),
        "DescribeNotebookInstance" => describe(cloud, name, &find(cloud, name)?),
        "StartNotebookInstance" => {
            let notebook = find(cloud, name)?;
            if notebook.status == Status::Stopped {
                check_room(cloud, text(&notebook.input, "InstanceType"))?;
            }
            move_on(cloud, name, &[Status::Stopped], Status::Pending, |_| Ok(()))?;
            Ok(Value::Null)
        }
        "StopNotebookInstance" => {
            move_on(cloud, name, &[Status::InService], Status::Stopping, |_| Ok(()))?;
            Ok(Value::Null)
        }
        "UpdateNotebookInstance" => update(cloud, call, name),
        "DeleteNotebookInstance" => {
            move_on(cloud, name, &[Status::Stopped], Status::Deleting, |_| Ok(()))?;
            Ok(Value::Null)
        }
        // CreatePresignedNotebookInstanceUrl among them: there is no Jupyter behind it.
        _ => Err(call.unsupported("SageMaker")),
    }
}

fn arn(cloud: &Cloud, name: &str) -> String {
    cloud.arn("sagemaker", &format!("{PATH}/{}", name.to_lowercase()))
}

fn find(cloud: &Cloud, name: &str) -> Result<Notebook, AwsError> {
    cloud.store.get(NOTEBOOK, name)?.ok_or_else(not_found)
}

fn not_found() -> AwsError {
    AwsError::validation("RecordNotFound")
}

fn create(cloud: &Arc<Cloud>, call: &Call, name: &str, arn: &str) -> Reply {
    let input = &call.input;
    for member in [
        "LifecycleConfigName",
        "AcceleratorTypes",
        "DefaultCodeRepository",
        "AdditionalCodeRepositories",
        "KmsKeyId",
    ] {
        refuse(input, member, "CreateNotebookInstance")?;
    }
    let groups = input["SecurityGroupIds"].as_array().map(Vec::as_slice).unwrap_or_default();
    match input["SubnetId"].as_str() {
        Some(subnet) => {
            let checked = ec2::check_network(cloud, subnet, groups.iter().filter_map(Value::as_str));
            checked.map_err(|error| AwsError::validation(error.message))?;
        }
        None if !groups.is_empty() => {
            return Err(AwsError::validation(
                "SecurityGroupIds may only be specified together with SubnetId.",
            ));
        }
        None if text(input, "DirectInternetAccess") == "Disabled" => {
            return Err(AwsError::validation(
                "DirectInternetAccess can be Disabled only if SubnetId is specified.",
            ));
        }
        None => {}
    }
    check_role(cloud, &call.caller, text(input, "RoleArn"), "SageMaker")?;
    if cloud.store.get::<Value>(NOTEBOOK, name)?.is_some() {
        return Err(already_there(arn));
    }
    check_room(cloud, text(input, "InstanceType"))?;
    let now = now_ms();
    let notebook =
        Notebook { input: input.clone(), status: Status::Pending, created_ms: now, modified_ms: now };
    if !cloud.store.insert(NOTEBOOK, name, &notebook)? {
        return Err(already_there(arn));
    }
    put_tags(cloud, arn, input)?;
    settle(cloud, name);
    Ok(json!({"NotebookInstanceArn": arn}))
}

fn already_there(arn: &str) -> AwsError {
    AwsError::validation(format!("Cannot create already existing notebook instance \"{arn}\"."))
}

fn refuse(input: &Value, member: &str, operation: &str) -> Result<(), AwsError> {
    match &input[member] {
        Value::Null | Value::Bool(false) => Ok(()),
        _ => Err(AwsError::unsupported("SageMaker", &format!("{member} in {operation}"))),
    }
}

/// Whether one more may run: the quota counts the instances that aren't stopped.
fn check_room(cloud: &Cloud, kind: &str) -> Result<(), AwsError> {
    let all: Vec<(String, Notebook)> = cloud.store.list(NOTEBOOK)?;
    let holds = |notebook: &Notebook| {
        notebook.input["InstanceType"] == kind
            && !matches!(notebook.status, Status::Stopped | Status::Deleting)
    };
    let used = all.iter().filter(|(_, notebook)| holds(notebook)).count() as u64;
    check_quota(cloud, &format!("{kind} for notebook instance usage"), QUOTA, used, 1)
}

fn update(cloud: &Arc<Cloud>, call: &Call, name: &str) -> Reply {
    let input = &call.input;
    for member in
        ["LifecycleConfigName", "AcceleratorTypes", "DefaultCodeRepository", "AdditionalCodeRepositories"]
    {
        refuse(input, member, "UpdateNotebookInstance")?;
    }
    find(cloud, name)?;
    if let Some(role) = input["RoleArn"].as_str() {
        check_role(cloud, &call.caller, role, "SageMaker")?;
    }
    move_on(cloud, name, &[Status::Stopped], Status::Updating, |notebook| {
        let size = notebook.input["VolumeSizeInGB"].as_u64().unwrap_or(VOLUME);
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

fn change(
    cloud: &Cloud,
    name: &str,
    change: impl FnOnce(&mut Notebook) -> Result<(), AwsError>,
) -> Result<(), AwsError> {
    let changed = cloud.store.update(NOTEBOOK, name, |notebook: &mut Notebook| {
        change(notebook)?;
        notebook.modified_ms = now_ms();
        Ok(())
    })?;
    changed.ok_or_else(not_found)
}

/// Changes one that is in one of these states, and lets it go where the new state leads.
fn move_on(
    cloud: &Arc<Cloud>,
    name: &str,
    from: &[Status],
    to: Status,
    more: impl FnOnce(&mut Notebook) -> Result<(), AwsError>,
) -> Result<(), AwsError> {
    let arn = arn(cloud, name);
    change(cloud, name, |notebook| {
        if !from.contains(&notebook.status) {
            // AWS names Failed, too, which none becomes here.
            let states = from
                .iter()
                .map(|status| words(*status))
                .chain(from.contains(&Status::Stopped).then(|| "Failed".to_owned()));
            return Err(AwsError::validation(format!(
                "Status ({}) not in ([{}]). Unable to transition to ({}) for Notebook Instance ({arn}).",
                words(notebook.status),
                states.collect::<Vec<_>>().join(", "),
                words(to)
            )));
        }
        more(notebook)?;
        notebook.status = to;
        Ok(())
    })?;
    settle(cloud, name);
    Ok(())
}

/// In a while, the state that the present one leads to.
fn settle(cloud: &Arc<Cloud>, name: &str) {
    let (cloud, name) = (Arc::clone(cloud), name.to_owned());
    tokio::spawn(async move {
        sleep(CHANGE).await;
        // What cannot be kept is taken up at the next start.
        let _ = finish(&cloud, &name);
    });
}

fn finish(cloud: &Cloud, name: &str) -> Result<(), AwsError> {
    let Some(notebook) = cloud.store.get::<Notebook>(NOTEBOOK, name)? else { return Ok(()) };
    if notebook.status == Status::Deleting {
        delete_tags_of(cloud, &arn(cloud, name))?;
        return cloud.store.delete(NOTEBOOK, name).map(drop);
    }
    match notebook.status.next() {
        Some(next) => change(cloud, name, |notebook| {
            notebook.status = next;
            Ok(())
        }),
        None => Ok(()),
    }
}

/// Lets those go on that a server left on their way.
pub fn recover(cloud: &Arc<Cloud>) -> Result<(), AwsError> {
    let all: Vec<(String, Notebook)> = cloud.store.list(NOTEBOOK)?;
    for (name, _) in all.iter().filter(|(_, notebook)| notebook.status.moves()) {
        settle(cloud, name);
    }
    Ok(())
}

fn url(cloud: &Cloud, name: &str) -> String {
    format!("{}.notebook.{}.sagemaker.aws", name.to_lowercase(), cloud.region)
}

fn describe(cloud: &Cloud, name: &str, notebook: &Notebook) -> Reply {
    let mut answer = echo(&notebook.input, &["Tags", "SecurityGroupIds"]);
    let defaults = [
        ("VolumeSizeInGB", json!(VOLUME)),
        ("DirectInternetAccess", json!("Enabled")),
        ("RootAccess", json!("Enabled")),
        ("PlatformIdentifier", json!("notebook-al2-v3")),
        ("InstanceMetadataServiceConfiguration", json!({"MinimumInstanceMetadataServiceVersion": "1"})),
    ];
    for (member, value) in defaults {
        answer.entry(member).or_insert(value);
    }
    let mut set = |member: &str, value: Value| answer.insert(member.to_owned(), value);
    set("NotebookInstanceArn", json!(arn(cloud, name)));
    set("NotebookInstanceStatus", json!(notebook.status));
    set("Url", json!(url(cloud, name)));
    set("CreationTime", seconds(notebook.created_ms));
    set("LastModifiedTime", seconds(notebook.modified_ms));
    if notebook.input["SecurityGroupIds"].is_array() {
        set("SecurityGroups", notebook.input["SecurityGroupIds"].clone());
    }
    Ok(Value::Object(answer))
}

fn list_all(cloud: &Cloud, input: &Value) -> Reply {
    let all: Vec<(String, Notebook)> = cloud.store.list(NOTEBOOK)?;
    let entries = all.into_iter().map(|(name, notebook)| Entry {
        created_ms: notebook.created_ms,
        modified_ms: notebook.modified_ms,
        status: words(notebook.status),
        summary: json!({
            "NotebookInstanceName": name,
            "NotebookInstanceArn": arn(cloud, &name),
            "NotebookInstanceStatus": notebook.status,
            "Url": url(cloud, &name),
            "InstanceType": notebook.input["InstanceType"],
            "CreationTime": seconds(notebook.created_ms),
            "LastModifiedTime": seconds(notebook.modified_ms),
        }),
        name,
    });
    // Those that repositories or lifecycle configurations are asked of: none has any.
    let none = [
        "NotebookInstanceLifecycleConfigNameContains",
        "DefaultCodeRepositoryContains",
        "AdditionalCodeRepositoryEquals",
    ]
    .iter()
    .any(|filter| !input[*filter].is_null());
    list("NotebookInstances", input, entries.filter(|_| !none).collect())
}
