//! Instances as RunInstances and DescribeInstances describe them: in reservations, one for each launch.

use serde_json::{Value, json};

use super::group::{self, Group};
use super::instance::Instance;
use super::state::Reason;
use super::{images, network, tags};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;

/// Returns RunInstances' answer: the reservation of the instances that it launched.
pub fn reservation(cloud: &Cloud, instances: &[Instance]) -> Reply {
    let joined = joined(reserved(cloud, instances)?);
    joined.into_iter().next().ok_or_else(|| AwsError::internal("a reservation without instances"))
}

/// Returns one reservation for each instance, for the filters. [`joined`] joins them for the answer.
pub fn reserved(cloud: &Cloud, instances: &[Instance]) -> Result<Vec<Value>, AwsError> {
    let groups = group::all(cloud)?;
    let reserved = |instance: &Instance| -> Reply {
        let description = described(cloud, instance, &groups)?;
        Ok(json!({
            "Groups": [],
            "OwnerId": cloud.account,
            "ReservationId": instance.reservation,
            "Tags": description["Tags"],
            "Instances": [description],
        }))
    };
    instances.iter().map(reserved).collect()
}

/// Joins consecutive reservations with the same id.
pub fn joined(entries: Vec<Value>) -> Vec<Value> {
    let mut reservations: Vec<Value> = Vec::new();
    for mut entry in entries {
        // In the answer a reservation has no tags. They were only there for the filters.
        if let Some(entry) = entry.as_object_mut() {
            entry.shift_remove("Tags");
        }
        match reservations.last_mut() {
            Some(last) if last["ReservationId"] == entry["ReservationId"] => {
                if let (Some(list), Some(more)) =
                    (last["Instances"].as_array_mut(), entry["Instances"].as_array_mut())
                {
                    list.append(more);
                }
            }
            _ => reservations.push(entry),
        }
    }
    reservations
}

fn transition(instance: &Instance) -> String {
    match instance.reason {
        Some(Reason::User) => {
            format!("User initiated ({})", instance.changed.strftime("%Y-%m-%d %H:%M:%S GMT"))
        }
        Some(Reason::Spot) => "Server.SpotInstanceTermination".to_owned(),
        Some(Reason::Internal) => "Server.InternalError".to_owned(),
        Some(Reason::Itself) | None => String::new(),
    }
}

/// Returns an instance as DescribeInstances describes it.
fn described(cloud: &Cloud, instance: &Instance, known: &[Group]) -> Reply {
    let group = |id: &String| {
        let name = known.iter().find(|group| group.id == *id).map(|group| &group.name);
        json!({"GroupId": id, "GroupName": name})
    };
    // A terminated instance has no volume, network interface and groups any more.
    let live = !instance.state.is_terminated();
    let attached = instance.launched.to_string();
    let groups: Vec<Value> = instance.groups.iter().filter(|_| live).map(group).collect();
    let host_name = if live { instance.host_name(cloud) } else { String::new() };
    let mut description = json!({
        "AmiLaunchIndex": instance.index,
        "Architecture": images::ARCHITECTURE,
        "BlockDeviceMappings": [],
        "ClientToken": instance.client_token.as_deref().unwrap_or_default(),
        "CpuOptions": {"CoreCount": instance.vcpus.div_ceil(2), "ThreadsPerCore": instance.vcpus.min(2)},
        "EbsOptimized": instance.ebs_optimized,
        "EnaSupport": true,
        "Hypervisor": "xen",
        "IamInstanceProfile":
            instance.profile.as_ref().map(|profile| json!({"Arn": profile.arn, "Id": profile.id})),
        "ImageId": instance.image,
        "InstanceId": instance.id,
        "InstanceLifecycle": instance.spot.as_ref().map(|_| "spot"),
        "InstanceType": instance.kind,
        "KeyName": instance.key,
        "LaunchTime": attached,
        "MetadataOptions": {
            "HttpEndpoint": if instance.metadata.enabled { "enabled" } else { "disabled" },
            "HttpProtocolIpv6": "disabled",
            "HttpPutResponseHopLimit": instance.metadata.hops,
            "HttpTokens": if instance.metadata.token_required { "required" } else { "optional" },
            "InstanceMetadataTags": "disabled",
            "State": "applied",
        },
        "Monitoring": {"State": if instance.monitoring { "enabled" } else { "disabled" }},
        "NetworkInterfaces": [],
        "Placement": {"AvailabilityZone": instance.zone, "GroupName": "", "Tenancy": "default"},
        "PlatformDetails": "Linux/UNIX",
        "PrivateDnsName": host_name,
        "ProductCodes": [],
        "PublicDnsName": "",
        "RootDeviceName": images::ROOT_DEVICE,
        "RootDeviceType": "ebs",
        "SecurityGroups": groups,
        "SpotInstanceRequestId": instance.spot,
        "State": instance.state.described(),
        "StateReason": instance.reason.map(Reason::described),
        "StateTransitionReason": transition(instance),
        "Tags": tags::of(cloud, &instance.id)?,
        "UsageOperation": "RunInstances",
        "VirtualizationType": "hvm",
    });
    if live {
        description["BlockDeviceMappings"] = json!([{"DeviceName": images::ROOT_DEVICE, "Ebs": {
            "AttachTime": attached, "DeleteOnTermination": instance.volume.delete_on_termination,
            "Status": "attached", "VolumeId": instance.volume.id,
        }}]);
        description["NetworkInterfaces"] = json!([{
            "Attachment": {
                "AttachTime": attached, "DeleteOnTermination": true, "DeviceIndex": 0, "Status": "attached",
            },
            "Description": "",
            "Groups": groups,
            "NetworkInterfaceId": instance.interface,
            "OwnerId": cloud.account,
            "PrivateDnsName": host_name,
            "PrivateIpAddress": instance.address,
            "SourceDestCheck": true,
            "Status": "in-use",
            "SubnetId": instance.subnet,
            "VpcId": network::vpc_id(cloud),
        }]);
        description["PrivateIpAddress"] = json!(instance.address);
        description["SubnetId"] = json!(instance.subnet);
        description["VpcId"] = json!(network::vpc_id(cloud));
    }
    Ok(description)
}
