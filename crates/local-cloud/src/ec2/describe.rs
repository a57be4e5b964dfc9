//! DescribeInstances, DescribeInstanceStatus, DescribeInstanceAttribute and GetConsoleOutput.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::error::{error, lacking};
use super::expire::forget_terminated;
use super::group::{self, Group};
use super::host::Folder;
use super::instance::{self, Instance};
use super::request::{Filters, Needed, Request};
use super::reservation::{joined, reserved};
use super::state::{Shutdown, State};
use super::tags;
use crate::call::{AwsError, Reply};

const FILTERS: Filters = &[
    ("architecture", "Instances.Architecture"),
    ("availability-zone", "Instances.Placement.AvailabilityZone"),
    ("client-token", "Instances.ClientToken"),
    ("group-id", "Instances.SecurityGroups.GroupId"),
    ("group-name", "Instances.SecurityGroups.GroupName"),
    ("iam-instance-profile.arn", "Instances.IamInstanceProfile.Arn"),
    ("image-id", "Instances.ImageId"),
    ("instance-id", "Instances.InstanceId"),
    ("instance-lifecycle", "Instances.InstanceLifecycle"),
    ("instance-state-code", "Instances.State.Code"),
    ("instance-state-name", "Instances.State.Name"),
    ("instance-type", "Instances.InstanceType"),
    ("instance.group-id", "Instances.SecurityGroups.GroupId"),
    ("instance.group-name", "Instances.SecurityGroups.GroupName"),
    ("key-name", "Instances.KeyName"),
    ("launch-time", "Instances.LaunchTime"),
    ("owner-id", "OwnerId"),
    ("private-ip-address", "Instances.PrivateIpAddress"),
    ("reservation-id", "ReservationId"),
    ("spot-instance-request-id", "Instances.SpotInstanceRequestId"),
    ("state-reason-code", "Instances.StateReason.Code"),
    ("subnet-id", "Instances.SubnetId"),
    ("vpc-id", "Instances.VpcId"),
];

/// Returns the instances that a request names, or all if it names none.
fn named(request: &Request) -> Result<Vec<Instance>, AwsError> {
    let ids = request.texts("InstanceIds");
    if ids.is_empty() { instance::all(request.cloud()) } else { instance::of_ids(request.cloud(), &ids) }
}

pub fn describe(request: &Request) -> Reply {
    request.dry_run()?;
    forget_terminated(request.cloud())?;
    let ids = request.input()["InstanceIds"].is_array();
    if ids && request.input()["MaxResults"].is_number() {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(error("InvalidParameterCombination", message));
    }
    let entries = request.filtered(reserved(request.cloud(), &named(request)?)?, FILTERS)?;
    let mut answer = request.page("Reservations", entries)?;
    if let Value::Array(entries) = answer["Reservations"].take() {
        answer["Reservations"] = Value::Array(joined(entries));
    }
    Ok(answer)
}

const STATUS_FILTERS: Filters = &[
    ("availability-zone", "AvailabilityZone"),
    ("instance-state-code", "InstanceState.Code"),
    ("instance-state-name", "InstanceState.Name"),
    ("instance-status.status", "InstanceStatus.Status"),
    ("system-status.status", "SystemStatus.Status"),
];

pub fn describe_status(request: &Request) -> Reply {
    request.dry_run()?;
    let all = request.flag("IncludeAllInstances");
    let status = |instance: &Instance| {
        // An instance is running exactly as long as its first process, so its status checks pass that long.
        let health = match instance.state {
            State::Running => {
                json!({"Status": "ok", "Details": [{"Name": "reachability", "Status": "passed"}]})
            }
            _ => json!({"Status": "not-applicable"}),
        };
        json!({
            "AvailabilityZone": instance.zone,
            "InstanceId": instance.id,
            "InstanceState": instance.state.described(),
            "InstanceStatus": health,
            "SystemStatus": health,
        })
    };
    let instances = named(request)?;
    let items = instances.iter().filter(|each| all || each.state == State::Running).map(status).collect();
    request.listed("InstanceStatuses", items, STATUS_FILTERS)
}

/// Answers DescribeInstanceAttribute.
pub fn attribute(request: &Request) -> Reply {
    let cloud = request.cloud();
    request.dry_run()?;
    let instance = instance::get(cloud, request.text("InstanceId"))?;
    let (member, value) = match request.text("Attribute") {
        "instanceType" => ("InstanceType", json!({"Value": instance.kind})),
        "userData" => ("UserData", json!({"Value": instance.user_data})),
        "disableApiTermination" => ("DisableApiTermination", json!({"Value": instance.protected})),
        "instanceInitiatedShutdownBehavior" => {
            let stops = matches!(instance.on_shutdown, Shutdown::Stop);
            let does = if stops { "stop" } else { "terminate" };
            ("InstanceInitiatedShutdownBehavior", json!({"Value": does}))
        }
        "groupSet" => {
            let groups = instance.groups.iter().map(|id| group::by_id(cloud, id));
            let described = |group: &Group| json!({"GroupId": group.id, "GroupName": group.name});
            let groups: Vec<Group> = groups.collect::<Result<_, _>>()?;
            ("Groups", groups.iter().map(described).collect())
        }
        other => return Err(lacking(&format!("DescribeInstanceAttribute with {other}"))),
    };
    Ok(json!({"InstanceId": instance.id, member: value}))
}

pub fn console_needs(request: &Request) -> Needed {
    let id = request.text("InstanceId");
    instance::get(request.cloud(), id)?;
    let context = tags::resource_context(request.cloud(), id)?;
    Ok(vec![request.access(request.arn("instance", id), context)])
}

/// Returns the last 64 KiB of the user data's output. They are kept as long as a terminated instance is visible.
pub fn console(request: &Request) -> Reply {
    let (cloud, id) = (request.cloud(), request.text("InstanceId"));
    request.dry_run()?;
    let output = match instance::get(cloud, id)?.state {
        State::Terminated => instance::kept_console(cloud, id)?,
        // An instance without a console has not booted yet, or is being deleted.
        _ => Folder::of(&cloud.settings.dir, id).console().ok(),
    };
    let output = output.map(|text| BASE64_STANDARD.encode(text));
    Ok(json!({"InstanceId": id, "Output": output, "Timestamp": Timestamp::now().to_string()}))
}
