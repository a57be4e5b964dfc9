//! What calls of SageMaker's SDK mean: functions, classes, methods, attributes.

use serde_json::{Value as Json, json};

use super::thing::{Arguments, Class, ClassInfo, Scene, Thing};
use super::value::Value;

/// Methods that change nothing that a runbook has: they wait, tell and look up.
const TELLS: &[&str] = &[
    "wait",
    "describe",
    "analytics",
    "dataframe",
    "logs",
    "refresh",
    "stop_tuning_job",
    "training_job_analytics",
    "list_tags",
    "register",
];
/// Methods that delete.
const DELETES: &[&str] =
    &["delete", "delete_endpoint", "delete_model", "delete_endpoint_config", "delete_predictor", "stop"];

impl Scene {
    /// Makes an object of a class.
    pub fn construct(&mut self, info: &ClassInfo, arguments: Arguments) -> Value {
        self.touched = true;
        if info.class == Class::Foreign {
            let name = info.name;
            self.draft.note(format!(
                "`{name}(…)` has no step: opsml trains with its own worker, with PyTorch scripts, and with an `image` of yours"
            ));
        }
        let arguments = arguments.bound(info.parameters);
        self.add(Thing { class: info.class, name: info.name.to_owned(), arguments, step: None })
    }

    /// Calls a function of the SDK. `path` is its name with what stands before it.
    pub fn function(&mut self, path: &[String], arguments: &Arguments) -> Option<Value> {
        let (name, before) = path.split_last()?;
        match (before.last().map(String::as_str), name.as_str()) {
            (_, "get_execution_role") => {
                self.touched = true;
                self.draft.role();
                Some(Value::reference("role.arn"))
            }
            (Some("image_uris"), "retrieve") => {
                self.touched = true;
                let arguments = arguments.clone().bound(&["framework", "region", "version", "py_version"]);
                let mut image =
                    Thing { class: Class::Record, name: "image_uris.retrieve".into(), arguments, step: None };
                let framework = image.argument(&["framework"]).and_then(Value::literal);
                if framework.as_deref().is_some_and(|framework| framework != "pytorch") {
                    let framework = framework.unwrap_or_default();
                    self.draft.note(format!("the image of `{framework}` is not known"));
                    image.class = Class::Foreign;
                    return Some(Value::Unknown(None));
                }
                Some(self.add(image))
            }
            // `PyTorch.attach(job)` takes up a job; of a tuner's best one, its hyperparameters are known.
            (_, "attach") => {
                let job = arguments.positional.first()?.as_pieces()?;
                let [super::value::Piece::Reference(job)] = job.as_slice() else { return None };
                let tune = job.strip_suffix(".best_job_name")?.to_owned();
                self.touched = true;
                Some(self.of(Class::Best, &tune))
            }
            _ => None,
        }
    }

    /// An object that stands for what a step has made.
    fn of(&mut self, class: Class, step: &str) -> Value {
        self.add(Thing {
            class,
            name: format!("{class:?}"),
            arguments: Vec::new(),
            step: Some(step.to_owned()),
        })
    }

