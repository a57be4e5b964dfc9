//! The conditions of a statement.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

use std::cmp::Ordering;
use std::net::IpAddr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::context::Context;
use super::pattern::{Pattern, Reach, expanded};

/// One key of a condition, and the values that it is compared with.
#[derive(Clone, Debug)]
pub struct Condition {
    pub operator: Operator,
    /// As it is written. Upper and lower case are the same.
    pub key: String,
    pub values: Vec<String>,
    /// Whether the values may have variables, as in policies of version 2012-10-17.
    pub variables: bool,
}

/// `ForAllValues:StringNotLikeIfExists`: how a key is compared.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    pub comparison: Comparison,
    /// Whether none of the values may match, instead of at least one.
    pub negated: bool,
    /// Whether the condition is true if the key is missing.
    pub if_exists: bool,
    pub set: Option<Set>,
}

/// How the several values of a key are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// `ForAllValues`
    All,
    /// `ForAnyValue`
    Any,
}

#[derive(Clone, Copy, Debug)]
pub enum Comparison {
    Equal,
    EqualIgnoreCase,
    Like,
    Arn,
    Number(fn(Ordering) -> bool),
    Date(fn(Ordering) -> bool),
    Bool,
    Binary,
    Address,
    Null,
}

/// The operators: name, comparison, and whether it is negated.
const OPERATORS: [(&str, Comparison, bool); 27] = [
    ("StringEquals", Comparison::Equal, false),
    ("StringNotEquals", Comparison::Equal, true),
    ("StringEqualsIgnoreCase", Comparison::EqualIgnoreCase, false),
    ("StringNotEqualsIgnoreCase", Comparison::EqualIgnoreCase, true),
    ("StringLike", Comparison::Like, false),
    ("StringNotLike", Comparison::Like, true),
    ("ArnEquals", Comparison::Arn, false),
    ("ArnNotEquals", Comparison::Arn, true),
    ("ArnLike", Comparison::Arn, false),
    ("ArnNotLike", Comparison::Arn, true),
    ("NumericEquals", Comparison::Number(Ordering::is_eq), false),
    ("NumericNotEquals", Comparison::Number(Ordering::is_eq), true),
    ("NumericLessThan", Comparison::Number(Ordering::is_lt), false),
    ("NumericLessThanEquals", Comparison::Number(Ordering::is_le), false),
    ("NumericGreaterThan", Comparison::Number(Ordering::is_gt), false),
    ("NumericGreaterThanEquals", Comparison::Number(Ordering::is_ge), false),
    ("DateEquals", Comparison::Date(Ordering::is_eq), false),
    ("DateNotEquals", Comparison::Date(Ordering::is_eq), true),
    ("DateLessThan", Comparison::Date(Ordering::is_lt), false),
    ("DateLessThanEquals", Comparison::Date(Ordering::is_le), false),
    ("DateGreaterThan", Comparison::Date(Ordering::is_gt), false),
    ("DateGreaterThanEquals", Comparison::Date(Ordering::is_ge), false),
    ("Bool", Comparison::Bool, false),
    ("BinaryEquals", Comparison::Binary, false),
    ("IpAddress", Comparison::Address, false),
    ("NotIpAddress", Comparison::Address, true),
    ("Null", Comparison::Null, false),
];

impl Operator {
    /// Reads an operator. None: there is no such operator.
    pub fn parse(written: &str) -> Option<Self> {
        let (set, name) = match written.split_once(':') {
            Some(("ForAllValues", name)) => (Some(Set::All), name),
            Some(("ForAnyValue", name)) => (Some(Set::Any), name),
            _ => (None, written),
        };
        let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
        let (_, comparison, negated) = OPERATORS.into_iter().find(|(known, ..)| *known == name)?;
        Some(Self { comparison, negated, if_exists, set })
    }
}

impl Condition {
    /// Returns whether the condition is true. With a variable that has no value it is false, negated or not.
    pub fn holds(&self, context: &Context) -> bool {
        let values: Option<Vec<String>> = match self.variables {
            true => self.values.iter().map(|value| expanded(value, context)).collect(),
            false => Some(self.values.clone()),
        };
        let Some(values) = values else { return false };
        let Operator { comparison, negated, if_exists, set } = self.operator;
        let found = context.values(&self.key);
        if matches!(comparison, Comparison::Null) {
            return found.is_empty() == values.iter().any(|value| value == "true");
        }
        let fits = |found: &String| {
            let pairs = self.values.iter().zip(&values);
            let mut compared = pairs.map(|(written, value)| self.compare(found, written, value, context));
            // Values that can't be compared make it false, negated or not.
            match negated {
                true => compared.all(|fits| fits == Some(false)),
                false => compared.any(|fits| fits == Some(true)),
            }
        };
        match (found, set) {
            ([], Some(Set::All)) => true,
            ([], Some(Set::Any)) => if_exists,
            ([], None) => if_exists || negated,
            (all, Some(Set::All)) => all.iter().all(fits),
            (all, Some(Set::Any)) => all.iter().any(fits),
            ([first, ..], None) => fits(first),
        }
    }

