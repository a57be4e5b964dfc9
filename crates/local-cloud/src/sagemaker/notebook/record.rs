//! A notebook instance as it is stored, and as Describe and List return it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::sagemaker::listing::Entry;
use crate::sagemaker::resource::{self, echo, words};
use crate::store::Store;
use crate::support::clock::{now_ms, seconds};

pub const STORE: &str = "sagemaker.notebook-instance";
/// The kind's name in ARNs.
pub const PATH: &str = "notebook-instance";
/// The default size of the volume, in GiB.
const VOLUME: u64 = 5;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Notebook {
    /// The input of CreateNotebookInstance, with the changes by UpdateNotebookInstance.
    pub input: Value,
    pub status: Status,
    pub created_ms: i64,
    pub modified_ms: i64,
}

/// NotebookInstanceStatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    Pending,
    InService,
    Stopping,
    Stopped,
    Updating,
    Deleting,
}

impl Status {
    /// Returns the status that follows by itself. None: the status stays, or, if it is Deleting, the notebook instance
    /// is deleted.
    pub fn next(self) -> Option<Self> {
        match self {
            Self::Pending => Some(Self::InService),
            Self::Stopping | Self::Updating => Some(Self::Stopped),
            Self::InService | Self::Stopped | Self::Deleting => None,
        }
    }

    /// Returns whether the status changes by itself.
    pub fn moves(self) -> bool {
        self.next().is_some() || self == Self::Deleting
    }
}

pub fn arn(cloud: &Cloud, name: &str) -> String {
    resource::arn(cloud, PATH, name)
}

/// # Errors
/// A ValidationException: there is no such notebook instance.
pub fn find(store: &Store, name: &str) -> Result<Notebook, AwsError> {
    store.get(STORE, name)?.ok_or_else(not_found)
}

pub fn all(store: &Store) -> Result<Vec<(String, Notebook)>, AwsError> {
    store.list(STORE)
}

/// Changes a notebook instance in the store.
///
/// # Errors
/// Those of `change`; a ValidationException: there is no such notebook instance.
pub fn change(
    store: &Store,
    name: &str,
    change: impl FnOnce(&mut Notebook) -> Result<(), AwsError>,
) -> Result<(), AwsError> {
    let changed = store.update(STORE, name, |notebook: &mut Notebook| {
        change(notebook)?;
        notebook.modified_ms = now_ms();
        Ok(())
    })?;
    changed.ok_or_else(not_found)
}

fn not_found() -> AwsError {
    AwsError::validation("RecordNotFound")
}

fn url(cloud: &Cloud, name: &str) -> String {
    format!("{}.notebook.{}.sagemaker.aws", name.to_lowercase(), cloud.region)
}

impl Notebook {
    /// Returns a new one.
    pub fn new(input: Value) -> Self {
        let now = now_ms();
        Self { input, status: Status::Pending, created_ms: now, modified_ms: now }
    }

    /// Returns the size of the volume in GiB.
    pub fn volume(&self) -> u64 {
        self.input["VolumeSizeInGB"].as_u64().unwrap_or(VOLUME)
    }

    pub fn describe(&self, cloud: &Cloud, name: &str) -> Value {
        let mut answer = echo(&self.input, &["Tags", "SecurityGroupIds"]);
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
        set("NotebookInstanceStatus", json!(self.status));
        set("Url", json!(url(cloud, name)));
        set("CreationTime", seconds(self.created_ms));
        set("LastModifiedTime", seconds(self.modified_ms));
        if self.input["SecurityGroupIds"].is_array() {
            set("SecurityGroups", self.input["SecurityGroupIds"].clone());
        }
        Value::Object(answer)
    }

    pub fn entry(&self, cloud: &Cloud, name: String) -> Entry {
        Entry {
            created_ms: self.created_ms,
            modified_ms: self.modified_ms,
            status: words(self.status),
            summary: json!({
                "NotebookInstanceName": name,
                "NotebookInstanceArn": arn(cloud, &name),
                "NotebookInstanceStatus": self.status,
                "Url": url(cloud, &name),
                "InstanceType": self.input["InstanceType"],
                "CreationTime": seconds(self.created_ms),
                "LastModifiedTime": seconds(self.modified_ms),
            }),
            name,
        }
    }
}
