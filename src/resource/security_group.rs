//! EC2 security group that allows only SSH from given addresses.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Filter, IpPermission, IpRange, ResourceType, SecurityGroup as Described};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::instance::tag_specification;
use super::traits::{Live, Naming, Report, Resource, Status, Tags, facts};
use crate::aws::{Aws, failure, present};
use crate::failure::{Failure, Outcome};

const SSH: i32 = 22;
/// How many times to try to delete a group while EC2 still uses it for a terminated instance.
const ATTEMPTS: u32 = 30;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SecurityGroup {
    pub base: String,
    /// The addresses that may connect, as CIDR.
    pub ssh_from: BTreeSet<String>,
    /// The default is the default VPC.
    pub vpc_id: Option<String>,
}

impl Resource for SecurityGroup {
    const TYPE: &'static str = "security-group";
    const ROWS: &'static [&'static str] = &["ingress"];
    const STAGED: bool = true;

    fn naming(&self) -> Naming {
        Naming::Timestamp { base: self.base.clone(), max: 255 }
    }

    fn replaces(&self, old: &Self) -> bool {
        self.vpc_id != old.vpc_id
    }

    async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
        let Some(group) = self.find(aws, name).await? else { return Ok(None) };
        let rules = group.ip_permissions().iter().map(|rule| {
            let from: Vec<&str> = rule.ip_ranges().iter().filter_map(|range| range.cidr_ip()).collect();
            let port = rule.from_port().map_or("every port".to_owned(), |port| format!("port {port}"));
            format!("{} {port} from {}", rule.ip_protocol().unwrap_or_default(), from.join(", "))
        });
        Ok(Some(Live {
            status: Status::Ready,
            facts: facts([
                ("id", json!(group.group_id())),
                ("vpc_id", json!(group.vpc_id())),
                ("ingress", json!(rules.collect::<Vec<_>>())),
            ]),
        }))
    }

    async fn create(&self, aws: &Aws, name: &str, tags: &Tags, progress: Report<'_>) -> Outcome<()> {
        let created = aws
            .ec2
            .create_security_group()
            .group_name(name)
            .description("SSH from one address, made by opsml")
            .set_vpc_id(self.vpc_id.clone())
            .tag_specifications(tag_specification(ResourceType::SecurityGroup, tags))
            .send()
            .await;
        created.map_err(|error| failure("CreateSecurityGroup", error))?;
        self.update(aws, name, tags, progress).await
    }

    async fn update(&self, aws: &Aws, name: &str, _tags: &Tags, _progress: Report<'_>) -> Outcome<()> {
        let group = self.find(aws, name).await?;
        let group =
            group.ok_or_else(|| Failure::new("Gone", format!("security group {name} was deleted")))?;
        let id = group.group_id().unwrap_or_default();
        let there: BTreeSet<String> = group
            .ip_permissions()
            .iter()
            .filter(|rule| rule.from_port() == Some(SSH) && rule.to_port() == Some(SSH))
            .flat_map(|rule| rule.ip_ranges())
            .filter_map(|range| range.cidr_ip().map(str::to_owned))
            .collect();
        for cidr in self.ssh_from.difference(&there) {
            let rule = aws.ec2.authorize_security_group_ingress().group_id(id).ip_permissions(ssh(cidr));
            match rule.send().await.map_err(|error| failure("AuthorizeSecurityGroupIngress", error)) {
                // A reply was lost, and the SDK has made the call again.
                Err(again) if again.code == "InvalidPermission.Duplicate" => {}
                added => drop(added?),
            }
        }
        for cidr in there.difference(&self.ssh_from) {
            let rule = aws.ec2.revoke_security_group_ingress().group_id(id).ip_permissions(ssh(cidr));
            rule.send().await.map_err(|error| failure("RevokeSecurityGroupIngress", error))?;
        }
        Ok(())
    }

    fn stand_in(name: &str) -> Option<Self> {
        Some(Self { base: name.to_owned(), ..Self::default() })
    }

    async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
        let Some(group) = self.find(aws, name).await? else { return Ok(()) };
        let mut attempt = 0;
        loop {
            let deleted = aws.ec2.delete_security_group().set_group_id(group.group_id().map(str::to_owned));
            let deleted = deleted.send().await.map_err(|error| failure("DeleteSecurityGroup", error));
            match deleted {
                // The network interface of a terminated instance is deleted a little later.
                Err(failure) if failure.code == "DependencyViolation" && attempt < ATTEMPTS => {
                    aws.pause(attempt).await?;
                    attempt += 1;
                }
                other => return present(other).map(|_| ()),
            }
        }
    }
}

impl SecurityGroup {
    async fn find(&self, aws: &Aws, name: &str) -> Outcome<Option<Described>> {
        let by_name = Filter::builder().name("group-name").values(name).build();
        let groups = aws.ec2.describe_security_groups().filters(by_name).send().await;
        let groups = groups.map_err(|error| failure("DescribeSecurityGroups", error))?;
        Ok(groups.security_groups().first().cloned())
    }
}

fn ssh(cidr: &str) -> IpPermission {
    IpPermission::builder()
        .ip_protocol("tcp")
        .from_port(SSH)
        .to_port(SSH)
        .ip_ranges(IpRange::builder().cidr_ip(cidr).description("SSH").build())
        .build()
}
