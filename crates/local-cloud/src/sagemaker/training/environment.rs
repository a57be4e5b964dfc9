//! The environment variables of a training container: those that SageMaker sets, and those that its training toolkit,
//! which AWS's framework images run, sets for the user's script. Names, order and format are the toolkit's
//! (<https://github.com/aws/sagemaker-training-toolkit>, version 5). A test compares them with it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::layout::{
    GROUP, INTERFACE, Layout, channels, hosts, hyperparameters, input_data_config, resource_config,
};
use super::python;
use crate::sagemaker::resource::text;
use crate::support::process::{BASE_DIR, SPIN_COUNT, WAIT_POLICY};

/// The hyperparameter by which a trial gets the name of the tuning job's objective metric.
pub const OBJECTIVE: &str = "_tuning_objective_metric";
/// Hyperparameters for the toolkit, in addition to those with its prefix.
const RESERVED: [&str; 9] = [
    "sagemaker_program",
    "sagemaker_submit_directory",
    "sagemaker_enable_cloudwatch_metrics",
    "sagemaker_region",
    "sagemaker_container_log_level",
    "sagemaker_job_name",
    "default_user_module_name",
    OBJECTIVE,
    "sagemaker_s3_output",
];
const PREFIX: &str = "sagemaker_";
/// The value of Python's logging.INFO.
const LOG_INFO: u64 = 20;

/// A container's hyperparameters. As in the toolkit, each is read as JSON, or, if it isn't JSON, as text.
#[derive(Debug)]
pub struct Parameters {
    /// Those for the script.
    pub user: Map<String, Value>,
    /// Those for the toolkit.
    toolkit: Map<String, Value>,
}

impl Parameters {
    /// Reads those of a job.
    pub fn of(input: &Value) -> Self {
        let (mut user, mut toolkit) = (Map::new(), Map::new());
        for (name, value) in hyperparameters(input).as_object().into_iter().flatten() {
            let raw = value.as_str().unwrap_or_default();
            let decoded = serde_json::from_str(raw).unwrap_or_else(|_| json!(raw));
            let to = if RESERVED.contains(&name.as_str()) || name.starts_with(PREFIX) {
                &mut toolkit
            } else {
                &mut user
            };
            to.insert(name.clone(), decoded);
        }
        Self { user, toolkit }
    }

    /// Returns the text of a hyperparameter for the toolkit.
    pub fn toolkit(&self, name: &str) -> Option<String> {
        self.toolkit.get(name).map(python::str)
    }

    /// Returns those for the script as its arguments, sorted by name: `--epochs 1 --lr 0.1`.
    pub fn arguments(&self) -> Vec<String> {
        let mut sorted: Vec<_> = self.user.iter().collect();
        sorted.sort_by_key(|(name, _)| *name);
        let flag = |name: &str| match name.chars().count() {
            0 => String::new(),
            1 => format!("-{name}"),
            _ => format!("--{name}"),
        };
        let argument = |value: &Value| match value {
            Value::Null => String::new(),
            Value::Object(entries) => {
                let mut entries: Vec<_> =
                    entries.iter().map(|(name, value)| format!("{name}={}", python::str(value))).collect();
                entries.sort();
                entries.join(",")
            }
            value => python::str(value),
        };
        sorted.into_iter().flat_map(|(name, value)| [flag(name), argument(value)]).collect()
    }
}

/// The settings from which a container's environment is made.
#[derive(Debug)]
pub struct Container<'a> {
    pub input: &'a Value,
    /// The job's ARN.
    pub arn: &'a str,
    pub layout: &'a Layout,
    /// The number of threads with which it should compute.
    pub threads: usize,
    /// The port at which the hosts connect. None: the job has one host.
    pub port: Option<u16>,
    /// The user's script and the toolkit's entry point. None: it isn't script mode.
    pub script: Option<(&'a str, &'a str)>,
}

