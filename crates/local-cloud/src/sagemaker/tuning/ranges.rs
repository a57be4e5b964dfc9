//! The ranges of hyperparameters that a tuning job searches. A coordinate of the search is a number in [0, 1), or the
//! number of a category; only this file converts it into a value.
//! <https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-ranges.html>

use std::collections::HashSet;

use serde_json::Value;

use crate::call::AwsError;
use crate::sagemaker::resource::text;

/// AWS's limit for the number of ranges.
const MAX_RANGES: usize = 30;
/// `Auto` uses the logarithmic scale if the maximum of a positive range is this many times the minimum. AWS doesn't
/// document its own rule.
const AUTO_LOG: f64 = 100.0;

/// A hyperparameter, and the values that it may have.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    pub name: String,
    pub values: Values,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Continuous { min: f64, max: f64, scale: Scale },
    Integer { min: i64, max: i64, scale: Scale },
    Categorical(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Linear,
    Logarithmic,
    ReverseLogarithmic,
}

impl Range {
    /// Returns the value for a coordinate: the position in the range, or the number of the category.
    pub fn value(&self, point: f64) -> String {
        match &self.values {
            Values::Continuous { min, max, scale } => {
                scale.at(*min, *max, point).clamp(*min, *max).to_string()
            }
            Values::Integer { min, max, scale } => {
                // A whole number is the value for all positions from itself to the next one. An i64 below 2^53 is exact
                // as f64.
                #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
                let value = scale.at(*min as f64, *max as f64 + 1.0, point).floor() as i64;
                value.clamp(*min, *max).to_string()
            }
            Values::Categorical(values) => {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let index = (point.max(0.0) as usize).min(values.len().saturating_sub(1));
                values.get(index).cloned().unwrap_or_default()
            }
        }
    }

    /// Returns the end of the coordinates, which start at 0: it is 1, or the number of categories.
    pub fn extent(&self) -> usize {
        match &self.values {
            Values::Categorical(values) => values.len(),
            _ => 1,
        }
    }
}

impl Scale {
    fn at(self, min: f64, max: f64, point: f64) -> f64 {
        let between = |low: f64, high: f64| low + (high - low) * point;
        match self {
            Self::Linear => between(min, max),
            Self::Logarithmic => between(min.ln(), max.ln()).exp(),
            Self::ReverseLogarithmic => 1.0 - between((1.0 - min).ln(), (1.0 - max).ln()).exp(),
        }
    }

    fn of(range: &Value, min: f64, max: f64) -> Result<Self, AwsError> {
        let name = text(range, "Name");
        match range["ScalingType"].as_str() {
            Some("Linear") => Ok(Self::Linear),
            Some("Logarithmic") if min > 0.0 => Ok(Self::Logarithmic),
            Some("Logarithmic") => Err(AwsError::validation(format!(
                "Logarithmic scaling works only for ranges that have values greater than 0; the hyperparameter {name} \
                 has MinValue [{min}]."
            ))),
            Some("ReverseLogarithmic") if (0.0..1.0).contains(&min) && max < 1.0 => {
                Ok(Self::ReverseLogarithmic)
            }
            Some("ReverseLogarithmic") => Err(AwsError::validation(format!(
                "Reverse logarithmic scaling works only for ranges that are entirely within 0 <= x < 1.0; the \
                 hyperparameter {name} has [{min}, {max}]."
            ))),
            _ if min > 0.0 && max / min >= AUTO_LOG => Ok(Self::Logarithmic),
            _ => Ok(Self::Linear),
        }
    }
}

/// Reads the ParameterRanges of a tuning job.
///
/// # Errors
/// A ValidationException that names the hyperparameter.
pub fn read(ranges: &Value) -> Result<Vec<Range>, AwsError> {
    let list = |member: &str| ranges[member].as_array().cloned().unwrap_or_default();
    let mut found = Vec::new();
    for range in list("ContinuousParameterRanges") {
        let (min, max) = bounds(&range, |text| text.parse::<f64>().ok().filter(|value| value.is_finite()))?;
        let scale = Scale::of(&range, min, max)?;
        found.push(Range {
            name: text(&range, "Name").to_owned(),
            values: Values::Continuous { min, max, scale },
        });
    }
    for range in list("IntegerParameterRanges") {
        const EXACT: i64 = 1 << 53;
        let whole = |text: &str| text.parse::<i64>().ok().filter(|value| (-EXACT..EXACT).contains(value));
        let (min, max) = bounds(&range, whole)?;
        if text(&range, "ScalingType") == "ReverseLogarithmic" {
            return Err(AwsError::validation(format!(
                "Reverse logarithmic scaling works only for continuous ranges; the hyperparameter {} is an integer.",
                text(&range, "Name")
            )));
        }
        #[allow(clippy::cast_precision_loss)]
        let scale = Scale::of(&range, min as f64, max as f64)?;
        found.push(Range {
            name: text(&range, "Name").to_owned(),
            values: Values::Integer { min, max, scale },
        });
    }
    for range in list("CategoricalParameterRanges") {
        let values = range["Values"].as_array().into_iter().flatten();
        let values: Vec<String> = values.filter_map(|value| value.as_str().map(str::to_owned)).collect();
        let name = text(&range, "Name").to_owned();
        if values.iter().collect::<HashSet<_>>().len() < values.len() {
            return Err(AwsError::validation(format!(
                "The values of the hyperparameter {name} must be unique."
            )));
        }
        found.push(Range { name, values: Values::Categorical(values) });
    }
    if found.is_empty() || found.len() > MAX_RANGES {
        return Err(AwsError::validation(format!(
            "The number of hyperparameter ranges must be between 1 and {MAX_RANGES}; there are {}.",
            found.len()
        )));
    }
    let mut names = HashSet::new();
    if let Some(twice) = found.iter().find(|range| !names.insert(range.name.as_str())) {
        return Err(AwsError::validation(format!(
            "Hyperparameter names must be unique: {} has two ranges.",
            twice.name
        )));
    }
    Ok(found)
}

