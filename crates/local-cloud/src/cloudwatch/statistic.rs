//! The statistics of the values that were put in a period: those of a statistic set, and those that need every value.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html>

use super::error::invalid;
use super::series::Point;
use crate::call::AwsError;

/// A statistic, by AWS's name for it: `Sum`, `p99`, `TM(5%:95%)`.
#[derive(Clone, Debug, PartialEq)]
pub enum Statistic {
    /// One of a statistic set.
    OfSet(String),
    /// `p99`: the value below which this share of the values lies.
    Percentile(f64),
    /// One of the values between two bounds.
    Within(Kind, Bound, Bound),
}

/// What a statistic says of the values between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `TM`: their average.
    TrimmedMean,
    /// `WM`: the average of all, where those outside count as the bound.
    WinsorizedMean,
    /// `TC`: their number.
    Count,
    /// `TS`: their sum.
    Sum,
    /// `PR`: their share of all, in percent.
    Rank,
}

/// A bound: a share of the values, ordered by size, between 0 and 1; or a value. None: there is none on this side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    Share(f64),
    Value(Option<f64>),
}

impl Statistic {
    /// Reads AWS's name, which is the value of a parameter. Upper and lower case of all but those of a statistic set are the same.
    ///
    /// # Errors
    /// There is no such statistic.
    pub fn parse(name: &str, parameter: &str) -> Result<Self, AwsError> {
        let unknown = || invalid(format!("The value {name} for parameter {parameter} is not supported."));
        if Point::of(0.0).statistic(name).is_some() {
            return Ok(Self::OfSet(name.to_owned()));
        }
        let lower = name.to_ascii_lowercase();
        if lower == "iqm" {
            return Ok(Self::Within(Kind::TrimmedMean, Bound::Share(0.25), Bound::Share(0.75)));
        }
        if let Some(percent) = lower.strip_prefix('p').filter(|rest| !rest.starts_with('r')) {
            return share(percent).map(Self::Percentile).ok_or_else(unknown);
        }
        let (kind, rest) = lower.split_at_checked(2).ok_or_else(unknown)?;
        let kind = match kind {
            "tm" => Kind::TrimmedMean,
            "wm" => Kind::WinsorizedMean,
            "tc" => Kind::Count,
            "ts" => Kind::Sum,
            "pr" => Kind::Rank,
            _ => return Err(unknown()),
        };
        let bounds = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        let (low, high) = match bounds {
            Some(bounds) => bounds_of(bounds),
            None if kind == Kind::Rank => None,
            None => share(rest).map(|high| (Bound::Share(0.0), Bound::Share(high))),
        }
        .ok_or_else(unknown)?;
        if kind == Kind::Rank && !matches!((low, high), (Bound::Value(_), Bound::Value(_))) {
            return Err(unknown());
        }
        Ok(Self::Within(kind, low, high))
    }

    /// Returns the statistic of a statistic set. None: it needs every value.
    pub fn of_set(&self, point: &Point) -> Option<f64> {
        match self {
            Self::OfSet(name) => point.statistic(name),
            _ => None,
        }
    }

    /// Returns the statistic of values and how often each was put, ordered by value. None: there are none in the bounds.
    pub fn of_values(&self, values: &[(f64, f64)]) -> Option<f64> {
        let all: f64 = values.iter().map(|(_, count)| count).sum();
        match self {
            Self::OfSet(_) => None,
            Self::Percentile(share) => percentile(values, all, *share),
            Self::Within(kind, low, high) => {
                let inside: Vec<(f64, f64)> = inside(values, all, *low, *high).collect();
                let count: f64 = inside.iter().map(|(_, count)| count).sum();
                let sum: f64 = inside.iter().map(|(value, count)| value * count).sum();
                let mean = || (count > 0.0).then(|| sum / count);
                match kind {
                    Kind::TrimmedMean => mean(),
                    Kind::Count => Some(count),
                    Kind::Sum => Some(sum),
                    Kind::Rank => (all > 0.0).then(|| 100.0 * count / all),
                    Kind::WinsorizedMean => {
                        let (least, most) = (inside.first()?.0, inside.last()?.0);
                        let clamped = values.iter().map(|(value, count)| value.clamp(least, most) * count);
                        Some(clamped.sum::<f64>() / all)
                    }
                }
            }
        }
    }
}

