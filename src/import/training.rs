//! Trainings and tunings as steps.

use serde_json::{Map, Value as Json, json};

use super::thing::{Arguments, Class, Scene, Thing};
use super::value::{Piece, Value};

/// The folder that a script must lie in if the notebook has it beside itself.
const CODE: &str = "code";
const FRAMEWORK_VERSION: &str = "2.5";
const PY_VERSION: &str = "py311";
/// What stands for an image or an instance type that is not known.
pub const IMAGE: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/image:latest";
const INSTANCE: &str = "ml.m5.xlarge";

/// The arguments of an estimator that have a field, or mean nothing to a runbook.
const KNOWN: &[&str] = &[
    "entry_point",
    "source_dir",
    "framework_version",
    "py_version",
    "role",
    "instance_type",
    "instance_count",
    "train_instance_type",
    "train_instance_count",
    "volume_size",
    "train_volume_size",
    "max_run",
    "train_max_run",
    "output_path",
    "checkpoint_s3_uri",
    "hyperparameters",
    "metric_definitions",
    "environment",
    "image_uri",
    "image_name",
    "training_image",
    "source_code",
    "compute",
    "stopping_condition",
    "output_data_config",
    "checkpoint_config",
    "input_data_config",
    "base_job_name",
    "sagemaker_session",
    "disable_profiler",
    "container_log_level",
    "input_mode",
    "training_mode",
];

impl Scene {
    /// Trains: `estimator.fit(…)`. Returns the id of the step.
    pub fn train(&mut self, index: usize, arguments: &Arguments) -> Option<String> {
        let thing = self.things.get(index)?.clone();
        let inputs = arguments.get("inputs", 0).or(arguments.get("input_data_config", 0)).cloned();
        let fields = self.training(&thing, inputs.as_ref())?;
        let id = self.draft.step("train", "train", fields);
        self.things.get_mut(index)?.step = Some(id.clone());
        Some(id)
    }

    /// Returns the fields of a training.
    fn training(&mut self, thing: &Thing, inputs: Option<&Value>) -> Option<Map<String, Json>> {
        if ![Class::Estimator, Class::Trainer].contains(&thing.class) {
            return None;
        }
        let mut fields = Map::new();
        self.program(thing, &mut fields);
        let role = self.role(thing.argument(&["role"]));
        fields.insert("role".into(), role);
        let compute = thing.argument(&["compute"]);
        let instance = match thing.argument(&["instance_type", "train_instance_type"]) {
            Some(value) => Some(value.clone()),
            None => self.member(compute, &["instance_type"]),
        };
        let instance = self.instance_type(instance);
        fields.insert("instance_type".into(), instance);
        let stopping = self.member(thing.argument(&["stopping_condition"]), &["max_runtime_in_seconds"]);
        let numbers = [
            (
                "instance_count",
                &["instance_count", "train_instance_count"],
                self.member(compute, &["instance_count"]),
            ),
            (
                "volume_size",
                &["volume_size", "train_volume_size"],
                self.member(compute, &["volume_size_in_gb"]),
            ),
            ("max_run", &["max_run", "train_max_run"], stopping),
        ];
        for (field, names, member) in numbers {
            if let Some(value) = thing.argument(names).cloned().or(member) {
                self.optional(&mut fields, field, &value, &format!("`{field}` of the training"));
            }
        }
        let inputs = self.channels(inputs.or(thing.argument(&["input_data_config"])));
        fields.insert("inputs".into(), inputs);
        let output = match thing.argument(&["output_path"]) {
            Some(value) => Some(value.clone()),
            None => self.member(thing.argument(&["output_data_config"]), &["s3_output_path"]),
        };
        let output = match output.map(|value| value.to_field()) {
            Some(Ok(value)) => value,
            unknown => {
                if unknown.is_some() {
                    self.draft.note(
                        "where the model goes is not known: models/ in the step `bucket` stands for it",
                    );
                }
                self.draft.bucket();
                json!("{{ bucket.uri }}/models")
            }
        };
        fields.insert("output_path".into(), output);
        let checkpoints = match thing.argument(&["checkpoint_s3_uri"]) {
            Some(value) => Some(value.clone()),
            None => self.member(thing.argument(&["checkpoint_config"]), &["s3_uri"]),
        };
        if let Some(value) = checkpoints {
            self.optional(&mut fields, "checkpoint_s3_uri", &value, "where the checkpoints go");
        }
        if let Some(value) =
            thing.argument(&["hyperparameters"]).and_then(|value| self.hyperparameters(value))
        {
            fields.insert("hyperparameters".into(), value);
        }
        if let Some(metrics) = thing.argument(&["metric_definitions"]).and_then(|value| self.metrics(value)) {
            fields.insert("metric_definitions".into(), metrics);
        }
        if let Some(value) = thing.argument(&["environment"]) {
            self.optional(&mut fields, "environment", value, "the environment of the training");
        }
        for (name, _) in
            thing.arguments.iter().filter(|(name, value)| !KNOWN.contains(&name.as_str()) && !value.is_none())
        {
            self.draft.note(format!("`{name}` of `{}(…)` has no field in a `train` step", thing.name));
        }
        Some(fields)
    }