    /// Calls a method of an object.
    pub fn method(&mut self, index: usize, name: &str, arguments: &Arguments) -> Value {
        self.touched = true;
        let Some(thing) = self.things.get(index).cloned() else { return Value::Unknown(None) };
        let step = thing.step.as_deref();
        let unknown = Value::Unknown(None);
        match (thing.class, name) {
            (Class::Session, "default_bucket") => {
                self.draft.bucket();
                Value::reference("bucket.name")
            }
            (Class::Session, "upload_data") => {
                let folder = arguments.get("path", 0).cloned().unwrap_or(Value::Unknown(None));
                let prefix = arguments.get("key_prefix", 2).and_then(Value::literal);
                self.upload(&folder, arguments.get("bucket", 1), prefix.as_deref().unwrap_or("data"))
            }
            (Class::Estimator | Class::Trainer, "fit" | "train") => {
                self.train(index, arguments);
                unknown
            }
            (Class::Estimator | Class::Trainer, "with_metric_definitions") => {
                let metrics = arguments.positional.first().cloned().unwrap_or(Value::Unknown(None));
                if let Some(thing) = self.things.get_mut(index) {
                    thing.set("metric_definitions", metrics);
                }
                Value::Thing(index)
            }
            (Class::Estimator, "set_hyperparameters") => {
                let before = thing.argument(&["hyperparameters"]);
                let mut all = match before {
                    Some(Value::Map(entries)) => entries.to_vec(),
                    _ => Vec::new(),
                };
                all.retain(|(name, _)| !arguments.named.iter().any(|(given, _)| given == name));
                all.extend(arguments.named.iter().cloned());
                if let Some(thing) = self.things.get_mut(index) {
                    thing.set("hyperparameters", Value::map(all));
                }
                unknown
            }
            (Class::Estimator, "hyperparameters") => {
                thing.argument(&["hyperparameters"]).cloned().unwrap_or(unknown)
            }
            (Class::Estimator | Class::Trainer, "deploy") if step.is_none() => {
                self.draft.note("it is deployed before it is trained, so there is no `deploy` step");
                unknown
            }
            (Class::Estimator | Class::Trainer, "deploy") => {
                let deployed = self.deploy(&thing, step, arguments);
                deployed.map_or(unknown, |id| self.of(Class::Predictor, &id))
            }
            (Class::Estimator, "create_model") => {
                let mut model =
                    Thing { class: Class::Model, name: "Model".into(), step: None, ..thing.clone() };
                if let Some(id) = step {
                    model.set("model_data", Value::reference(format!("{id}.model_uri")));
                }
                self.add(model)
            }
            (Class::Tuner, "fit" | "tune") => {
                self.tune(index, arguments);
                unknown
            }
            (Class::Tuner, "best_estimator" | "best_training_job" | "deploy") => {
                let Some(tune) = step else {
                    self.draft.note("the tuner has no best trial before it has run");
                    return unknown;
                };
                let (tune, best) = (tune.to_owned(), self.of(Class::Best, step.unwrap_or_default()));
                match (name, &best) {
                    ("best_training_job", _) => Value::reference(format!("{tune}.best_job_name")),
                    ("deploy", Value::Thing(best)) => self.method(*best, "deploy", arguments),
                    _ => best,
                }
            }
            (Class::Best, "hyperparameters") => step.map_or(unknown, |tune| self.of(Class::BestValues, tune)),
            (Class::Best, "deploy") => {
                let trained = step.and_then(|tune| self.best_model(tune));
                let deployed = self.deploy(&thing, trained.as_deref(), arguments);
                deployed.map_or(unknown, |id| self.of(Class::Predictor, &id))
            }
            (Class::BestValues, "get") => {
                arguments.positional.first().map_or(unknown, |name| self.item(index, name))
            }
            (Class::BestValues, "copy") => Value::Thing(index),
            (Class::Model, "build" | "create") => Value::Thing(index),
            (Class::Model, "deploy") => {
                let deployed = self.deploy(&thing, None, arguments);
                deployed.map_or(unknown, |id| self.of(Class::Predictor, &id))
            }
            (Class::Predictor, "predict" | "invoke") => {
                let endpoint = self.endpoint(&thing);
                self.predict(endpoint);
                unknown
            }
            (Class::Foreign, _) => {
                self.draft.note(format!("`.{name}(…)` of `{}` has no step", thing.name));
                unknown
            }
            (_, name) if DELETES.contains(&name) => {
                self.draft
                    .note(format!("`.{name}(…)` is not here: `opsml down` deletes what the runbook made"));
                unknown
            }
            (_, name) if TELLS.contains(&name) => unknown,
            _ => {
                self.draft.note(format!("`.{name}(…)` of `{}` is not known here", thing.name));
                unknown
            }
        }
    }

    fn endpoint(&mut self, predictor: &Thing) -> Json {
        match (&predictor.step, predictor.argument(&["endpoint_name"])) {
            (Some(id), _) => json!(format!("{{{{ {id}.endpoint_name }}}}")),
            (None, Some(name)) if name.as_pieces().is_some() => {
                self.field(&name.clone(), "endpoint", "the endpoint", "endpoint")
            }
            _ => self.draft.param("endpoint", "the endpoint", "endpoint"),
        }
    }

    /// Returns an attribute of an object.
    pub fn attribute(&mut self, index: usize, name: &str) -> Value {
        self.touched = true;
        let Some(thing) = self.things.get(index).cloned() else { return Value::Unknown(None) };
        let Some(step) = thing.step.clone() else {
            return thing.argument(&[name]).cloned().unwrap_or(Value::Unknown(Some(name.to_owned())));
        };
        let output = |output: &str| Value::reference(format!("{step}.{output}"));
        match (thing.class, name) {
            (Class::Estimator, "model_data") | (Class::Job, "s3_model_artifacts") => output("model_uri"),
            (
                Class::Estimator | Class::Trainer,
                "latest_training_job" | "_latest_training_job" | "jobs" | "latest_job_name",
            ) => self.of(Class::Job, &step),
            (Class::Estimator, "_current_job_name")
            | (Class::Job, "name" | "job_name" | "training_job_name") => output("job_name"),
            (Class::Job, "model_artifacts") => Value::Thing(index),
            (Class::Best, "model_data") => {
                let trained = self.best_model(&step);
                trained.map_or(Value::Unknown(None), |id| Value::reference(format!("{id}.model_uri")))
            }
            (Class::Predictor, "endpoint_name" | "endpoint") => output("endpoint_name"),
            _ => thing.argument(&[name]).cloned().unwrap_or(Value::Unknown(Some(name.to_owned()))),
        }
    }

    /// Returns an item of an object: a hyperparameter of the best trial.
    pub fn item(&mut self, index: usize, key: &Value) -> Value {
        let Some(thing) = self.things.get(index) else { return Value::Unknown(None) };
        match (thing.class, &thing.step, key.literal()) {
            (Class::BestValues, Some(tune), Some(key)) => {
                self.touched = true;
                let is_name = crate::runbook::template::is_identifier(&key);
                let is_plain = key.chars().all(|c| !c.is_control() && !"\"\\{}%#".contains(c));
                match (is_name, is_plain) {
                    (true, _) => Value::reference(format!("{tune}.best.{key}")),
                    (false, true) => Value::reference(format!("{tune}.best[\"{key}\"]")),
                    (false, false) => Value::Unknown(None),
                }
            }
            // The jobs of an estimator are one: `estimator.jobs[-1]`.
            (Class::Job, ..) => Value::Thing(index),
            _ => Value::Unknown(None),
        }
    }
}