impl Container<'_> {
    /// Returns the variables of the platform, those of the toolkit, and those of the job's Environment. Later ones
    /// replace earlier ones.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let input = self.input;
        let mut env = BTreeMap::new();
        let mut set = |name: &str, value: &str| env.insert(name.to_owned(), value.to_owned());
        set(BASE_DIR, &shown(&self.layout.base));
        set("TRAINING_JOB_NAME", text(input, "TrainingJobName"));
        set("TRAINING_JOB_ARN", self.arn);
        for name in ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"] {
            set(name, &self.threads.to_string());
        }
        for (name, value) in [WAIT_POLICY, SPIN_COUNT] {
            set(name, value);
        }
        if let Some(port) = self.port {
            set("MASTER_ADDR", "127.0.0.1");
            set("MASTER_PORT", &port.to_string());
        }
        let mut toolkit = self.toolkit();
        if self.script.is_some() {
            let training = self.training_env(&toolkit);
            toolkit.insert("training_env".to_owned(), training);
        }
        for (name, value) in toolkit {
            let value = match value {
                Value::Null => String::new(),
                Value::String(text) => text,
                other => python::dumps(&other),
            };
            env.insert(format!("SM_{}", name.to_uppercase()), value);
        }
        for (name, value) in input["Environment"].as_object().into_iter().flatten() {
            env.insert(name.clone(), value.as_str().unwrap_or_default().to_owned());
        }
        env
    }

    /// Returns the variables of the toolkit's `to_env_vars`, by its names.
    fn toolkit(&self) -> Map<String, Value> {
        let (input, layout) = (self.input, self.layout);
        let parameters = Parameters::of(input);
        let hosts = hosts(input);
        let resources = resource_config(input, &layout.host);
        let mut names: Vec<&str> = channels(input).map(|(name, _)| name).collect();
        names.sort_unstable();
        let level = parameters.toolkit.get("sagemaker_container_log_level").cloned();
        let mut variables = json!({
            "hosts": hosts,
            "current_host": layout.host,
            "current_instance_type": resources["current_instance_type"],
            "current_instance_group": GROUP,
            "current_instance_group_hosts": hosts,
            "instance_groups": [GROUP],
            "instance_groups_dict": {GROUP: resources["instance_groups"][0]},
            "distribution_instance_groups": [],
            "is_hetero": false,
            "network_interface_name": INTERFACE,
            "num_cpus": self.threads,
            "num_gpus": 0,
            "num_neurons": 0,
            "channels": names,
            "hps": parameters.user,
            "user_args": parameters.arguments(),
            "log_level": level.unwrap_or_else(|| json!(LOG_INFO)),
            "input_dir": shown(&layout.input()),
            "input_config_dir": shown(&layout.config()),
            "input_data_config": input_data_config(input),
            "resource_config": resources,
            "model_dir": shown(&layout.model()),
            "output_dir": shown(&layout.output()),
            "output_data_dir": shown(&layout.output_data()),
            "output_intermediate_dir": shown(&layout.output().join("intermediate")),
        });
        let mut add = |name: &str, value: Value| variables[name] = value;
        if let Some((program, framework)) = self.script {
            let directory = parameters.toolkit("sagemaker_submit_directory");
            let others = parameters.toolkit.iter().filter(|(name, _)| !RESERVED.contains(&name.as_str()));
            add("user_entry_point", json!(program));
            add("module_name", json!(program.strip_suffix(".py").unwrap_or(program)));
            add("module_dir", json!(directory.unwrap_or_else(|| shown(&layout.code()))));
            add("framework_module", json!(framework));
            add("framework_params", others.map(|(name, value)| (name.clone(), value.clone())).collect());
        }
        for name in names {
            add(&format!("channel_{name}"), json!(shown(&layout.channel(name))));
        }
        for (name, value) in parameters.user {
            add(&format!("hp_{name}"), value);
        }
        match variables {
            Value::Object(variables) => variables,
            _ => Map::new(),
        }
    }

    /// Returns the value of the variable that has the toolkit's whole environment. In it, `variables` have other names.
    fn training_env(&self, variables: &Map<String, Value>) -> Value {
        let names: Map<String, Value> = channels(self.input)
            .map(|(name, _)| (name.to_owned(), json!(shown(&self.layout.channel(name)))))
            .collect();
        let master = hosts(self.input).into_iter().next();
        let mut env = json!({
            "additional_framework_parameters": variables["framework_params"],
            "channel_input_dirs": names,
            "distribution_hosts": [],
            "hyperparameters": variables["hps"],
            "is_master": master.as_deref() == Some(&self.layout.host),
            "is_modelparallel_enabled": null,
            "is_smddpmprun_installed": false,
            "is_smddprun_installed": false,
            "job_name": self.input["TrainingJobName"],
            "master_hostname": master,
            "topology": [],
        });
        for name in [
            "current_host",
            "current_instance_group",
            "current_instance_group_hosts",
            "current_instance_type",
            "distribution_instance_groups",
            "framework_module",
            "hosts",
            "input_config_dir",
            "input_data_config",
            "input_dir",
            "instance_groups",
            "instance_groups_dict",
            "is_hetero",
            "log_level",
            "model_dir",
            "module_dir",
            "module_name",
            "network_interface_name",
            "num_cpus",
            "num_gpus",
            "num_neurons",
            "output_data_dir",
            "output_dir",
            "output_intermediate_dir",
            "resource_config",
            "user_entry_point",
        ] {
            env[name] = variables[name].clone();
        }
        env
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sagemaker::training::layout::of_hosts;

    #[test]
    fn sets_what_the_toolkit_sets() {
        let dir = tempfile::tempdir().unwrap();
        let input = json!({
            "TrainingJobName": "job",
            "HyperParameters": {
                "epochs": "3", "arch": "\"resnet18\"", "lr": "1e-5", "deep": "true", "b-s": "1", "sagemaker_region": "\"x\"",
            },
            "InputDataConfig": [{"ChannelName": "training", "DataSource": {}}],
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2},
            "Environment": {"SM_LOG_LEVEL": "10"},
        });
        let [_, layout] = &of_hosts(dir.path(), &input)[..] else { panic!("two hosts") };
        layout.create(&input).unwrap();
        let read = |name: &str| -> Value {
            serde_json::from_slice(&std::fs::read(layout.config().join(name)).unwrap()).unwrap()
        };
        assert_eq!(read("hyperparameters.json")["arch"], "\"resnet18\"");
        assert_eq!(read("resourceconfig.json")["hosts"], json!(["algo-1", "algo-2"]));
        assert_eq!(read("resourceconfig.json")["current_host"], "algo-2");
        assert_eq!(read("inputdataconfig.json")["training"]["TrainingInputMode"], "File");
        assert!(layout.channel("training").is_dir());
        let container =
            Container { input: &input, arn: "arn", layout, threads: 1, port: Some(4000), script: None };
        let env = container.environment();
        assert_eq!((&*env["SM_HP_ARCH"], &*env["SM_HP_B-S"]), ("resnet18", "1"));
        assert_eq!(env["SM_HPS"], r#"{"arch":"resnet18","b-s":1,"deep":true,"epochs":3,"lr":1e-05}"#);
        assert_eq!(
            env["SM_USER_ARGS"],
            r#"["--arch","resnet18","--b-s","1","--deep","True","--epochs","3","--lr","1e-05"]"#
        );
        assert_eq!(env["SM_CHANNEL_TRAINING"], layout.channel("training").to_str().unwrap());
        assert_eq!((&*env["SM_CURRENT_HOST"], &*env["MASTER_PORT"]), ("algo-2", "4000"));
        assert_eq!(env["SM_LOG_LEVEL"], "10");
        assert!(!env.contains_key("SM_HP_SAGEMAKER_REGION") && !env.contains_key("SM_TRAINING_ENV"));
    }
}