    /// Writes what trains: an image, or a script for AWS's PyTorch image.
    fn program(&mut self, thing: &Thing, fields: &mut Map<String, Json>) {
        let code = thing.argument(&["source_code"]);
        let (entry, folder) = (self.member(code, &["entry_script"]), self.member(code, &["source_dir"]));
        let entry = thing.argument(&["entry_point"]).cloned().or(entry);
        let folder = thing.argument(&["source_dir"]).cloned().or(folder);
        let image = thing.argument(&["image_uri", "image_name", "training_image"]).cloned();
        // An image of AWS's that the notebook looks up is one by its version and Python.
        let looked_up = image
            .as_ref()
            .and_then(|image| self.thing(image))
            .filter(|it| it.name == "image_uris.retrieve")
            .cloned();
        // Where only a run knows the image, a script runs in AWS's own.
        let is_named = image.as_ref().is_some_and(|image| image.to_field().is_ok() || entry.is_none());
        if let (Some(image), None, true) = (&image, &looked_up, is_named) {
            let image = self.field(image, "training_image", "the training image", IMAGE);
            fields.insert("image".into(), image);
        } else if entry.is_none() {
            let image = self.draft.param("training_image", "the training image", IMAGE);
            fields.insert("image".into(), image);
        }
        let Some(entry) = entry else { return };
        let (folder, entry) = match (folder, entry.literal()) {
            (Some(folder), _) => {
                (self.field(&folder, "source_dir", "the folder of the scripts", CODE), entry)
            }
            (None, Some(script)) => match script.trim_start_matches("./").rsplit_once('/') {
                Some((folder, script)) => (json!(folder), Value::text(script)),
                None => {
                    self.draft.note(format!("move `{script}` into the folder `{CODE}`: the whole folder of a script is sent to the job"));
                    (json!(CODE), entry)
                }
            },
            (None, None) => (json!(CODE), entry),
        };
        let entry = self.field(&entry, "entry_point", "the script", "train.py");
        let without_dots = |value: Json| match value {
            Json::String(text) => json!(text.trim_start_matches("./").trim_end_matches('/')),
            other => other,
        };
        fields.insert("entry_point".into(), without_dots(entry));
        fields.insert("source_dir".into(), without_dots(folder));
        if fields.contains_key("image") {
            return;
        }
        let from = looked_up.as_ref().unwrap_or(thing);
        let (version, python) = self.versions(from);
        fields.insert("framework_version".into(), version);
        fields.insert("py_version".into(), python);
    }

    /// Returns the version of PyTorch and of Python, by the arguments or else by ours.
    pub fn versions(&mut self, thing: &Thing) -> (Json, Json) {
        let version = thing.argument(&["framework_version", "version"]).cloned();
        let python = thing.argument(&["py_version"]).cloned();
        if version.is_none() || python.is_none() {
            self.draft.note(format!(
                "the version of PyTorch or of Python is not given: {FRAMEWORK_VERSION} and {PY_VERSION} stand for them"
            ));
        }
        let version = version.unwrap_or(Value::text(FRAMEWORK_VERSION));
        let python = python.unwrap_or(Value::text(PY_VERSION));
        let version = self.field(&version, "framework_version", "the version of PyTorch", FRAMEWORK_VERSION);
        (version, self.field(&python, "py_version", "the version of Python", PY_VERSION))
    }

    pub fn role(&mut self, given: Option<&Value>) -> Json {
        match given.and_then(Value::literal).filter(|arn| arn.starts_with("arn:aws")) {
            Some(arn) => json!(arn),
            None => {
                self.draft.role();
                json!("{{ role.arn }}")
            }
        }
    }

    pub fn instance_type(&mut self, given: Option<Value>) -> Json {
        match given {
            Some(value) if value.literal().is_some_and(|name| name.starts_with("local")) => {
                self.draft.note("an instance of type `local` becomes ml.m5.xlarge: the local cloud runs it on this machine");
                json!("ml.m5.xlarge")
            }
            Some(value) => self.field(&value, "instance_type", "the instance type", INSTANCE),
            None => self.draft.param("instance_type", "the instance type", INSTANCE),
        }
    }

