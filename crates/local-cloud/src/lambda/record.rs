//! The record of a function in the store. All of it is in one record, so that every change is atomic.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The store's kind of a [`Function`], by name.
pub const FUNCTION: &str = "lambda.function";
/// The store's kind of the last version number of a deleted function, by name. No number is used twice, not even by a
/// new function of the same name.
pub const NUMBER: &str = "lambda.number";
pub const LATEST: &str = "$LATEST";

/// A function, with its versions, aliases, settings of concurrency, policies and tags.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Function {
    pub name: String,
    pub latest: Version,
    /// The published versions, by number.
    pub published: BTreeMap<u64, Version>,
    pub aliases: BTreeMap<String, Alias>,
    /// Reserved concurrency. None: the function shares the account's.
    pub reserved: Option<u64>,
    /// By qualifier: a version's number or an alias.
    pub provisioned: BTreeMap<String, Provisioned>,
    /// By qualifier, which is empty for the function's own policy.
    pub policies: BTreeMap<String, Policy>,
    /// The URLs by qualifier, which is an alias, or empty for the function itself.
    #[serde(default)]
    pub urls: BTreeMap<String, Url>,
    pub tags: BTreeMap<String, String>,
    /// The number of the last published version.
    pub last: u64,
}

/// `$LATEST`, or a published version, which never changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Version {
    /// None: `$LATEST`.
    pub number: Option<u64>,
    pub settings: Settings,
    pub code: Code,
    pub modified_ms: i64,
    /// A random id, which each change replaces.
    pub revision: String,
    /// The revision of `$LATEST` that was published. None: this is `$LATEST`, or an older opsml published it.
    #[serde(default)]
    pub of: Option<String>,
    pub state: State,
    pub update: Update,
}

/// The settings that UpdateFunctionConfiguration can change.
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
    /// The digest of the zip, in base64.
    pub sha256: String,
    /// The size of the zip, in bytes.
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
    /// A second version, and its share of the invocations.
    pub weight: Option<(String, f64)>,
    pub revision: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Provisioned {
    pub requested: u64,
    pub modified_ms: i64,
}

/// A resource policy, which allows callers to use a function, in addition to their own policies.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Policy {
    pub statements: Vec<Value>,
    pub revision: String,
}

/// A function's URL.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Url {
    /// The first part of its host's name.
    pub id: String,
    /// `NONE` or `AWS_IAM`.
    pub auth: String,
    /// In the shape of AWS's model. None: the function answers browsers itself.
    pub cors: Option<Value>,
    pub created_ms: i64,
    pub modified_ms: i64,
}

impl Version {
    /// Returns `$LATEST` or the number.
    pub fn name(&self) -> String {
        self.number.map_or_else(|| LATEST.to_owned(), |number| number.to_string())
    }
}

impl Function {
    /// Returns a version by its name, which is `$LATEST` or a number, but not an alias.
    pub fn version(&self, name: &str) -> Option<&Version> {
        if name == LATEST {
            return Some(&self.latest);
        }
        self.published.get(&number(name)?)
    }

    /// Returns the version that a qualifier names. For an alias with two versions, it is the first.
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

/// Reads a version number. `01` and `+1` aren't version numbers.
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