fn bounds<T: PartialOrd + std::fmt::Display>(
    range: &Value,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<(T, T), AwsError> {
    let name = text(range, "Name");
    let read = |member: &str| {
        let value = text(range, member);
        parse(value).ok_or_else(|| {
            AwsError::validation(format!("The {member} [{value}] of the hyperparameter {name} is not valid."))
        })
    };
    let (min, max) = (read("MinValue")?, read("MaxValue")?);
    if min > max {
        return Err(AwsError::validation(format!(
            "MinValue [{min}] must be less than or equal to MaxValue [{max}] for the hyperparameter {name}."
        )));
    }
    Ok((min, max))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn continuous(min: &str, max: &str, scale: &str) -> Result<Vec<Range>, AwsError> {
        read(&json!({"ContinuousParameterRanges": [
            {"Name": "x", "MinValue": min, "MaxValue": max, "ScalingType": scale}]}))
    }

    #[test]
    fn points_become_values() {
        let at = |min, max, scale, point| {
            continuous(min, max, scale).unwrap()[0].value(point).parse::<f64>().unwrap()
        };
        let close = |value: f64, wanted: f64| assert!((value - wanted).abs() < 1e-9, "{value} for {wanted}");
        close(at("0", "10", "Linear", 0.25), 2.5);
        close(at("0.001", "10", "Logarithmic", 0.5), 0.1);
        close(at("0.9", "0.999", "ReverseLogarithmic", 0.5), 0.99);
        close(at("0.001", "10", "Auto", 0.5), 0.1);
        close(at("1", "10", "Auto", 0.5), 5.5);
        close(at("3", "3", "Linear", 0.7), 3.0);
        let integers = |min: &str, max: &str| {
            let range = json!({"Name": "x", "MinValue": min, "MaxValue": max, "ScalingType": "Linear"});
            let range = read(&json!({"IntegerParameterRanges": [range]})).unwrap().remove(0);
            [0.0, 0.34, 0.67, 0.999_999_999].map(|point| range.value(point))
        };
        assert_eq!(integers("1", "3"), ["1", "2", "3", "3"]);
        assert_eq!(integers("-2", "-2"), ["-2", "-2", "-2", "-2"]);
        let range = json!({"CategoricalParameterRanges": [{"Name": "x", "Values": ["a", "b"]}]});
        let range = read(&range).unwrap().remove(0);
        assert_eq!([0.0, 1.5, 2.0].map(|point| range.value(point)), ["a", "b", "b"]);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for (min, max, scale, words) in [
            ("2", "1", "Auto", "MinValue [2] must be less than or equal to MaxValue [1]"),
            ("a", "1", "Auto", "MinValue [a]"),
            ("1", "inf", "Auto", "MaxValue [inf]"),
            ("NaN", "1", "Auto", "MinValue [NaN]"),
            ("0", "1", "Logarithmic", "greater than 0"),
            ("0", "1", "ReverseLogarithmic", "entirely within"),
        ] {
            let error = continuous(min, max, scale).unwrap_err();
            assert_eq!(error.code, "ValidationException");
            assert!(error.message.contains(words), "{}", error.message);
        }
        let integer = |min: &str, max: &str, scale: &str| {
            read(&json!({"IntegerParameterRanges": [
                {"Name": "x", "MinValue": min, "MaxValue": max, "ScalingType": scale}]}))
        };
        assert!(integer("1.5", "2", "Auto").is_err());
        assert!(integer("1", "99999999999999999999", "Auto").is_err());
        assert!(integer("1", "2", "ReverseLogarithmic").is_err());
        assert!(read(&json!({})).is_err());
        let twice = json!({"Name": "x", "Values": ["a"]});
        assert!(read(&json!({"CategoricalParameterRanges": [twice, twice]})).is_err());
        assert!(read(&json!({"CategoricalParameterRanges": [{"Name": "x", "Values": ["a", "a"]}]})).is_err());
    }
}