    /// Returns the channels of a training.
    fn channels(&mut self, inputs: Option<&Value>) -> Json {
        let mut channels = Map::new();
        match inputs {
            Some(Value::Map(entries)) => {
                for (name, value) in entries.iter() {
                    let uri = self.uri(value, name);
                    channels.insert(name.clone(), uri);
                }
            }
            Some(Value::List(items)) => {
                for item in items.iter() {
                    let name = self.member(Some(item), &["channel_name"]).and_then(|name| name.literal());
                    let name = name.unwrap_or_else(|| "training".into());
                    let source = self.member(Some(item), &["data_source"]).unwrap_or(Value::Unknown(None));
                    let uri = self.uri(&source, &name);
                    channels.insert(name, uri);
                }
            }
            Some(value) => {
                let uri = self.uri(value, "training");
                channels.insert("training".into(), uri);
            }
            None => {
                let last = self.uploads.last().map(|(_, id)| json!(format!("{{{{ {id}.uri }}}}")));
                let uri = last.unwrap_or_else(|| self.unknown_data("training"));
                channels.insert("training".into(), uri);
            }
        }
        Json::Object(channels)
    }

    /// Returns the place of training data: below what a step has uploaded, if it is that.
    fn uri(&mut self, value: &Value, channel: &str) -> Json {
        let record = self.member(Some(value), &["s3_data", "s3_uri", "data_source"]);
        let value = match record {
            Some(inner) => self.member(Some(&inner), &["s3_uri"]).unwrap_or(inner),
            None => value.clone(),
        };
        let Ok(field) = value.to_field() else { return self.unknown_data(channel) };
        let Some(text) = field.as_str() else { return field };
        let below =
            |place: &str| text.strip_prefix(place).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let uploaded = self.uploads.iter().filter_map(|(place, id)| Some((place.len(), id, below(place)?)));
        match uploaded.max_by_key(|(length, ..)| *length) {
            Some((_, id, rest)) => json!(format!("{{{{ {id}.uri }}}}{}", rest.trim_start_matches('/'))),
            None => field,
        }
    }

    /// What stands for data of which nobody knows where it is.
    fn unknown_data(&mut self, channel: &str) -> Json {
        self.draft.bucket();
        self.draft.note(format!(
            "where the data of the channel `{channel}` is in S3 is not known: {channel}/ in the step `bucket` stands for it"
        ));
        Value::pieces(vec![Piece::Reference("bucket.uri".into()), Piece::Literal(format!("/{channel}"))])
            .to_field()
            .unwrap_or_default()
    }

    /// Returns the hyperparameters. One that isn't known is left out: the script has a default for it, and we don't.
    fn hyperparameters(&mut self, value: &Value) -> Option<Json> {
        match (value, self.thing(value)) {
            (_, Some(Thing { class: Class::BestValues, step: Some(id), .. })) => {
                Some(json!(format!("{{{{ {id}.best }}}}")))
            }
            (Value::Map(entries), _) => {
                let mut map = Map::new();
                for (name, value) in entries.iter() {
                    self.optional(&mut map, name, value, &format!("the hyperparameter `{name}`"));
                }
                Some(Json::Object(map))
            }
            _ => {
                self.draft.note("the hyperparameters are not known, and are left out");
                None
            }
        }
    }

    fn metrics(&mut self, value: &Value) -> Option<Json> {
        let Value::List(items) = value else {
            self.draft.note("the metric definitions are not known, and are left out");
            return None;
        };
        let mut metrics = Vec::new();
        for item in items.iter() {
            let part = |names: &[&str]| names.iter().find_map(|name| item.entry(name)).cloned();
            let name = part(&["Name", "name"]).or_else(|| self.member(Some(item), &["name"]));
            let regex = part(&["Regex", "regex"]).or_else(|| self.member(Some(item), &["regex"]));
            match (name.map(|name| name.to_field()), regex.map(|regex| regex.to_field())) {
                (Some(Ok(name)), Some(Ok(regex))) => metrics.push(json!({"name": name, "regex": regex})),
                _ => self.draft.note("a metric definition is not known, and is left out"),
            }
        }
        Some(Json::Array(metrics))
    }

    /// Makes sure that the log of a training is searched for a metric.
    fn define(&mut self, name: &str, estimator: &mut Map<String, Json>) {
        let metrics = estimator.entry("metric_definitions").or_insert_with(|| json!([]));
        let Some(metrics) = metrics.as_array_mut() else { return };
        if !metrics.iter().any(|metric| metric["name"] == name) {
            let pattern = format!("{}[=: ]+([0-9.eE+-]+)", regex::escape(name));
            self.draft
                .note(format!("no metric definition has `{name}`: the pattern `{pattern}` stands for it"));
            let pattern = Value::text(pattern).to_field().unwrap_or_default();
            metrics.push(json!({"name": name, "regex": pattern}));
        }
    }

