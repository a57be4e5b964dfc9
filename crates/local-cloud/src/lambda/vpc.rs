//! Functions in a VPC. Their settings are checked as on AWS, and they reach nothing.
//!
//! The local VPC has neither a NAT gateway nor VPC endpoints. So a function in it gets as AWS's endpoint an address
//! that accepts connections and never answers: calls hang until the function's time-out, as on AWS. The function still
//! has a log, which Lambda writes.

use std::net::Ipv4Addr;

use serde_json::Value;
use tokio::io::{copy, sink};
use tokio::net::TcpListener;

use super::errors::invalid;
use super::host::Host;
use super::record::Vpc;
use crate::authority::Access;
use crate::call::{AwsError, Caller};
use crate::ec2::Network;

/// Reads the subnets and security groups of a request's VpcConfig. None: the function is in no VPC.
///
/// # Errors
/// One doesn't exist; the request names only subnets or only groups.
pub fn read(network: &dyn Network, config: &Value) -> Result<Option<Vpc>, AwsError> {
    let texts = |member: &str| -> Vec<String> {
        let items = config[member].as_array().into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let vpc = Vpc { subnets: texts("SubnetIds"), groups: texts("SecurityGroupIds") };
    if vpc.subnets.is_empty() != vpc.groups.is_empty() {
        return Err(invalid("SubnetIds and SecurityIds must coexist or be both empty list."));
    }
    let groups: Vec<&str> = vpc.groups.iter().map(String::as_str).collect();
    for subnet in &vpc.subnets {
        network.check_network(subnet, &groups).map_err(|error| {
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

/// Checks that a function's role may create the network interface that a function in a VPC has.
///
/// # Errors
/// `InvalidParameterValueException`: it may not.
pub fn check_role(host: &Host, role: &Caller) -> Result<(), AwsError> {
    let anywhere = host.cloud.arn("ec2", "network-interface/*");
    for (action, resource) in [
        ("CreateNetworkInterface", anywhere.as_str()),
        ("DescribeNetworkInterfaces", "*"),
        ("DeleteNetworkInterface", &anywhere),
    ] {
        let allowed = host.iam.authorize(role, &Access::new(format!("ec2:{action}"), resource));
        allowed.map_err(|_| {
            invalid(format!("The provided execution role does not have permissions to call {action} on EC2"))
        })?;
    }
    Ok(())
}

/// Returns the address at which nothing ever answers.
pub async fn unreachable(host: &Host) -> String {
    let port = host.unreachable.get_or_try_init(|| async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(async move {
            // If accepting fails, the client waits as well.
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move { copy(&mut stream, &mut sink()).await });
            }
        });
        Ok::<_, std::io::Error>(port)
    });
    // If no port is free, it is that of the discard service. If nothing listens there, calls fail at once.
    format!("http://127.0.0.1:{}", port.await.copied().unwrap_or(9))
}
