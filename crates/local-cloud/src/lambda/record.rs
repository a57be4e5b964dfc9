//! What is stored of a function: one record, so that every change of it is one step.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The kind of the store's items that are a [`Function`], by name.
pub const FUNCTION: &str = "lambda.function";
/// The kind of those that are the last version number of a deleted function, by its name. No number is used twice, not even
/// by another function of that name.
pub const NUMBER: &str = "lambda.number";
pub const LATEST: &str = "$LATEST";

/// A function, with its versions, aliases, settings of concurrency, policies and tags.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Function {
    pub name: String,
    pub latest: Version,
    /// By number.
    pub published: BTreeMap<u64, Version>,
    pub aliases: BTreeMap<String, Alias>,
    /// Reserved concurrency. None: the function shares the account's.
    pub reserved: Option<u64>,
    /// By qualifier: a version's number or an alias.
    pub provisioned: BTreeMap<String, Provisioned>,
    /// By qualifier. The function's own has an empty one.
    pub policies: BTreeMap<String, Policy>,
    pub tags: BTreeMap<String, String>,
    /// The number of the version that was published last.
    pub last: u64,
}

/// `$LATEST`, or a published version, which no longer changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Version {
    /// None: `$LATEST`.
    pub number: Option<u64>,
    pub settings: Settings,
    pub code: Code,
    pub modified_ms: i64,
    /// Random. Each change replaces it.
    pub revision: String,
    pub state: State,
    pub update: Update,
}

/// What UpdateFunctionConfiguration changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub runtime: String,
    pub role: String,
    pub handler: String,
    pub description: String,
    /// Seconds.
    pub timeout: u64,
    /// MB.
    pub memory: u64,
    /// MB.
    pub storage: u64,
    pub architecture: String,
    pub environment: BTreeMap<String, String>,
    pub vpc: Option<Vpc>,
    pub log_group: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    pub subnets: Vec<String>,
    pub groups: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Code {
    /// The zip's, in base64.
    pub sha256: String,
    /// The zip's, in bytes.
    pub size: u64,
    /// The name of the unpacked zip's folder.
    pub folder: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Pending,
    Active,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Update {
    InProgress,
    Successful,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Alias {
    /// `$LATEST` or a number.
    pub version: String,
    pub description: String,
    /// A second version and its share of the invocations.
    pub weight: Option<(String, f64)>,
    pub revision: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Provisioned {
    pub requested: u64,
    pub modified_ms: i64,
}

/// A resource policy: who may do what with a function, beside those whom identity policies allow it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Policy {
    pub statements: Vec<Value>,
    pub revision: String,
}

impl Version {
    /// Returns `$LATEST` or the number.
    pub fn name(&self) -> String {
        self.number.map_or_else(|| LATEST.to_owned(), |number| number.to_string())
    }
}

impl Function {
    /// Returns a version by its name: `$LATEST` or a number, but no alias.
    pub fn version(&self, name: &str) -> Option<&Version> {
        if name == LATEST {
            return Some(&self.latest);
        }
        self.published.get(&number(name)?)
    }

    /// Returns the version that a qualifier names. Of an alias with two versions it is the first.
    pub fn qualified(&self, qualifier: Option<&str>) -> Option<&Version> {
        let Some(qualifier) = qualifier else { return Some(&self.latest) };
        let alias = self.aliases.get(qualifier).map(|alias| alias.version.as_str());
        self.version(alias.unwrap_or(qualifier))
    }

    /// Returns the provisioned concurrency of all qualifiers together.
    pub fn provisioned_total(&self) -> u64 {
        self.provisioned.values().map(|each| each.requested).sum()
    }

    /// Returns the folders of the code of all versions.
    pub fn code_folders(&self) -> Vec<String> {
        self.versions().map(|version| version.code.folder.clone()).collect()
    }

    /// Returns the published versions and `$LATEST`.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.published.values().chain([&self.latest])
    }
}

/// Returns the version number that a text is. `01` and `+1` are none.
pub fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_number_is_written_in_one_way() {
        assert_eq!(["7", "07", "+7", "live"].map(number), [Some(7), None, None, None]);
    }
}