/// Reads a percentage of up to 100 as a share.
fn share(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let percent: f64 = text.parse().ok().filter(|_| plain)?;
    (percent <= 100.0).then_some(percent / 100.0)
}

/// Reads `10%:90%`, `:90%`, `150:1000`. One side may be open; both are of the same sort.
fn bounds_of(text: &str) -> Option<(Bound, Bound)> {
    let (low, high) = text.split_once(':')?;
    let in_percent = low.ends_with('%') || high.ends_with('%');
    let read = |side: &str, open: f64| match (in_percent, side) {
        (true, "") => Some(Bound::Share(open)),
        (true, side) => share(side.strip_suffix('%')?).map(Bound::Share),
        (false, "") => Some(Bound::Value(None)),
        (false, side) => {
            side.parse().ok().filter(|value: &f64| value.is_finite()).map(|it| Bound::Value(Some(it)))
        }
    };
    let (low, high) = (read(low, 0.0)?, read(high, 1.0)?);
    let ordered = match (low, high) {
        (Bound::Share(low), Bound::Share(high)) | (Bound::Value(Some(low)), Bound::Value(Some(high))) => {
            low < high
        }
        (low, high) => low != high,
    };
    ordered.then_some((low, high))
}

fn percentile(values: &[(f64, f64)], all: f64, share: f64) -> Option<f64> {
    let mut passed = 0.0;
    let reached = values.iter().find(|(_, count)| {
        passed += count;
        // A rounding error must not lead to the next value.
        passed >= share * all - 1e-9
    });
    reached.or(values.last()).map(|(value, _)| *value)
}

/// Returns the values inside of bounds, and how often each is there. A value may be inside with a part of its count.
fn inside(values: &[(f64, f64)], all: f64, low: Bound, high: Bound) -> impl Iterator<Item = (f64, f64)> {
    let mut passed = 0.0;
    let counted = values.iter().map(move |(value, count)| {
        let (before, after) = (passed, passed + count);
        passed = after;
        let from = match low {
            Bound::Share(share) => before.max(share * all),
            Bound::Value(Some(bound)) if *value <= bound => after,
            Bound::Value(_) => before,
        };
        let to = match high {
            Bound::Share(share) => after.min(share * all),
            Bound::Value(Some(bound)) if *value > bound => before,
            Bound::Value(_) => after,
        };
        (*value, to - from)
    });
    counted.filter(|(_, count)| *count > 1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, values: &[(f64, f64)]) -> Option<f64> {
        Statistic::parse(name, "Stat").unwrap().of_values(values)
    }

    #[test]
    fn statistics_of_values_are_those_that_aws_defines() {
        let hundred: Vec<(f64, f64)> = (1..=100).map(|value| (f64::from(value), 1.0)).collect();
        for (name, expected) in [
            ("p50", 50.0),
            ("p99", 99.0),
            ("P99.9", 100.0),
            ("p0", 1.0),
            ("p100", 100.0),
            ("tm90", 45.5),
            ("TM(10%:90%)", 50.5),
            ("IQM", 50.5),
            ("TM(90:)", 95.5),
            ("WM(:50%)", 37.75),
            ("tc(:20)", 20.0),
            ("TS(98:)", 199.0),
            ("PR(10:30)", 20.0),
            ("TC10", 10.0),
        ] {
            assert_eq!(of(name, &hundred), Some(expected), "{name}");
        }
        assert_eq!(of("p90", &[(1.0, 9.0), (7.0, 1.0)]), Some(1.0));
        assert_eq!(of("p91", &[(1.0, 9.0), (7.0, 1.0)]), Some(7.0));
        // Half of the larger value is inside.
        assert_eq!(of("tm75", &[(1.0, 2.0), (4.0, 2.0)]), Some(2.0));
        assert_eq!(of("TM(500:)", &hundred), None);
    }

    #[test]
    fn other_names_are_no_statistics() {
        for name in
            ["p101", "p", "p-1", "pr90", "PR(1%:2%)", "tm", "TM(90%:10%)", "TM(1:2%)", "Median", "sum", "x"]
        {
            assert!(Statistic::parse(name, "Stat").is_err(), "{name}");
        }
        assert_eq!(Statistic::parse("Sum", "Stat").unwrap(), Statistic::OfSet("Sum".to_owned()));
    }
}
