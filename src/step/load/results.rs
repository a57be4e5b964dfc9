//! The results of a load, as numbers and figures.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::drive::{Observed, Request};
use crate::action::is_throttle;
use crate::journal::{Figure, Series};

/// The most points of a curve.
const MAX_BUCKETS: f64 = 60.0;
/// How many requests a point of a curve stands for, on average: fewer say nothing of a rate.
const LEAST_REQUESTS: f64 = 5.0;
/// The most error codes that are counted separately. A function may invent any number of codes.
const MAX_CODES: usize = 20;

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ErrorCount {
    /// The service's error code, or the function's error type.
    pub code: String,
    pub count: usize,
    /// The message of the first of them.
    pub message: String,
}

/// The counts and latencies of the responses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    pub ok: usize,
    pub throttled: usize,
    /// The other errors, the most frequent first.
    pub errors: Vec<ErrorCount>,
    /// The latencies of those that succeeded in milliseconds, shortest first.
    latencies: Vec<f64>,
}

impl Tally {
    pub fn new(requests: &[Request]) -> Self {
        let mut tally = Self::default();
        let mut errors: BTreeMap<&str, ErrorCount> = BTreeMap::new();
        for request in requests {
            match &request.failure {
                None => tally.latencies.push(request.latency * 1000.0),
                Some(failure) if is_throttle(failure) => tally.throttled += 1,
                Some(failure) => {
                    let known = errors.len() < MAX_CODES || errors.contains_key(failure.code.as_str());
                    let code = if known { failure.code.as_str() } else { "other" };
                    let error = errors.entry(code).or_insert_with(|| ErrorCount {
                        code: code.to_owned(),
                        count: 0,
                        message: failure.message.clone(),
                    });
                    error.count += 1;
                }
            }
        }
        tally.ok = tally.latencies.len();
        tally.latencies.sort_by(f64::total_cmp);
        tally.errors = errors.into_values().collect();
        tally.errors.sort_by_key(|error| std::cmp::Reverse(error.count));
        tally
    }

    pub fn failed(&self) -> usize {
        self.errors.iter().map(|error| error.count).sum()
    }

    /// Returns a percentile of the latencies in milliseconds, by the nearest rank.
    pub fn percentile(&self, part: f64) -> Option<f64> {
        let rank = (part * self.latencies.len() as f64).ceil() as usize;
        let value = self.latencies.get(rank.max(1) - 1)?;
        Some((value * 10.0).round() / 10.0)
    }
}

/// Returns the figure of requests a second over time: those that succeeded, were throttled and failed.
pub fn requests(observed: &Observed, caption: String) -> Figure {
    type Is = fn(&Request) -> bool;
    let kinds: [(&str, Is); 3] = [
        ("answered", |request| request.failure.is_none()),
        ("throttled", |request| request.failure.as_ref().is_some_and(is_throttle)),
        ("failed", |request| request.failure.as_ref().is_some_and(|failure| !is_throttle(failure))),
    ];
    let width = width(observed.seconds, observed.requests.len());
    let shown = kinds.iter().enumerate().filter(|(at, (_, is))| *at == 0 || observed.requests.iter().any(is));
    let series = shown.map(|(_, (name, is))| {
        Series::line(*name, rate(observed.requests.iter().filter(|r| is(r)), observed.seconds, width))
    });
    Figure::Curve { caption, x: "seconds".into(), y: "requests a second".into(), series: series.collect() }
}

/// Returns the intervals, in seconds, in which a load of some length is shown: 1, 2 or 5 times a power of ten.
fn width(seconds: f64, requests: usize) -> f64 {
    let least = (seconds / MAX_BUCKETS).max(LEAST_REQUESTS * seconds / requests.max(1) as f64).max(0.001);
    let power = 10f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= least * 0.999).unwrap_or(least)
}

