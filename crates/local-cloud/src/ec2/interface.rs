//! The network interface in a request to launch instances. It names the subnet and the groups, as the request itself can.

use serde_json::{Value, json};

use super::error::{error, lacking, unsupported};
use crate::call::AwsError;

/// Returns a launch's input with the subnet and the groups in their own members. None: the input names no interface.
///
/// # Errors
/// There are several interfaces, or the interface asks for what the local cloud lacks, such as a public address.
pub fn flattened(input: &Value) -> Result<Option<Value>, AwsError> {
    let interface = match input["NetworkInterfaces"].as_array().map(Vec::as_slice) {
        None | Some([]) => return Ok(None),
        Some([interface]) => interface,
        Some(_) => return Err(lacking("RunInstances with several network interfaces")),
    };
    if interface["AssociatePublicIpAddress"] == true {
        return Err(unsupported(
            "an instance has no public address, so that no SSH reaches it: it is a group of processes on this machine. Give \
             its work as user data; GetConsoleOutput returns what that prints",
        ));
    }
    if interface["DeleteOnTermination"] == false {
        return Err(lacking("network interfaces that outlive their instance (DeleteOnTermination false)"));
    }
    if interface["DeviceIndex"].as_i64() != Some(0) {
        return Err(error(
            "InvalidParameterValue",
            "The first network interface must have the device index 0.",
        ));
    }
    let given = |member: &str| input[member].as_array().is_some_and(|items| !items.is_empty());
    if !input["SubnetId"].is_null() || given("SecurityGroupIds") || given("SecurityGroups") {
        return Err(error(
            "InvalidParameterCombination",
            "Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request",
        ));
    }
    let mut flat = input.clone();
    if let Some(members) = flat.as_object_mut() {
        members.shift_remove("NetworkInterfaces");
    }
    if let Some(subnet) = interface["SubnetId"].as_str() {
        flat["SubnetId"] = json!(subnet);
    }
    if let Some(groups) = interface["Groups"].as_array() {
        flat["SecurityGroupIds"] = json!(groups);
    }
    Ok(Some(flat))
}
