//! The runbook as it is drafted: its parameters, steps and prose in order, and what of the notebook could not be read.

use serde_json::{Map, Value as Json, json};

/// The most steps, parameters and notes: more than any notebook for people has.
const STEPS: usize = 500;
const PARAMS: usize = 200;
const NOTES: usize = 2000;

/// What is said about a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The number of the cell, from 1.
    pub cell: usize,
    /// The line in it, from 1.
    pub line: Option<usize>,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub id: String,
    pub kind: &'static str,
    pub fields: Map<String, Json>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Prose(String),
    /// The step with this index.
    Step(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    pub name: String,
    pub help: String,
    /// What stands for the value until somebody sets it.
    pub default: String,
}

#[derive(Debug, Default)]
pub struct Draft {
    pub title: String,
    pub params: Vec<Param>,
    pub steps: Vec<Step>,
    pub parts: Vec<Part>,
    pub notes: Vec<Note>,
    /// The bucket to which the notebook uploads, which becomes the step `bucket`.
    pub own_bucket: Option<String>,
    /// The cell and line that are read.
    pub at: (usize, usize),
}

impl Draft {
    /// Adds a step, and returns its id: the name, or with a number behind it if that is taken.
    pub fn step(&mut self, name: &str, kind: &'static str, fields: Map<String, Json>) -> String {
        if self.steps.len() >= STEPS {
            let full = format!("the runbook has {STEPS} steps, and no more are read");
            if !self.notes.iter().any(|note| note.text == full) {
                self.note(full);
            }
            return name.to_owned();
        }
        let is_taken = |id: &str| self.steps.iter().any(|step| step.id == id);
        let mut ids = std::iter::once(name.to_owned()).chain((2..).map(|number| format!("{name}_{number}")));
        let id = ids.find(|id| !is_taken(id)).unwrap_or_default();
        self.parts.push(Part::Step(self.steps.len()));
        self.steps.push(Step { id: id.clone(), kind, fields });
        id
    }

    pub fn has(&self, id: &str) -> bool {
        self.steps.iter().any(|step| step.id == id)
    }

    /// Makes sure that there is a bucket of the runbook's own.
    pub fn bucket(&mut self) {
        if !self.has("bucket") {
            self.step("bucket", "bucket", Map::new());
        }
    }

    /// Makes sure that there is a role for jobs. What it may do is known once everything is read.
    pub fn role(&mut self) {
        self.bucket();
        if !self.has("role") {
            self.step("role", "role", Map::new());
        }
    }

    pub fn note(&mut self, text: impl Into<String>) {
        let (cell, line) = self.at;
        let note = Note { cell, line: (line > 0).then_some(line), text: text.into() };
        if self.notes.len() < NOTES && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Returns a parameter for a path outside of the notebook's folder.
    pub fn outside(&mut self, path: &str, help: &str) -> Json {
        self.note(format!("`{path}` lies outside of the folder: -p folder={path} allows it"));
        self.param("folder", help, path)
    }

    /// Returns a parameter in the place of a value that isn't known. `wanted` names it.
    pub fn param(&mut self, wanted: &str, help: &str, default: &str) -> Json {
        let mut name: String = wanted
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
            .collect();
        name.truncate(30);
        if !name.starts_with(|c: char| c.is_ascii_alphabetic())
            || crate::runbook::template::RESERVED.contains(&name.as_str())
        {
            name = format!("p_{name}");
        }
        if self.params.len() >= PARAMS {
            name = self.params[PARAMS - 1].name.clone();
        }
        if !self.params.iter().any(|param| param.name == name) {
            self.params.push(Param {
                name: name.clone(),
                help: help.to_owned(),
                default: default.to_owned(),
            });
            self.note(format!("{help} is not known: the parameter `{name}` stands for it, which is `{default}` until you set it"));
        }
        json!(format!("{{{{ params.{name} }}}}"))
    }

    /// Writes into the steps what only the whole notebook says: the bucket of its own, and what the role may do.
    pub fn finish(&mut self) {
        if let Some(name) = &self.own_bucket {
            let begins = format!("s3://{name}");
            for step in &mut self.steps {
                step.fields.values_mut().for_each(|field| each_text(field, &mut |text| own(text, &begins)));
            }
        }
        let mut others: Vec<String> = Vec::new();
        for step in &mut self.steps {
            step.fields.values_mut().for_each(|field| {
                each_text(field, &mut |text| {
                    let named = text.strip_prefix("s3://").and_then(|rest| rest.split('/').next());
                    let named = named.filter(|name| !name.contains(['{', ' ']) && !name.is_empty());
                    if let Some(name) = named.filter(|name| !others.iter().any(|other| other == name)) {
                        others.push(name.to_owned());
                    }
                });
            });
        }
        if let Some(role) = self.steps.iter_mut().find(|step| step.id == "role") {
            let mut buckets = vec!["{{ bucket.arn }}".to_owned()];
            buckets.extend(others.iter().map(|name| format!("arn:aws:s3:::{name}")));
            let objects: Vec<String> = buckets.iter().map(|arn| format!("{arn}/*")).collect();
            role.fields.insert(
                "allow".into(),
                json!([
                    {"actions": ["s3:ListBucket"], "resources": buckets},
                    {"actions": ["s3:GetObject", "s3:PutObject"], "resources": objects},
                ]),
            );
        }
    }
}

fn own(text: &mut String, begins: &str) {
    if let Some(rest) = text.strip_prefix(begins).filter(|rest| rest.is_empty() || rest.starts_with('/')) {
        *text = format!("{{{{ bucket.uri }}}}{rest}");
    }
}

fn each_text(value: &mut Json, change: &mut dyn FnMut(&mut String)) {
    match value {
        Json::String(text) => change(text),
        Json::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Json::Object(map) => map.values_mut().for_each(|item| each_text(item, change)),
        _ => {}
    }
}
