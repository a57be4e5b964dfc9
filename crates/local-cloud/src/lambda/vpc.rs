//! Functions in a VPC: checked as AWS does, and cut off.
//!
//! The local VPC has neither a NAT gateway nor VPC endpoints, so nothing that a function in it calls ever answers: what
//! stands for AWS is an address that takes connections and says nothing. The function hangs until its time-out, as it
//! would on AWS. Its log is Lambda's to write, and is there.

use std::net::Ipv4Addr;

use serde_json::Value;
use tokio::io::{copy, sink};
use tokio::net::TcpListener;

use super::model::{Vpc, invalid};
use crate::call::{AwsError, Caller};
use crate::cloud::Cloud;
use crate::ec2;
use crate::iam::Context;

/// The subnets and groups that a call names. None: no VPC.
///
/// # Errors
/// They aren't there, or only one of the two is named; Ipv6AllowedForDualStack.
pub fn read(cloud: &Cloud, config: &Value) -> Result<Option<Vpc>, AwsError> {
    let texts = |member: &str| -> Vec<String> {
        let items = config[member].as_array().into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    if config["Ipv6AllowedForDualStack"] == true {
        return Err(AwsError::unsupported("Lambda", "Ipv6AllowedForDualStack"));
    }
    let vpc = Vpc { subnets: texts("SubnetIds"), groups: texts("SecurityGroupIds") };
    if vpc.subnets.is_empty() != vpc.groups.is_empty() {
        return Err(invalid("SubnetIds and SecurityIds must coexist or be both empty list."));
    }
    for subnet in &vpc.subnets {
        ec2::check_network(cloud, subnet, vpc.groups.iter().map(String::as_str)).map_err(|error| {
            let call = if error.code.starts_with("InvalidSubnet") {
                "DescribeSubnets"
            } else {
                "DescribeSecurityGroups"
            };
            invalid(format!(
                "Error occurred while {call}. EC2 Error Code: {}. EC2 Error Message: {}",
                error.code, error.message
            ))
        })?;
    }
    Ok((!vpc.subnets.is_empty()).then_some(vpc))
}

/// Whether Lambda, as the role, may make the network interface that a function in a VPC has.
pub fn check_role(cloud: &Cloud, role: &Caller) -> Result<(), AwsError> {
    let anywhere = cloud.arn("ec2", "network-interface/*");
    for (action, resource) in [
        ("CreateNetworkInterface", anywhere.as_str()),
        ("DescribeNetworkInterfaces", "*"),
        ("DeleteNetworkInterface", &anywhere),
    ] {
        let may = cloud.authorize(role, &format!("ec2:{action}"), resource, &Context::new());
        may.map_err(|_| {
            invalid(format!("The provided execution role does not have permissions to call {action} on EC2"))
        })?;
    }
    Ok(())
}

/// The address at which nothing ever answers. Empty, so that nothing is reached either, where none can be had.
pub async fn nowhere(cloud: &Cloud) -> String {
    let port = cloud.lambda.nowhere.get_or_try_init(|| async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(async move {
            // One that is not accepted is as good as one that is and hears nothing.
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move { copy(&mut stream, &mut sink()).await });
            }
        });
        Ok::<_, std::io::Error>(port)
    });
    // Port 9 is the one that discards; where even that is closed, calls are refused at once.
    format!("http://127.0.0.1:{}", port.await.copied().unwrap_or(9))
}
