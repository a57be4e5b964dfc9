//! The folder trees of a training job, one for each host, which are `/opt/ml` on AWS.
//! <https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html>

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::folder::private_dir;
use crate::sagemaker::isolation::ML;
use crate::sagemaker::resource::text;

/// The folders of a host's container.
#[derive(Clone, Debug)]
pub struct Layout {
    /// What is `/opt/ml` on AWS.
    pub base: PathBuf,
    /// The container's home.
    pub home: PathBuf,
    /// `algo-1`, …
    pub host: String,
}

/// The name of the only instance group of a job that requests an instance type.
pub const GROUP: &str = "homogeneousCluster";
/// The network interface. Hosts are processes of one machine, which connect on loopback.
pub const INTERFACE: &str = "lo";
/// Where containers write what TensorBoard reads.
pub const TENSORBOARD: &str = "/opt/ml/output/tensorboard";
/// The folder of the hosts' homes.
const HOMES: &str = "homes";

impl Layout {
    pub fn input(&self) -> PathBuf {
        self.base.join("input")
    }

    pub fn config(&self) -> PathBuf {
        self.base.join("input/config")
    }

    pub fn channel(&self, name: &str) -> PathBuf {
        self.base.join("input/data").join(name)
    }

    /// Returns the folder in which script mode unpacks the user's code.
    pub fn code(&self) -> PathBuf {
        self.base.join("code")
    }

    pub fn model(&self) -> PathBuf {
        self.base.join("model")
    }

    pub fn output(&self) -> PathBuf {
        self.base.join("output")
    }

    pub fn output_data(&self) -> PathBuf {
        self.base.join("output/data")
    }

    /// Returns the file into which the container writes why it failed.
    pub fn failure(&self) -> PathBuf {
        self.base.join("output/failure")
    }

    pub fn checkpoints(&self) -> PathBuf {
        self.base.join("checkpoints")
    }

    pub fn tensorboard(&self) -> PathBuf {
        self.base.join("output/tensorboard")
    }

    /// Returns the folders as the container sees them.
    #[must_use]
    pub fn seen(&self, isolated: bool) -> Self {
        Self { base: if isolated { ML.into() } else { self.base.clone() }, ..self.clone() }
    }

    /// Creates the folders and writes the configuration.
    ///
    /// # Errors
    /// The disk's.
    pub fn create(&self, input: &Value) -> io::Result<()> {
        let home = self.home.clone();
        let folders = [
            self.config(),
            self.code(),
            self.model(),
            self.output_data(),
            self.tensorboard(),
            self.checkpoints(),
            home,
        ];
        for folder in folders {
            private_dir(&folder)?;
        }
        for (name, _) in channels(input) {
            private_dir(&self.channel(name))?;
        }
        let files = [
            ("hyperparameters.json", hyperparameters(input)),
            ("inputdataconfig.json", input_data_config(input)),
            ("resourceconfig.json", resource_config(input, &self.host)),
        ];
        for (name, content) in files {
            std::fs::write(self.config().join(name), content.to_string())?;
        }
        Ok(())
    }
}

/// Returns the name and the definition of each channel.
pub fn channels(input: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let list = input["InputDataConfig"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|channel| (text(channel, "ChannelName"), channel))
}

/// Returns how a channel's objects are distributed to hosts: `FullyReplicated` or `ShardedByS3Key`.
pub fn distribution(channel: &Value) -> &str {
    let source = &channel["DataSource"]["S3DataSource"];
    source["S3DataDistributionType"].as_str().unwrap_or("FullyReplicated")
}

pub fn instance_count(input: &Value) -> u64 {
    input["ResourceConfig"]["InstanceCount"].as_u64().unwrap_or(1)
}

/// Returns the names of a job's hosts, sorted as text, as on AWS.
pub fn hosts(input: &Value) -> Vec<String> {
    let mut names: Vec<String> = (1..=instance_count(input)).map(|n| format!("algo-{n}")).collect();
    names.sort();
    names
}

pub fn hyperparameters(input: &Value) -> Value {
    if input["HyperParameters"].is_object() { input["HyperParameters"].clone() } else { json!({}) }
}

pub fn input_data_config(input: &Value) -> Value {
    let config = channels(input).map(|(name, channel)| {
        let mut written = json!({
            "TrainingInputMode": "File",
            "S3DistributionType": distribution(channel),
            "RecordWrapperType": "None",
        });
        if let Some(kind) = channel["ContentType"].as_str() {
            written["ContentType"] = json!(kind);
        }
        (name.to_owned(), written)
    });
    Value::Object(config.collect())
}

pub fn resource_config(input: &Value, host: &str) -> Value {
    let (hosts, instance) = (hosts(input), &input["ResourceConfig"]["InstanceType"]);
    json!({
        "current_host": host,
        "hosts": hosts,
        "current_instance_type": instance,
        "current_group_name": GROUP,
        "instance_groups": [
            {"instance_group_name": GROUP, "instance_type": instance, "hosts": hosts},
        ],
        "network_interface_name": INTERFACE,
    })
}

/// Returns the folder of a job, which contains those of its hosts.
pub fn folder(dir: &Path, name: &str) -> PathBuf {
    dir.join("training-jobs").join(name)
}

/// Returns the tree of each host, algo-1's first.
pub fn of_hosts(folder: &Path, input: &Value) -> Vec<Layout> {
    let of = |host: String| Layout { base: folder.join(&host), home: folder.join(HOMES).join(&host), host };
    hosts(input).into_iter().map(of).collect()
}
