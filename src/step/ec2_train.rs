//! `ec2_train`: trains on an EC2 instance that terminates itself at the end.
//!
//! The key pair, the security group, the bundle and the instance are deleted at the end of the step. The model, the metrics
//! and the log stay.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use opsml_contract::{TRAINING_CHANNEL, WORKER_IMAGE};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::context::{Context, Done};
use super::fields::S3Uri;
use super::kind::{Kind, Price, Problem};
use super::train::{FEATURES, hyperparameter_problems, plain};
use super::trained::{Trained, contents};
use super::training_figures::training_figures;
use crate::action::{TrainingRecord, find_training, my_address, record_training, training_output};
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::journal::Figure;
use crate::price;
use crate::resource::ensure::{self, ReadyResource};
use crate::resource::{Image, Instance, KeyPair, NAME, Objects, Output, SecurityGroup, Spot, split_uri};
use crate::script;

const TEMPLATE: &str = include_str!("../../templates/ec2_train.sh.j2");
/// What user data may come to: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html>.
const MAX_USER_DATA: usize = 16 << 10;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ec2Train {
    /// The instance type, such as `m5.xlarge`.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$"), extend("x-rule" = "an EC2 instance type is such as m5.xlarge, without ml.", "x-instances" = "EC2"))]
    pub instance_type: String,
    /// The id of an AMI, or `resolve:ssm:PARAMETER` for the AMI that a public parameter names.
    #[schemars(regex(pattern = r"^(ami-[0-9a-f]{8,17}|resolve:ssm:/?[A-Za-z0-9_./:-]+)$"), extend("x-rule" = "an image is ami-… or resolve:ssm:PARAMETER"))]
    pub image_id: Option<String>,
    /// In place of `image_id`, a pattern: the newest AMI of an owner whose name matches is used.
    pub image_search: Option<ImageSearch>,
    /// The instance profile with the instance's role: `instance_profile` of a `role` step for ec2.amazonaws.com.
    #[schemars(regex(pattern = r"^[\w+=,.@-]{1,128}$"), extend("x-rule" = "an instance profile's name is 1 to 128 letters, digits and the signs + = , . @ - _"))]
    pub instance_profile: String,
    /// S3 prefixes by channel. `training` contains train/, valid/ and test/; `weights`, if given, pretrained weights, as in
    /// `train`.
    pub inputs: BTreeMap<String, S3Uri>,
    /// The S3 prefix for model, metrics and log. The model is `INSTANCE/output/model.tar.gz` below it.
    pub output_path: S3Uri,
    /// Hyperparameters by name. `opsml explain hyperparameters` says which `opsml-worker` has.
    #[serde(default)]
    #[schemars(extend("x-members" = "hyperparameters"))]
    pub hyperparameters: Map<String, Value>,
    /// A spot instance: `true`, or `{max_price: USD an hour}`.
    #[serde(default)]
    pub spot: SpotField,
    /// The IPv4 address that may connect by SSH. The default is that of this machine.
    #[schemars(with = "Option<String>", regex(pattern = r"^\d{1,3}(\.\d{1,3}){3}$"), extend("x-rule" = "an address is such as 203.0.113.7"))]
    pub ssh_from: Option<Ipv4Addr>,
    /// The instance's subnet. The default is one of the default VPC.
    #[schemars(regex(pattern = r"^subnet-[0-9a-f]{8,17}$"), extend("x-rule" = "a subnet's id is such as subnet-0123456789abcdef0"))]
    pub subnet_id: Option<String>,
    /// The VPC of that subnet.
    #[schemars(regex(pattern = r"^vpc-[0-9a-f]{8,17}$"), extend("x-rule" = "a VPC's id is such as vpc-0123456789abcdef0"))]
    pub vpc_id: Option<String>,
    /// Seconds after which the instance terminates itself, even if it is not done.
    #[serde(default = "an_hour")]
    #[schemars(range(min = 60, max = 604800))]
    pub max_run: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageSearch {
    /// `amazon`, `self` or an account.
    #[serde(default = "amazon")]
    pub owner: String,
    /// A pattern for the AMI's name, in which `*` matches any text.
    pub name: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-hint" = "a spot instance is `true`, or {max_price: USD_AN_HOUR}"))]
pub enum SpotField {
    Wanted(bool),
    Priced(SpotPrice),
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpotPrice {
    /// The highest price of an hour, in US dollars.
    #[schemars(range(min = 0.0))]
    pub max_price: f64,
}

impl Default for SpotField {
    fn default() -> Self {
        Self::Wanted(false)
    }
}

fn amazon() -> String {
    "amazon".to_owned()
}

fn an_hour() -> u32 {
    3600
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The instance's name, which is also the last part of the S3 prefix of its results.
    pub job_name: String,
    /// The id of the instance, which is terminated.
    pub instance_id: String,
    /// `on demand` or `spot`.
    pub market: String,
    /// The AMI that it started from.
    pub image_id: String,
    /// US dollars an hour on demand, or nothing if the price is unknown.
    pub hourly: Option<f64>,
    #[serde(flatten)]
    pub trained: Trained,
    /// S3 URI of its log.
    pub log_uri: String,
    /// The address that could connect by SSH.
    pub ssh_from: String,
}

impl Kind for Ec2Train {
    const NAME: &'static str = "ec2_train";
    const ABOUT: &'static str = "trains on an EC2 instance that ends itself, on demand or spot";
    const OWNS: bool = true;
    const BESIDE: bool = true;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        let mut problems = hyperparameter_problems(&self.hyperparameters);
        if self.hyperparameters.contains_key(FEATURES) {
            problems.push(Problem::at(
                format!("hyperparameters.{FEATURES}"),
                "SageMaker's jobs share features, by the credentials that their containers get: an instance has none of these",
            ));
        }
        if self.image_id.is_some() == self.image_search.is_some() {
            problems.push(Problem::at("image_id", "give one of `image_id` and `image_search`"));
        }
        if !self.inputs.contains_key(TRAINING_CHANNEL) {
            problems.push(Problem::at(
                "inputs",
                "the worker trains on the channel `training`, and it is not here",
            ));
        }
        for channel in self.inputs.keys() {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            if channel.is_empty() || !channel.chars().all(plain) {
                let message = format!("`{channel}` is not a channel's name: letters, digits, _ and -");
                problems.push(Problem::at("inputs", message));
            }
        }
        if self.subnet_id.is_some() != self.vpc_id.is_some() {
            problems.push(Problem::at("subnet_id", "`subnet_id` and `vpc_id` go together"));
        }
        problems
    }

    fn keys(_fields: &Value, output: &str) -> Option<Vec<String>> {
        (output == "metrics").then(|| ["test_loss", "test_accuracy"].map(str::to_owned).into())
    }

    fn files(&self) -> Vec<String> {
        vec![WORKER_IMAGE.to_owned()]
    }

    fn price(&self) -> Option<Price> {
        let hours = f64::from(self.max_run) / 3600.0;
        let how_long = format!("{} s at most", self.max_run);
        Some(match &self.spot {
            SpotField::Priced(SpotPrice { max_price }) => Price {
                usd: Some(max_price * hours),
                words: format!("1 × {} at {max_price} USD an hour at most, {how_long}", self.instance_type),
            },
            SpotField::Wanted(_) => Price::of_instances(&self.instance_type, 1, hours, &how_long),
        })
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let name = format!("bundle-{}", context.base());
        let gathered = Gathered(context.paths.base.join(&context.paths.cache).join(name));
        self.train(context, &gathered.0).await
    }
}

impl Ec2Train {
    async fn train(&self, context: &mut Context<'_>, gathered: &Path) -> Outcome<Done<Outputs>> {
        context.apart(&self.output_path.0, false)?;
        let address = match self.ssh_from {
            Some(address) => address,
            None => my_address(context.aws()).await?,
        };
        let ssh_from = format!("{address}/32");
        context.progress("gathering the worker and its libraries", None);
        let worker = self.gathered(context, gathered)?;
        let contents = contents(context.aws(), self.inputs.values()).await?;
        let stack = context.session.journal.state().stack.clone();
        let request =
            ensure::digest(&json!({"stack": stack, "step": self, "contents": contents, "worker": worker}));
        let results = format!("{}/", self.output_path.0.trim_end_matches('/'));
        let done = match context.session.force {
            true => None,
            false => find_training(context.aws(), &results, &context.base(), &request).await?,
        };
        let held = match done {
            Some(done) => done,
            None => {
                let bundle = self.bundle(context, gathered, worker).await?;
                let script = self.user_data(&context.aws().region, &bundle, &results)?;
                let held = self.instance(context, &ssh_from, &script, &results, contents).await?;
                let script = script.replace(NAME, &held.name);
                let record = TrainingRecord { request, name: held.name, facts: held.facts, script };
                record_training(context.aws(), &results, &record).await?;
                record
            }
        };
        let text = |fact: &str| held.facts.get(fact).and_then(Value::as_str).unwrap_or_default().to_owned();
        let output = training_output(context.aws(), &results, &held.name).await?;
        let left = Output { uri: format!("{results}{}/output/", held.name), main: "model.tar.gz".into() };
        context.ensure("output", left).await?;
        let mut figures = training_figures(&output, context)?;
        if !held.script.is_empty() {
            figures.push(Figure::code("The user data that the instance ran", "bash", held.script.as_str()));
        }
        let billable = held.facts.get("seconds").and_then(Value::as_i64).unwrap_or_default().max(60);
        let model_uri = format!("{results}{}/output/model.tar.gz", held.name);
        let outputs = Outputs {
            instance_id: text("id"),
            market: text("market"),
            image_id: text("image_id"),
            hourly: price::hourly(&self.instance_type),
            trained: Trained::new(output, (1, &self.instance_type), billable, BTreeMap::new(), model_uri),
            log_uri: format!("{results}{}/log.txt", held.name),
            ssh_from,
            job_name: held.name,
        };
        let accuracy =
            outputs.trained.metrics.get("test_accuracy").map(|value| format!(" test_accuracy {value:.4}"));
        let summary = format!("{} {}{}", outputs.instance_id, outputs.market, accuracy.unwrap_or_default());
        Ok(Done::new(outputs, summary).figures(figures))
    }

    /// Starts the instance, and waits until it has ended itself.
    async fn instance(
        &self,
        context: &mut Context<'_>,
        ssh_from: &str,
        script: &str,
        results: &str,
        contents: BTreeMap<String, String>,
    ) -> Outcome<ReadyResource> {
        let keys = context.paths.base.join(&context.paths.cache).join("keys");
        let key =
            context.ensure_ephemeral("key-pair", KeyPair { base: context.base(), folder: keys }).await?;
        let group = SecurityGroup {
            base: context.base(),
            ssh_from: [ssh_from.to_owned()].into(),
            vpc_id: self.vpc_id.clone(),
        };
        let group = context.ensure_ephemeral("security-group", group).await?;
        let wanted = Instance {
            base: context.base(),
            image: self.image()?,
            instance_type: self.instance_type.clone(),
            key_name: key.name.clone(),
            security_group_id: group.text("id"),
            subnet_id: self.subnet_id.clone(),
            instance_profile: self.instance_profile.clone(),
            user_data: script.to_owned(),
            results: results.to_owned(),
            contents,
            spot: match &self.spot {
                SpotField::Wanted(false) => None,
                SpotField::Wanted(true) => Some(Spot { max_price: None }),
                SpotField::Priced(spot) => Some(Spot { max_price: Some(spot.max_price) }),
            },
        };
        context.ensure_ephemeral("instance", wanted).await
    }

    fn image(&self) -> Outcome<Image> {
        match (&self.image_id, &self.image_search) {
            (Some(id), _) => Ok(Image::Id(id.clone())),
            (None, Some(search)) => {
                Ok(Image::Newest { owner: search.owner.clone(), name: search.name.clone() })
            }
            (None, None) => {
                Err(Failure::new("InvalidStep", "there is neither `image_id` nor `image_search`"))
            }
        }
    }

    /// Gathers the worker and its libraries in a folder, and returns their digest.
    fn gathered(&self, context: &Context<'_>, folder: &Path) -> Outcome<String> {
        let worker = context.paths.worker.clone().ok_or_else(|| {
            Failure::new("NoWorker", "there is no opsml-worker to send to the instance")
                .hint("build it beside opsml, or name it by OPSML_WORKER")
        })?;
        tokio::task::block_in_place(|| gather(&worker, folder))
    }

    /// Uploads the worker and its libraries, and returns their S3 URI.
    async fn bundle(&self, context: &mut Context<'_>, folder: &Path, digest: String) -> Outcome<String> {
        let all = files::files_below(folder)?;
        let (bucket, prefix) = split_uri(&self.output_path.0)?;
        let prefix = format!("{}/{}-bundle/{}/", prefix.trim_end_matches('/'), context.base(), &digest[..16]);
        let objects = Objects {
            bucket,
            prefix: prefix.trim_start_matches('/').to_owned(),
            folder: folder.to_owned(),
            digest,
            files: all.len() as u64,
            bytes: all.iter().map(|file| file.bytes).sum(),
            hidden: false,
        };
        Ok(context.ensure_ephemeral("bundle", objects).await?.text("uri"))
    }

    fn user_data(&self, region: &str, bundle: &str, results: &str) -> Outcome<String> {
        let hyperparameters: BTreeMap<&String, String> =
            self.hyperparameters.iter().map(|(name, value)| (name, plain(value))).collect();
        let channels: Map<String, Value> = self
            .inputs
            .keys()
            .map(|channel| {
                (
                    channel.clone(),
                    json!({"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"}),
                )
            })
            .collect();
        let values = json!({
            "name": NAME,
            "region": region,
            "results": results,
            "bundle": bundle,
            "inputs": self.inputs,
            "max_minutes": self.max_run.div_ceil(60),
            "hyperparameters": json!(hyperparameters).to_string(),
            "input_data_config": Value::Object(channels).to_string(),
            "resource_config": json!({
                "current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo",
                "current_instance_type": self.instance_type,
            }).to_string(),
        });
        let script = script::render(TEMPLATE, &values)?;
        match script.len() <= MAX_USER_DATA {
            true => Ok(script),
            false => Err(Failure::new(
                "InvalidStep",
                format!("the user data has {} bytes, and EC2 accepts {MAX_USER_DATA}", script.len()),
            )),
        }
    }
}

/// The folder of a bundle, which has half a gigabyte. Dropping it deletes the folder, however the step ends.
struct Gathered(PathBuf);

impl Drop for Gathered {
    fn drop(&mut self) {
        // If it fails, the next bundle replaces the files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Copies the worker and its libraries into `folder`, which is emptied first, and returns the digest of all files.
fn gather(worker: &Path, folder: &Path) -> Outcome<String> {
    let listed = std::process::Command::new(worker).arg("files").output();
    let listed = listed.map_err(|error| Failure::file(worker, error))?;
    if !listed.status.success() {
        let said = String::from_utf8_lossy(&listed.stderr).trim().to_owned();
        return Err(Failure::file(worker, format!("it cannot list its libraries: {said}")));
    }
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(Failure::file(folder, error)),
        _ => {}
    }
    let lib = folder.join("lib");
    std::fs::create_dir_all(&lib).map_err(|error| Failure::file(&lib, error))?;
    for line in String::from_utf8_lossy(&listed.stdout).lines() {
        let file = Path::new(line);
        let name = file.file_name().ok_or_else(|| Failure::file(file, "is no file"))?;
        let real = file.canonicalize().map_err(|error| Failure::file(file, error))?;
        let own = worker.canonicalize().is_ok_and(|worker| worker == real);
        let to = if own { folder.join("opsml-worker") } else { lib.join(name) };
        // Hard links save half a gigabyte of copies. They fail if the folder is on another disk.
        if std::fs::hard_link(&real, &to).is_err() {
            std::fs::copy(&real, &to).map_err(|error| Failure::file(file, error))?;
        }
    }
    files::digest(folder)
}
