//! The `/opt/ml` tree and the environment of a training container.
//! <https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html>, and the
//! variables of SageMaker's training toolkit.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::sagemaker::instance::Instance;
use crate::sagemaker::resource::text;

/// The folders of one job's container, under `/opt/ml` on AWS.
#[derive(Clone, Debug)]
pub struct Layout {
    pub base: PathBuf,
}

/// The one host there is; training on several will name algo-2 and so on.
const HOST: &str = "algo-1";

impl Layout {
    pub fn config(&self) -> PathBuf {
        self.base.join("input/config")
    }

    pub fn channel(&self, name: &str) -> PathBuf {
        self.base.join("input/data").join(name)
    }

    pub fn model(&self) -> PathBuf {
        self.base.join("model")
    }

    pub fn output_data(&self) -> PathBuf {
        self.base.join("output/data")
    }

    /// Where the container says why it failed.
    pub fn failure(&self) -> PathBuf {
        self.base.join("output/failure")
    }

    pub fn checkpoints(&self) -> PathBuf {
        self.base.join("checkpoints")
    }

    /// The container's home; not part of what AWS has.
    pub fn home(&self) -> PathBuf {
        self.base.join("home")
    }

    /// Makes the folders and writes the configuration.
    pub fn create(&self, input: &Value) -> io::Result<()> {
        let folders = [self.config(), self.model(), self.output_data(), self.checkpoints(), self.home()];
        for folder in folders {
            std::fs::create_dir_all(folder)?;
        }
        for (name, _) in channels(input) {
            std::fs::create_dir_all(self.channel(name))?;
        }
        let files = [
            ("hyperparameters.json", hyperparameters(input)),
            ("inputdataconfig.json", input_data_config(input)),
            ("resourceconfig.json", resource_config(input)),
        ];
        for (name, content) in files {
            std::fs::write(self.config().join(name), content.to_string())?;
        }
        Ok(())
    }

    /// The `SM_*` variables, and how many threads to compute with.
    pub fn environment(&self, input: &Value) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        let instance = text(&input["ResourceConfig"], "InstanceType");
        let threads = Instance::threads(instance).to_string();
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut set = |name: &str, value: String| env.insert(name.to_owned(), value);
        set(crate::sagemaker::process::BASE_DIR, path(self.base.clone()));
        set("TRAINING_JOB_NAME", text(input, "TrainingJobName").to_owned());
        for name in ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"] {
            set(name, threads.clone());
        }
        let (name, policy) = crate::sagemaker::process::WAIT_POLICY;
        set(name, policy.to_owned());
        let mut values = Map::new();
        let mut arguments = Vec::new();
        for (name, value) in hyperparameters(input).as_object().into_iter().flatten() {
            // Those that drive the toolkit are no hyperparameters of the script.
            if name.starts_with("sagemaker_") {
                continue;
            }
            let raw = value.as_str().unwrap_or_default();
            let decoded = serde_json::from_str(raw).unwrap_or_else(|_| json!(raw));
            let shown = decoded.as_str().map_or_else(|| decoded.to_string(), str::to_owned);
            set(&format!("SM_HP_{}", name.to_uppercase().replace('-', "_")), shown.clone());
            arguments.extend([format!("--{name}"), shown]);
            values.insert(name.clone(), decoded);
        }
        let names: Vec<&str> = channels(input).map(|(name, _)| name).collect();
        for name in &names {
            let variable = format!("SM_CHANNEL_{}", name.to_uppercase().replace('-', "_"));
            set(&variable, path(self.channel(name)));
        }
        set("SM_HPS", Value::Object(values).to_string());
        set("SM_USER_ARGS", json!(arguments).to_string());
        set("SM_CHANNELS", json!(names).to_string());
        set("SM_HOSTS", json!([HOST]).to_string());
        set("SM_CURRENT_HOST", HOST.to_owned());
        set("SM_CURRENT_INSTANCE_TYPE", instance.to_owned());
        set("SM_CURRENT_INSTANCE_GROUP", "homogeneousCluster".to_owned());
        set("SM_NETWORK_INTERFACE_NAME", "lo".to_owned());
        set("SM_NUM_CPUS", threads);
        set("SM_NUM_GPUS", "0".to_owned());
        set("SM_LOG_LEVEL", "20".to_owned());
        set("SM_INPUT_DIR", path(self.base.join("input")));
        set("SM_INPUT_CONFIG_DIR", path(self.config()));
        set("SM_INPUT_DATA_CONFIG", input_data_config(input).to_string());
        set("SM_RESOURCE_CONFIG", resource_config(input).to_string());
        set("SM_MODEL_DIR", path(self.model()));
        set("SM_OUTPUT_DIR", path(self.base.join("output")));
        set("SM_OUTPUT_DATA_DIR", path(self.output_data()));
        for (name, value) in input["Environment"].as_object().into_iter().flatten() {
            set(name, value.as_str().unwrap_or_default().to_owned());
        }
        env
    }
}

/// Name and definition of each channel.
pub fn channels(input: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let list = input["InputDataConfig"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|channel| (text(channel, "ChannelName"), channel))
}

fn hyperparameters(input: &Value) -> Value {
    if input["HyperParameters"].is_object() { input["HyperParameters"].clone() } else { json!({}) }
}

fn input_data_config(input: &Value) -> Value {
    let config = channels(input).map(|(name, channel)| {
        let told = json!({
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
            "ContentType": channel["ContentType"],
        });
        (name.to_owned(), told)
    });
    Value::Object(config.collect())
}

fn resource_config(input: &Value) -> Value {
    let instance = &input["ResourceConfig"]["InstanceType"];
    json!({
        "current_host": HOST,
        "hosts": [HOST],
        "current_instance_type": instance,
        "current_group_name": "homogeneousCluster",
        "instance_groups": [
            {"instance_group_name": "homogeneousCluster", "instance_type": instance, "hosts": [HOST]},
        ],
        "network_interface_name": "lo",
    })
}

/// The folder in which a job runs.
pub fn of_job(dir: &Path, name: &str) -> Layout {
    Layout { base: dir.join("training-jobs").join(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_the_toolkit_reads() {
        let dir = tempfile::tempdir().unwrap();
        let layout = of_job(dir.path(), "job");
        let input = json!({
            "TrainingJobName": "job",
            "HyperParameters": {"epochs": "3", "arch": "\"resnet18\"", "lr": "1e-3", "sagemaker_region": "\"x\""},
            "InputDataConfig": [{"ChannelName": "training", "DataSource": {}}],
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        });
        layout.create(&input).unwrap();
        let read = |name: &str| -> Value {
            serde_json::from_slice(&std::fs::read(layout.config().join(name)).unwrap()).unwrap()
        };
        assert_eq!(read("hyperparameters.json")["arch"], "\"resnet18\"");
        assert_eq!(read("resourceconfig.json")["hosts"], json!(["algo-1"]));
        assert_eq!(read("inputdataconfig.json")["training"]["TrainingInputMode"], "File");
        let env = layout.environment(&input);
        assert_eq!(env["SM_HP_ARCH"], "resnet18");
        assert_eq!(env["SM_HPS"], r#"{"epochs":3,"arch":"resnet18","lr":0.001}"#);
        assert_eq!(env["SM_CHANNEL_TRAINING"], layout.channel("training").to_str().unwrap());
        assert!(!env.contains_key("SM_HP_SAGEMAKER_REGION"));
        assert!(layout.channel("training").is_dir());
    }
}
