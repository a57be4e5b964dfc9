//! Reads the names of functions in requests.

use serde_json::Value;

use super::errors::{invalid, not_found};
use super::record::{FUNCTION, Function};
use crate::call::AwsError;
use crate::cloud::Cloud;

/// The greatest number of characters of a function's name.
const LONGEST_NAME: usize = 64;

/// A function, and perhaps one of its versions or aliases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub name: String,
    pub qualifier: Option<String>,
}

impl Target {
    /// Reads the members `FunctionName` and `Qualifier` of a request. `FunctionName` is a name, a partial ARN or a
    /// whole one, and may have a qualifier.
    ///
    /// # Errors
    /// The function is of another account or region; there are two different qualifiers; the name is too long.
    pub fn read(cloud: &Cloud, input: &Value) -> Result<Self, AwsError> {
        let text = input["FunctionName"].as_str().unwrap_or_default();
        Self::parse(cloud, text, input["Qualifier"].as_str().filter(|qualifier| !qualifier.is_empty()))
    }

    /// Reads a function's name or ARN. `given` is the qualifier from another member of the request.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(cloud: &Cloud, text: &str, given: Option<&str>) -> Result<Self, AwsError> {
        let unreachable = || {
            not_found(format!(
                "Functions from '{text}' are not reachable in this region ('{}')",
                cloud.region
            ))
        };
        let rest = match text.strip_prefix("arn:") {
            Some(_) => text.strip_prefix(&cloud.arn("lambda", "function:")).ok_or_else(unreachable)?,
            None => match text.split_once(":function:") {
                Some((account, rest)) if account == cloud.account => rest,
                Some(_) => return Err(unreachable()),
                None => text.strip_prefix("function:").unwrap_or(text),
            },
        };
        let (name, derived) = match rest.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (rest, None),
        };
        if let (Some(derived), Some(given)) = (derived, given)
            && derived != given
        {
            return Err(invalid(
                "The derived qualifier from the function name does not match the specified qualifier.",
            ));
        }
        if name.chars().count() > LONGEST_NAME {
            return Err(AwsError::validation(format!(
                "1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: Member \
                 must have length less than or equal to {LONGEST_NAME}"
            )));
        }
        Ok(Self { name: name.to_owned(), qualifier: derived.or(given).map(str::to_owned) })
    }

    /// Returns the ARN with the qualifier, if there is one.
    pub fn arn(&self, cloud: &Cloud) -> String {
        arn(cloud, &self.name, self.qualifier.as_deref())
    }

    /// Returns the ARN without the qualifier.
    pub fn function_arn(&self, cloud: &Cloud) -> String {
        arn(cloud, &self.name, None)
    }

    /// Reads the function's record.
    ///
    /// # Errors
    /// There is no such function; the store's.
    pub fn function(&self, cloud: &Cloud) -> Result<Function, AwsError> {
        cloud.store.get(FUNCTION, &self.name)?.ok_or_else(|| self.not_found(cloud))
    }

    pub fn not_found(&self, cloud: &Cloud) -> AwsError {
        not_found(format!("Function not found: {}", self.arn(cloud)))
    }

    /// Changes the function's record atomically, and returns what `change` returns. After an error it is as it was.
    ///
    /// # Errors
    /// There is no such function; those of `change`; the store's.
    pub fn change<R>(
        &self,
        cloud: &Cloud,
        change: impl FnOnce(&mut Function) -> Result<R, AwsError>,
    ) -> Result<R, AwsError> {
        cloud.store.update(FUNCTION, &self.name, change)?.ok_or_else(|| self.not_found(cloud))
    }
}

/// Returns the ARN of a function, or of one of its versions or aliases.
pub fn arn(cloud: &Cloud, name: &str, qualifier: Option<&str>) -> String {
    let resource = format!("function:{name}");
    cloud.arn("lambda", &qualifier.map_or(resource.clone(), |qualifier| format!("{resource}:{qualifier}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cloud::Settings;

    #[test]
    fn a_function_is_named_in_many_ways() {
        let dir = tempfile::tempdir().unwrap();
        let cloud = Cloud::open(Settings::new(dir.path())).unwrap();
        let read = |name: &str, qualifier: Value| {
            Target::read(&cloud, &json!({"FunctionName": name, "Qualifier": qualifier}))
                .map(|target| (target.name, target.qualifier.unwrap_or_default()))
                .map_err(|error| error.code)
        };
        let whole = "arn:aws:lambda:us-east-1:123456789012:function:f";
        for (name, qualifier, expected) in [
            ("f", json!(null), Ok(("f", ""))),
            ("f", json!("1"), Ok(("f", "1"))),
            ("f:live", json!(null), Ok(("f", "live"))),
            ("f:1", json!("1"), Ok(("f", "1"))),
            ("f:1", json!("2"), Err("InvalidParameterValueException")),
            ("function:f", json!(null), Ok(("f", ""))),
            ("123456789012:function:f:2", json!(null), Ok(("f", "2"))),
            ("210987654321:function:f", json!(null), Err("ResourceNotFoundException")),
            (whole, json!("$LATEST"), Ok(("f", "$LATEST"))),
            (
                "arn:aws:lambda:eu-west-1:123456789012:function:f",
                json!(null),
                Err("ResourceNotFoundException"),
            ),
            (&"f".repeat(65), json!(null), Err("ValidationException")),
        ] {
            let expected = expected.map(|(name, of)| (name.to_owned(), of.to_owned())).map_err(str::to_owned);
            assert_eq!(read(name, qualifier), expected, "{name}");
        }
    }
}
