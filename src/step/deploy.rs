//! `deploy`: a model, its endpoint config and its endpoint.

use std::collections::BTreeMap;

use opsml_contract::{IMAGE_ORIGINS_ENV, WORKER_IMAGE};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::context::{Context, Done};
use super::fields::{EndpointInstance, Origin, RoleArn, S3Uri, SageMakerName};
use super::kind::{Kind, Price, Problem};
use super::train::{is_foreign, is_worker_image};
use crate::action::origin;
use crate::diagnostic::Severity;
use crate::failure::{Failure, Outcome};
use crate::resource::{Endpoint, EndpointConfig, Model, Object, look};

/// The default of `hours`.
const PLANNED_HOURS: f64 = 1.0;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// `opsml-worker`, or the URI of another serving image.
    #[serde(default = "worker")]
    pub image: String,
    /// S3 URI of `model.tar.gz`, such as a training job's `model_uri`. `opsml-worker` serves the models of its own training,
    /// and the TorchScript module that a script of your own has saved as `model.pth` or `model.pt`. `input.json` beside it
    /// says how an image becomes its input, `{"image_size": 224, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224,
    /// 0.225], "classes": ["a", "b"]}`: resized to a square, then (x/255 - mean) / std. What it leaves out is as here, and
    /// the classes are numbers.
    pub model_data: S3Uri,
    /// ARN of the role with which the endpoint reads its model.
    pub role: RoleArn,
    /// What it serves on.
    pub instance_type: EndpointInstance,
    /// The initial number of instances.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub initial_instance_count: i32,
    /// The endpoint's name. By default it is generated from the runbook's name and the time.
    pub endpoint_name: Option<SageMakerName>,
    /// Environment variables of the container.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// From where `opsml-worker` may fetch an image that it is sent the URL of, such as `https://images.example.com`;
    /// without any, from nowhere. A host that resolves to a private, loopback or link-local address is refused all the
    /// same, unless the origin is that address itself, such as `http://127.0.0.1:4566`. `s3://BUCKET` is from where that
    /// bucket's presigned URLs are served.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub image_origins: Vec<Origin>,
    /// For the estimate of the price: how many hours the endpoint is planned to exist.
    #[schemars(range(min = 0.0))]
    pub hours: Option<f64>,
}

/// Words of programs that write what `opsml-worker` serves: TorchScript, or its own format.
const WRITES_SERVED: [&str; 4] = ["torch.jit", "import jit", "torchscript", "safetensors"];

/// Returns the problem of a `deploy` step whose model another program makes, which is in another step: `opsml-worker` serves
/// what it trained, and TorchScript. It is an error if the training's scripts name neither, and else a warning if they are
/// unknown. The fields of both steps may have templates in them. `scripts` returns the text of the Python files of a folder.
pub fn unserved(
    deploy: &Value,
    model_of: (&str, &Value),
    scripts: &dyn Fn(&str) -> Option<String>,
) -> Option<Problem> {
    let image = deploy.get("image").map_or(Some(WORKER_IMAGE), Value::as_str)?;
    let trained = match model_of {
        ("train", fields) => fields,
        ("tune", fields) => fields.get("estimator")?,
        _ => return None,
    };
    if !is_worker_image(image) || !is_foreign(trained) {
        return None;
    }
    let folder = trained.get("source_dir").and_then(Value::as_str);
    let (severity, message) = match folder.and_then(scripts) {
        Some(text) if WRITES_SERVED.iter().any(|word| text.contains(word)) => return None,
        Some(_) => (
            Severity::Error,
            format!(
                "`opsml-worker` serves models of its own training and TorchScript, and no script in {} writes either",
                folder.unwrap_or_default()
            ),
        ),
        None => (
            Severity::Warning,
            "`opsml-worker` serves models of its own training and TorchScript, and whether this is one is not known".to_owned(),
        ),
    };
    let mut problem = Problem { severity, ..Problem::at("model_data", message) };
    problem.hints = vec![
        "the script can write TorchScript: torch.jit.script(model).save(os.environ[\"SM_MODEL_DIR\"] + \"/model.pth\")".into(),
        "or `image` names an image that serves it, such as AWS's PyTorch inference image with an inference.py".into(),
    ];
    Some(problem)
}