    /// Tunes: `tuner.fit(…)`. Returns the id of the step.
    pub fn tune(&mut self, index: usize, arguments: &Arguments) -> Option<String> {
        let tuner = self.things.get(index)?.clone();
        let trainer =
            tuner.argument(&["estimator", "model_trainer"]).and_then(|value| self.thing(value)).cloned();
        let inputs = arguments.get("inputs", 0).cloned();
        let Some(mut estimator) = trainer.and_then(|trainer| self.training(&trainer, inputs.as_ref())) else {
            self.draft.note("the tuner's estimator is not known, so there is no `tune` step");
            return None;
        };
        let mut ranges = Map::new();
        if let Some(Value::Map(entries)) = tuner.argument(&["hyperparameter_ranges"]) {
            for (name, value) in entries.iter() {
                match self.range(value) {
                    Some(range) => drop(ranges.insert(name.clone(), range)),
                    None => self.draft.note(format!("the range of `{name}` is not known, and is left out")),
                }
            }
        } else {
            self.draft.note("the ranges of the hyperparameters are not known");
        }
        if let Some(Json::Object(fixed)) = estimator.get_mut("hyperparameters") {
            fixed.retain(|name, _| !ranges.contains_key(name));
        }
        if let Some(metrics) = tuner.argument(&["metric_definitions"]).and_then(|value| self.metrics(value)) {
            estimator.insert("metric_definitions".into(), metrics);
        }
        let mut fields = Map::new();
        let objective = tuner.argument(&["objective_metric_name"]).cloned().unwrap_or(Value::Unknown(None));
        if let Some(name) = objective.literal() {
            self.define(&name, &mut estimator);
        }
        fields.insert("estimator".into(), Json::Object(estimator));
        let objective = self.field(&objective, "objective", "the objective metric", "loss");
        fields.insert("objective_metric_name".into(), objective);
        for (field, names) in [("objective_type", &["objective_type"]), ("strategy", &["strategy"])] {
            if let Some(value) = tuner.argument(names) {
                self.optional(&mut fields, field, value, &format!("`{field}` of the tuner"));
            }
        }
        fields.insert("hyperparameter_ranges".into(), Json::Object(ranges));
        for field in ["max_jobs", "max_parallel_jobs", "random_seed"] {
            if let Some(value) = tuner.argument(&[field]) {
                self.optional(&mut fields, field, value, &format!("`{field}` of the tuner"));
            }
        }
        fields.entry("max_jobs").or_insert(json!(1));
        for name in ["warm_start_config", "early_stopping_type"] {
            if tuner.argument(&[name]).is_some() {
                self.draft.note(format!("`{name}` of the tuner has no field in a `tune` step"));
            }
        }
        let id = self.draft.step("tune", "tune", fields);
        self.things.get_mut(index)?.step = Some(id.clone());
        Some(id)
    }

    fn range(&self, value: &Value) -> Option<Json> {
        let record = self.thing(value)?;
        let argument = |name: &str| record.argument(&[name])?.to_field().ok();
        let field = match record.name.as_str() {
            "ContinuousParameter" => "continuous",
            "IntegerParameter" => "integer",
            "CategoricalParameter" => {
                let values = argument("values")?;
                let values = if values.is_array() { values } else { json!([values]) };
                return Some(json!({"categorical": values}));
            }
            _ => return None,
        };
        let mut range = json!({field: [argument("min_value")?, argument("max_value")?]});
        if let Some(scaling) = argument("scaling_type").filter(|scaling| *scaling != json!("Auto")) {
            range["scaling"] = scaling;
        }
        Some(range)
    }

    /// Trains with what a tuner has found: the SDK's best estimator is one of the trials, of which a step keeps no model.
    pub fn best_model(&mut self, tune: &str) -> Option<String> {
        let kept = self
            .things
            .iter()
            .find(|thing| thing.class == Class::Best && thing.step.as_deref() == Some(tune));
        if let Some(id) = kept.and_then(|best| best.argument(&["trained"])).and_then(Value::literal) {
            return Some(id);
        }
        let step = self.draft.steps.iter().find(|step| step.id == tune)?;
        let mut fields = step.fields.get("estimator")?.as_object()?.clone();
        fields.insert("hyperparameters".into(), json!(format!("{{{{ {tune}.best }}}}")));
        self.draft.note("the best trial becomes a training of its own with the best hyperparameters");
        let id = self.draft.step("train", "train", fields);
        for best in self
            .things
            .iter_mut()
            .filter(|thing| thing.class == Class::Best && thing.step.as_deref() == Some(tune))
        {
            best.set("trained", Value::text(&id));
        }
        Some(id)
    }
}
