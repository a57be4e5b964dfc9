//! SageMaker notebook instance.

use aws_sdk_sagemaker::types::{DirectInternetAccess, InstanceType, NotebookInstanceStatus, RootAccess};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::training_job::{sagemaker_tags, sdk_tags};
use super::traits::{Bills, Drawn, Live, Naming, Report, Resource, Status, Tags, facts};
use super::visible::until_visible;
use crate::aws::{Aws, failure, present};
use crate::failure::{Failure, Outcome};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NotebookInstance {
    pub name: Option<String>,
    pub base: String,
    pub instance_type: String,
    pub role_arn: String,
    pub volume_size_gb: i32,
    pub root_access: bool,
    pub direct_internet_access: bool,
    pub subnet_id: Option<String>,
    pub security_group_ids: Vec<String>,
}

impl Resource for NotebookInstance {
    const TYPE: &'static str = "notebook-instance";
    const ROWS: &'static [&'static str] =
        &["instance_type", "volume_size_gb", "root_access", "direct_internet_access"];
    const DRAWN: Drawn = Drawn::Box;

    fn naming(&self) -> Naming {
        match &self.name {
            Some(name) => Naming::Fixed(name.clone()),
            None => Naming::Stack { base: self.base.clone(), max: 63 },
        }
    }

    /// UpdateNotebookInstance cannot change these, and a volume can only grow.
    fn replaces(&self, old: &Self) -> bool {
        let place = |one: &Self| {
            let network = (one.subnet_id.clone(), one.security_group_ids.clone(), one.direct_internet_access);
            (one.name.clone(), network)
        };
        place(self) != place(old) || self.volume_size_gb < old.volume_size_gb
    }

    async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
        let notebook = aws.sagemaker.describe_notebook_instance().notebook_instance_name(name).send().await;
        let notebook = notebook.map_err(|error| failure("DescribeNotebookInstance", error));
        let Some(notebook) = present(notebook)? else { return Ok(None) };
        let said = notebook.notebook_instance_status();
        let text = said.map_or("", |status| status.as_str());
        let status = match said {
            Some(NotebookInstanceStatus::InService) => Status::Ready,
            Some(NotebookInstanceStatus::Failed) => {
                Status::Failed(notebook.failure_reason().unwrap_or("the service gives no reason").to_owned())
            }
            // Somebody stopped it. It exists and costs almost nothing.
            Some(NotebookInstanceStatus::Stopped) => Status::Ready,
            _ => Status::Pending(text.to_owned()),
        };
        Ok(Some(Live {
            status,
            facts: facts([
                ("arn", json!(notebook.notebook_instance_arn())),
                ("status", json!(text)),
                ("url", json!(notebook.url())),
                ("instance_type", json!(notebook.instance_type().map(|kind| kind.as_str()))),
                ("role_arn", json!(notebook.role_arn())),
                ("root_access", json!(notebook.root_access().map(|access| access.as_str()))),
                (
                    "direct_internet_access",
                    json!(notebook.direct_internet_access().map(|access| access.as_str())),
                ),
                ("subnet_id", json!(notebook.subnet_id())),
                ("security_groups", json!(notebook.security_groups())),
                ("volume_size_gb", json!(notebook.volume_size_in_gb())),
            ]),
        }))
    }

    async fn tags(&self, aws: &Aws, name: &str) -> Outcome<Tags> {
        sagemaker_tags(aws, Self::TYPE, name).await
    }

    async fn create(&self, aws: &Aws, name: &str, tags: &Tags, progress: Report<'_>) -> Outcome<()> {
        let groups = Some(self.security_group_ids.clone()).filter(|groups| !groups.is_empty());
        until_visible(aws, &self.role_arn, progress, async || {
            let created = aws
                .sagemaker
                .create_notebook_instance()
                .notebook_instance_name(name)
                .instance_type(InstanceType::from(self.instance_type.as_str()))
                .role_arn(&self.role_arn)
                .volume_size_in_gb(self.volume_size_gb)
                .root_access(self.root())
                .direct_internet_access(match self.direct_internet_access {
                    true => DirectInternetAccess::Enabled,
                    false => DirectInternetAccess::Disabled,
                })
                .set_subnet_id(self.subnet_id.clone())
                .set_security_group_ids(groups.clone())
                .set_tags(Some(sdk_tags(tags)))
                .send()
                .await;
            created.map(|_| ()).map_err(|error| failure("CreateNotebookInstance", error))
        })
        .await
    }

    /// AWS updates a notebook instance only while it is stopped.
    async fn update(&self, aws: &Aws, name: &str, _tags: &Tags, progress: Report<'_>) -> Outcome<()> {
        self.stop(aws, name).await?;
        progress(format!("updating notebook instance {name}"), None);
        let updated = aws
            .sagemaker
            .update_notebook_instance()
            .notebook_instance_name(name)
            .instance_type(InstanceType::from(self.instance_type.as_str()))
            .role_arn(&self.role_arn)
            .volume_size_in_gb(self.volume_size_gb)
            .root_access(self.root())
            .send()
            .await;
        updated.map_err(|error| failure("UpdateNotebookInstance", error))?;
        self.settled(aws, name).await?;
        let started = aws.sagemaker.start_notebook_instance().notebook_instance_name(name).send().await;
        started.map(|_| ()).map_err(|error| failure("StartNotebookInstance", error))
    }

    fn bills(&self, facts: &Map<String, Value>) -> Option<Bills> {
        // A stopped one bills only for its volume.
        (facts.get("status").is_none_or(|status| status != "Stopped")).then(|| Bills {
            instance_type: self.instance_type.clone(),
            instance_count: 1,
            seconds: None,
            until_deleted: true,
        })
    }

    fn stand_in(name: &str) -> Option<Self> {
        Some(Self { name: Some(name.to_owned()), ..Self::default() })
    }

    async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
        if self.describe(aws, name).await?.is_none() {
            return Ok(());
        }
        self.stop(aws, name).await?;
        let deleted = aws.sagemaker.delete_notebook_instance().notebook_instance_name(name).send().await;
        present(deleted.map_err(|error| failure("DeleteNotebookInstance", error))).map(|_| ())
    }
}

impl NotebookInstance {
    fn root(&self) -> RootAccess {
        if self.root_access { RootAccess::Enabled } else { RootAccess::Disabled }
    }

    async fn stop(&self, aws: &Aws, name: &str) -> Outcome<()> {
        if self.settled(aws, name).await? == "InService" {
            let stopped = aws.sagemaker.stop_notebook_instance().notebook_instance_name(name).send().await;
            stopped.map_err(|error| failure("StopNotebookInstance", error))?;
            self.settled(aws, name).await?;
        }
        Ok(())
    }

    /// Waits until its status no longer changes, and returns the status.
    async fn settled(&self, aws: &Aws, name: &str) -> Outcome<String> {
        let mut attempt = 0;
        loop {
            match self.describe(aws, name).await? {
                None => return Err(Failure::new("Gone", format!("notebook instance {name} was deleted"))),
                Some(Live { status: Status::Pending(_), .. }) => {
                    aws.pause(attempt).await?;
                }
                Some(live) => {
                    return Ok(live.facts.get("status").and_then(|s| s.as_str()).unwrap_or_default().into());
                }
            }
            attempt += 1;
        }
    }
}