    /// Compares a key's value with a value of the condition, which is given as it is written and with its variables
    /// replaced. None: one of the two isn't of the operator's type.
    fn compare(&self, found: &str, written: &str, value: &str, context: &Context) -> Option<bool> {
        let like = |reach| Pattern::new(written, self.variables, reach).fits(found, context);
        match self.operator.comparison {
            Comparison::Equal | Comparison::Binary => Some(found == value),
            Comparison::EqualIgnoreCase => Some(found.eq_ignore_ascii_case(value)),
            Comparison::Like => like(Reach::Text),
            Comparison::Arn => like(Reach::Segment),
            Comparison::Number(fits) => {
                found.parse::<f64>().ok()?.partial_cmp(&value.parse::<f64>().ok()?).map(fits)
            }
            Comparison::Date(fits) => Some(fits(date(found)?.cmp(&date(value)?))),
            Comparison::Bool => Some(boolean(found)? == boolean(value)?),
            Comparison::Address => Some(is_within(found, value)),
            Comparison::Null => None,
        }
    }
}

fn boolean(text: &str) -> Option<bool> {
    text.to_ascii_lowercase().parse().ok()
}

/// Reads a time: seconds since 1970, or a time or a day of ISO 8601.
fn date(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse() {
        return Timestamp::from_second(seconds).ok();
    }
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok();
    text.parse().ok().or_else(|| day().map(|day| day.timestamp()))
}

/// Returns whether an address is in a network, such as `192.0.2.0/24`, or equals a single address.
fn is_within(address: &str, network: &str) -> bool {
    let (base, bits) = network.split_once('/').map_or((network, None), |(base, bits)| (base, Some(bits)));
    let (address, base, width) = match (address.parse(), base.parse()) {
        (Ok(IpAddr::V4(address)), Ok(IpAddr::V4(base))) => {
            (u128::from(address.to_bits()), u128::from(base.to_bits()), 32)
        }
        (Ok(IpAddr::V6(address)), Ok(IpAddr::V6(base))) => (address.to_bits(), base.to_bits(), 128),
        _ => return false,
    };
    let Some(bits) = bits.map_or(Some(width), |bits| bits.parse().ok()) else { return false };
    let Some(free) = u32::checked_sub(width, bits) else { return false };
    // All 128 bits are free in `::/0`.
    let prefix = |address: u128| address.checked_shr(free).unwrap_or(0);
    prefix(address) == prefix(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(operator: &str, values: &[&str], context: &Context) -> bool {
        let operator = Operator::parse(operator).unwrap_or_else(|| panic!("{operator}"));
        let values = values.iter().map(|&value| value.to_owned()).collect();
        Condition { operator, key: "aws:K".to_owned(), values, variables: true }.holds(context)
    }

    #[test]
    fn unknown_operators_are_none() {
        for known in ["ForAnyValue:StringLikeIfExists", "BoolIfExists", "NotIpAddress"] {
            assert!(Operator::parse(known).is_some(), "{known}");
        }
        for unknown in ["", "Similar", "stringequals", "ForSome:StringEquals", "NotBool", "IfExistsBool"] {
            assert!(Operator::parse(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn values_are_compared_by_their_type() {
        for (operator, found, value, expected) in [
            ("NumericEquals", "1.0", "1", true),
            ("NumericNotEquals", "1", "2", true),
            // A text that isn't a number is neither equal nor unequal to a number.
            ("NumericEquals", "one", "1", false),
            ("NumericNotEquals", "one", "1", false),
            ("DateEquals", "2026-01-01T00:00:00Z", "1767225600", true),
            ("DateEquals", "2026-01-01T01:00:00+01:00", "2026-01-01", true),
            ("DateNotEquals", "soon", "2026-01-01", false),
            ("Bool", "true", "True", true),
            ("Bool", "yes", "yes", false),
            ("BinaryEquals", "QQ==", "QQ==", true),
            ("IpAddress", "2001:db8::1", "2001:db8::/32", true),
            ("IpAddress", "2001:db9::1", "2001:db8::/32", false),
            ("IpAddress", "2001:db8::1", "::/0", true),
            ("IpAddress", "192.0.2.7", "0.0.0.0/0", true),
            ("IpAddress", "192.0.2.7", "::/0", false),
            ("IpAddress", "192.0.2.7", "192.0.2.0/33", false),
            ("NotIpAddress", "192.0.2.7", "192.0.2.8", true),
            // `*` in the value of a variable isn't a wildcard, nor is `${*}`.
            ("StringLike", "abc", "${*}", false),
            ("StringLike", "*", "${*}", true),
            ("StringLike", "abc", "${aws:Star}", false),
            ("StringLike", "*", "${aws:Star}", true),
            ("StringLike", "a:b:c", "a*c", true),
        ] {
            let context = Context::new().with("aws:k", found).with("aws:Star", "*");
            assert_eq!(holds(operator, &[value], &context), expected, "{operator} {found} {value}");
        }
    }

    #[test]
    fn no_value_of_a_negated_condition_fits() {
        let tags =
            |values: &[&str]| Context::new().with_list("aws:k", values.iter().map(|&value| value.to_owned()));
        for (operator, values, found, expected) in [
            ("ForAnyValue:StringNotEquals", &["a", "b"][..], &["a", "c"][..], true),
            ("ForAnyValue:StringNotEquals", &["a", "b"], &["a", "b"], false),
            ("ForAllValues:StringNotEquals", &["a", "b"], &["a", "c"], false),
            ("ForAnyValue:NumericNotEquals", &["1", "2"], &["1"], false),
            ("ForAnyValue:StringEqualsIfExists", &["a"], &[], true),
            ("ForAllValues:StringEquals", &["a"], &[], true),
            ("Null", &["true"], &[], true),
        ] {
            assert_eq!(holds(operator, values, &tags(found)), expected, "{operator} {values:?} {found:?}");
        }
    }
}
