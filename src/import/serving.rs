//! Endpoints, predictions and uploads as steps.

use serde_json::{Map, Value as Json, json};

use super::thing::{Arguments, Class, Scene, Thing};
use super::training::IMAGE;
use super::value::{Piece, Value, templated};

/// AWS's registry of its own images, in the region that a notebook doesn't name.
const REGISTRY: &str = "763104351884.dkr.ecr.us-east-1.amazonaws.com";

impl Scene {
    /// Deploys the model that a training has made, or a `Model`. Returns the id of the step.
    pub fn deploy(&mut self, thing: &Thing, trained: Option<&str>, arguments: &Arguments) -> Option<String> {
        let mut fields = Map::new();
        let model = thing.argument(&["model_data", "s3_model_data_url"]).cloned();
        let of =
            thing.argument(&["model"]).and_then(|value| self.thing(value)).and_then(|it| it.step.clone());
        let data = match (trained.map(str::to_owned).or(of), model) {
            (Some(id), _) => json!(format!("{{{{ {id}.model_uri }}}}")),
            (None, model) => match model.map(|model| model.to_field()) {
                Some(Ok(model)) => model,
                _ => {
                    self.draft.bucket();
                    self.draft.note(
                        "where the model is in S3 is not known: models/model.tar.gz in the step `bucket` stands for it",
                    );
                    json!("{{ bucket.uri }}/models/model.tar.gz")
                }
            },
        };
        fields.insert("model_data".into(), data);
        let role = self.role(thing.argument(&["role", "role_arn"]));
        fields.insert("role".into(), role);
        let instance = arguments.get("instance_type", 1).or(thing.argument(&["instance_type"])).cloned();
        let instance = self.instance_type(
            instance.filter(|_| thing.class == Class::Model || arguments.get("instance_type", 1).is_some()),
        );
        let on_gpu =
            instance.as_str().is_some_and(|name| name.starts_with("ml.p") || name.starts_with("ml.g"));
        if let Some(image) = self.serving_image(thing, on_gpu) {
            fields.insert("image".into(), image);
        }
        fields.insert("instance_type".into(), instance);
        if let Some(value) = arguments.get("initial_instance_count", 0) {
            let what = "the number of instances of the endpoint";
            self.optional(&mut fields, "initial_instance_count", value, what);
        }
        if let Some(name) = arguments.get("endpoint_name", usize::MAX).and_then(Value::literal) {
            fields.insert("endpoint_name".into(), json!(name));
        }
        if let Some(value) = thing.argument(&["env", "env_vars"]) {
            self.optional(&mut fields, "environment", value, "the environment of the endpoint");
        }
        Some(self.draft.step("deploy", "deploy", fields))
    }

    /// Returns the image that serves: the one that is given, or AWS's if a script serves.
    fn serving_image(&mut self, thing: &Thing, on_gpu: bool) -> Option<Json> {
        let image = thing.argument(&["image_uri"]).cloned();
        let looked_up = image.as_ref().and_then(|image| self.thing(image)).cloned();
        let has_script = thing.argument(&["entry_point", "source_code"]).is_some();
        // Where only a run knows the image, a script runs in AWS's own.
        let is_named = image.as_ref().is_some_and(|image| image.to_field().is_ok() || !has_script);
        if let (Some(image), None, true) = (&image, &looked_up, is_named) {
            return Some(self.field(image, "serving_image", "the serving image", IMAGE));
        }
        if !has_script && looked_up.is_none() {
            return None;
        }
        let (version, python) = self.versions(looked_up.as_ref().unwrap_or(thing));
        let (Json::String(version), Json::String(python)) = (version, python) else { return None };
        self.draft.note(
            "the endpoint runs AWS's image `pytorch-inference`, by its URI in us-east-1; a script that serves lies in the \
             model's archive as code/inference.py, where the training script must put it",
        );
        let processor = if on_gpu { "gpu" } else { "cpu" };
        Some(json!(format!("{REGISTRY}/pytorch-inference:{version}-{processor}-{python}")))
    }

    pub fn predict(&mut self, endpoint: Json) {
        let image = match self.draft.has("data") {
            true => json!("{{ data.samples[data.classes[0]] }}"),
            false => self.draft.param("image", "the image to predict", "image.jpg"),
        };
        if self.draft.has("data") {
            self.draft.note("what is sent to the endpoint is not known: a test image stands for it");
        }
        let fields = [("endpoint".to_owned(), endpoint), ("image".to_owned(), image)].into_iter().collect();
        self.draft.step("predict", "predict", fields);
    }

    /// Uploads a folder. Returns where it is.
    pub fn upload(&mut self, folder: &Value, bucket: Option<&Value>, prefix: &str) -> Value {
        let source = match folder.literal() {
            Some(path) => self.local(&path, "the folder to upload"),
            None => self.field(folder, "folder", "the folder to upload", "data"),
        };
        self.draft.bucket();
        let place = match bucket.and_then(Value::as_pieces) {
            Some(pieces) => {
                if let (Some(name), None) = (bucket.and_then(Value::literal), &self.draft.own_bucket) {
                    self.draft.note(format!(
                        "the bucket `{name}` becomes the step `bucket`, which makes one of its own; with `existing: {name}`, it \
                         uses yours"
                    ));
                    self.draft.own_bucket = Some(name);
                }
                templated(&[vec![Piece::Literal("s3://".into())], pieces].concat())
            }
            None => "{{ bucket.uri }}".to_owned(),
        };
        let prefix = prefix.trim_matches('/');
        let named = if prefix.is_empty() { place.clone() } else { format!("{place}/{prefix}") };
        if prefix.is_empty() {
            self.draft.note(
                "what went into the bucket itself goes below data/: a sync deletes what isn't in its folder",
            );
        }
        let to = if prefix.is_empty() { format!("{place}/data") } else { named.clone() };
        let fields = [("source".to_owned(), source), ("to".to_owned(), json!(to))].into_iter().collect();
        let id = self.draft.step("images", "upload", fields);
        self.uploads.push((named, id.clone()));
        Value::reference(format!("{id}.uri"))
    }

    /// Returns the path of a file or folder of the notebook: that of the dataset, if it was unpacked from it, or a parameter,
    /// if it lies outside of the folder.
    pub fn local(&mut self, path: &str, what: &str) -> Json {
        let short = path.trim_start_matches("./").trim_end_matches('/');
        let unpacked = |archive: &String| archive.strip_suffix(".zip").unwrap_or(archive) == short;
        if self.draft.has("data") && self.archives.iter().any(unpacked) {
            return json!("{{ data.path }}");
        }
        let outside = path.starts_with(['/', '~']) || path.split('/').any(|part| part == "..");
        match outside || short.is_empty() {
            true => self.draft.outside(path, what),
            false => json!(short),
        }
    }

    /// Takes the images of an archive: what `wget` and `unzip` do.
    pub fn dataset(&mut self, source: &str) {
        let name = source.split(['?', '#']).next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        self.archives.push(name.to_owned());
        if !self.draft.has("data") {
            let fields = [("source".to_owned(), json!(source))].into_iter().collect();
            self.draft.step("data", "dataset", fields);
        }
    }
}