fn worker() -> String {
    WORKER_IMAGE.to_owned()
}

fn one() -> i32 {
    1
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The endpoint's name, which `predict` takes.
    pub endpoint_name: String,
    /// The endpoint's ARN.
    pub arn: String,
    /// `InService`.
    pub status: String,
    /// The model's name.
    pub model_name: String,
    /// The endpoint configuration's name.
    pub endpoint_config_name: String,
    /// What it serves on.
    pub instance_type: String,
    /// How many instances it has.
    pub initial_instance_count: i32,
}

impl Kind for Deploy {
    const NAME: &'static str = "deploy";
    const ABOUT: &'static str =
        "makes a model, an endpoint config and an endpoint, and waits until it is in service";
    const OWNS: bool = true;
    const BESIDE: bool = true;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        match !self.image_origins.is_empty() && self.environment.contains_key(IMAGE_ORIGINS_ENV) {
            true => {
                let message = format!("`environment` has {IMAGE_ORIGINS_ENV} too, which says the same");
                vec![Problem::at("image_origins", message)]
            }
            false => Vec::new(),
        }
    }

    fn price(&self) -> Option<Price> {
        let hours = self.hours.unwrap_or(PLANNED_HOURS);
        let how_long = format!("until `down`; {hours} h planned");
        Some(Price::of_instances(&self.instance_type.0, self.initial_instance_count, hours, &how_long))
    }

    fn offers(outputs: &Value) -> Option<(&'static str, String)> {
        Some(("Endpoint", outputs.get("endpoint_name")?.as_str()?.to_owned()))
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let mut environment = self.environment.clone();
        if !self.image_origins.is_empty() {
            let mut origins = Vec::new();
            for one in &self.image_origins {
                origins.push(origin(context.aws(), &one.0).await?);
            }
            environment.insert(IMAGE_ORIGINS_ENV.to_owned(), origins.join(","));
        }
        let revision = match look(context.aws(), &self.model_data.0).await? {
            Object::There(revision) => Some(revision),
            Object::Unknown => None,
            Object::Gone => {
                let message = format!("there is no model at {}", self.model_data.0);
                return Err(Failure::new("ModelGone", message)
                    .hint("redo the step that wrote it: opsml run --force STEP"));
            }
        };
        let model = Model {
            base: context.base(),
            image: context.aws().image(&self.image),
            model_data: self.model_data.0.clone(),
            revision,
            role_arn: self.role.0.clone(),
            environment,
        };
        let model = context.ensure("model", model).await?;
        let config = EndpointConfig {
            base: context.base(),
            model: model.name.clone(),
            instance_type: self.instance_type.0.clone(),
            initial_instance_count: self.initial_instance_count,
        };
        let config = context.ensure("endpoint-config", config).await?;
        let endpoint = Endpoint {
            name: self.endpoint_name.as_ref().map(|name| name.0.clone()),
            base: context.base(),
            config: config.name.clone(),
            instance_type: self.instance_type.0.clone(),
            instance_count: self.initial_instance_count,
        };
        let endpoint = context.ensure("endpoint", endpoint).await?;
        let outputs = Outputs {
            arn: endpoint.text("arn"),
            status: endpoint.text("status"),
            endpoint_name: endpoint.name,
            model_name: model.name,
            endpoint_config_name: config.name,
            instance_type: self.instance_type.0.clone(),
            initial_instance_count: self.initial_instance_count,
        };
        let summary = format!("endpoint {} {}", outputs.endpoint_name, outputs.status);
        Ok(Done::new(outputs, summary))
    }
}