/// Returns how many requests a second were due, for each interval of the time.
fn rate<'a>(requests: impl Iterator<Item = &'a Request>, seconds: f64, width: f64) -> Vec<(f64, f64)> {
    // The last interval is shorter, so its rate would not be meaningful.
    let count = ((seconds / width).floor() as usize).max(1);
    let mut buckets = vec![0_usize; count];
    for request in requests {
        if let Some(bucket) = buckets.get_mut((request.due / width) as usize) {
            *bucket += 1;
        }
    }
    let width_of_each = width.min(seconds.max(0.001));
    buckets.iter().enumerate().map(|(at, n)| (at as f64 * width, *n as f64 / width_of_each)).collect()
}

/// Returns the figure of instances over the same time.
pub fn instances(observed: &Observed, caption: String) -> Figure {
    let line = |name: &str, value: fn(&crate::action::Instances) -> i32| {
        let mut points: Vec<(f64, f64)> = Vec::new();
        for (at, seen) in &observed.instances {
            let value = f64::from(value(seen));
            match points.last() {
                Some((_, last)) if *last == value => {}
                // The number of instances changes in steps.
                Some((_, last)) => points.extend([(*at, *last), (*at, value)]),
                None => points.push((0.0, value)),
            }
        }
        points.extend(points.last().map(|(_, last)| (observed.seconds, *last)));
        Series::line(name, points)
    };
    let series = vec![line("in service", |seen| seen.current), line("wanted", |seen| seen.desired)];
    Figure::Curve { caption, x: "seconds".into(), y: "instances".into(), series }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Instances;
    use crate::failure::Failure;

    fn request(due: f64, milliseconds: f64, code: Option<&str>) -> Request {
        let failure = code.map(|code| Failure::new(code, "m"));
        Request { due, latency: milliseconds / 1000.0, failure }
    }

    #[test]
    fn percentiles_are_of_what_succeeded() {
        let mut requests: Vec<Request> = (1..=100).map(|n| request(0.0, f64::from(n), None)).collect();
        requests
            .extend([request(0.0, 9e9, Some("ThrottlingException")), request(0.0, 9e9, Some("ModelError"))]);
        let tally = Tally::new(&requests);
        assert_eq!((tally.ok, tally.throttled, tally.failed()), (100, 1, 1));
        let all = [0.5, 0.9, 0.99, 1.0].map(|part| tally.percentile(part).unwrap());
        assert_eq!(all, [50.0, 90.0, 99.0, 100.0]);
        assert_eq!(Tally::new(&requests[..1]).percentile(0.01), Some(1.0));
        assert_eq!(Tally::new(&[]).percentile(0.5), None);
    }

    #[test]
    fn no_function_can_fill_the_journal_with_codes() {
        let requests: Vec<Request> = (0..900).map(|n| request(0.0, 1.0, Some(&format!("E{n}")))).collect();
        let tally = Tally::new(&requests);
        assert_eq!((tally.errors.len(), tally.failed()), (MAX_CODES + 1, 900));
        assert_eq!((tally.errors[0].code.as_str(), tally.errors[0].count), ("other", 880));
    }

    #[test]
    fn rates_and_steps() {
        let requests: Vec<Request> = (0..30).map(|n| request(f64::from(n) / 10.0, 1.0, None)).collect();
        assert_eq!(rate(requests.iter(), 3.4, 1.0), [(0.0, 10.0), (1.0, 10.0), (2.0, 10.0)]);
    }

    #[test]
    fn intervals_fit_the_length_and_the_number_of_requests() {
        for (seconds, requests, expected) in [
            (60.0, 5400, 1.0),
            (1200.0, 90_000, 20.0),
            (0.5, 25, 0.1),
            (0.5, 500, 0.01),
            (1.0, 20, 0.5),
            (2.0, 1, 10.0),
        ] {
            assert!(
                (width(seconds, requests) - expected).abs() < 1e-9,
                "{seconds} {requests}: {}",
                width(seconds, requests)
            );
        }
        let at = |at: f64, current: i32| (at, Instances { current, desired: 1 });
        let observed = Observed {
            instances: vec![at(0.1, 1), at(1.0, 1), at(2.0, 3)],
            seconds: 4.0,
            ..Default::default()
        };
        let Figure::Curve { series, .. } = instances(&observed, String::new()) else { panic!() };
        assert_eq!(series[0].points, [(0.0, 1.0), (2.0, 1.0), (2.0, 3.0), (4.0, 3.0)]);
    }
}
