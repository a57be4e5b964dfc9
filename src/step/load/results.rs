//! The results of a load, as numbers and figures.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::drive::{Observed, Request};
use crate::action::is_throttle;
use crate::journal::{Axis, Drawing, Figure, Mark, Panel, Plot, Scale, Series};

/// The percentiles that are shown of latencies.
const PERCENTILES: [(&str, f64); 3] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)];
/// The bars of a distribution, and the fewest requests that have one.
const BINS: usize = 36;
const LEAST_DISTRIBUTED: usize = 20;
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
    pub fn new<'a>(requests: impl IntoIterator<Item = &'a Request>) -> Self {
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

/// Returns the figure of a load over its time: requests, latencies, and instances with the scaling events.
pub fn over_time(observed: &Observed, caption: String) -> Figure {
    let buckets = Buckets::new(observed);
    let panel = |y: Axis, series: Vec<Series>| Panel { x: buckets.time.clone(), y, series };
    let mut panels =
        vec![panel(Axis::new("requests a second", "", Scale::FromZero), buckets.rates(observed))];
    let latencies = buckets.latencies(observed);
    if latencies.iter().any(|one| !one.points.is_empty()) {
        let values = || latencies.iter().flat_map(|one| &one.points).map(|point| point.1);
        let scale = spread(values());
        panels.push(panel(Axis::new("latency", "ms", scale), latencies));
    }
    if !observed.instances.is_empty() {
        let scale = Scale::FromZero;
        panels.push(panel(Axis::new("instances", "", scale), instances(observed, buckets.second)));
    }
    let marks = events(observed, buckets.second);
    Figure::drawn(caption, Drawing::Plot(Plot { panels, stacked: true, marks }))
}

/// Returns how many requests took how long, with the percentiles marked. `None` for few requests.
pub fn distribution(tally: &Tally, caption: String) -> Option<Figure> {
    let values: Vec<f64> = tally.latencies.iter().map(|value| value.max(0.1)).collect();
    let (first, last) = (*values.first()?, *values.last()?);
    if values.len() < LEAST_DISTRIBUTED || first >= last {
        return None;
    }
    let scale = spread(values.iter().copied());
    let logarithmic = scale == Scale::Logarithmic;
    let edge = |at: usize| {
        let part = at as f64 / BINS as f64;
        if logarithmic { first * (last / first).powf(part) } else { first + (last - first) * part }
    };
    let mut points = vec![(first, 0.0)];
    let mut begin = 0;
    for bin in 1..=BINS {
        let end = if bin == BINS { values.len() } else { values.partition_point(|value| *value < edge(bin)) };
        let count = (end - begin.min(end)) as f64;
        points.extend([(edge(bin - 1), count), (edge(bin), count)]);
        begin = end;
    }
    points.push((last, 0.0));
    let mark = |(name, part): (&str, f64)| {
        let x = tally.percentile(part)?;
        Some(Mark { x, label: format!("{name} {x} ms") })
    };
    let marks = PERCENTILES.into_iter().filter_map(mark).collect();
    let (x, y) = (Axis::new("latency", "ms", scale), Axis::new("requests", "", Scale::FromZero));
    let panels = vec![Panel { x, y, series: vec![Series::area("requests", points)] }];
    Some(Figure::drawn(caption, Drawing::Plot(Plot { panels, stacked: false, marks })))
}

/// Returns a logarithmic scale for values that span more than a decade.
fn spread(values: impl Iterator<Item = f64>) -> Scale {
    let (low, high) =
        values.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), value| (low.min(value), high.max(value)));
    if low > 0.0 && high > 10.0 * low { Scale::Logarithmic } else { Scale::FromZero }
}

/// The intervals in which a load is shown.
struct Buckets {
    time: Axis,
    /// How many units of the axis a second has.
    second: f64,
    /// In seconds.
    width: f64,
    count: usize,
}

impl Buckets {
    fn new(observed: &Observed) -> Self {
        let (time, unit) = Axis::time("time since the start of the load", observed.seconds);
        let width = width(observed.seconds, observed.requests.len());
        // The last interval is shorter, so its rate would not be meaningful.
        let count = ((observed.seconds / width).floor() as usize).max(1);
        Self { time, second: 1.0 / unit, width, count }
    }

    /// The middle of an interval, on the axis.
    fn middle(&self, at: usize) -> f64 {
        (at as f64 + 0.5) * self.width * self.second
    }

    /// Returns the requests that were due in each interval.
    fn requests<'a>(&self, observed: &'a Observed) -> Vec<Vec<&'a Request>> {
        let mut buckets = vec![Vec::new(); self.count];
        for request in &observed.requests {
            if let Some(bucket) = buckets.get_mut((request.due / self.width) as usize) {
                bucket.push(request);
            }
        }
        buckets
    }

    /// Returns requests a second: those that were offered, and how many of these were answered, throttled and failed.
    fn rates(&self, observed: &Observed) -> Vec<Series> {
        type Is = fn(&Request) -> bool;
        let kinds: [(&str, Is); 4] = [
            ("offered", |_| true),
            ("answered", |request| request.failure.is_none()),
            ("throttled", |request| request.failure.as_ref().is_some_and(is_throttle)),
            ("failed", |request| request.failure.as_ref().is_some_and(|failure| !is_throttle(failure))),
        ];
        let buckets = self.requests(observed);
        let width = self.width.min(observed.seconds.max(0.001));
        let shown = kinds.into_iter().enumerate();
        let shown = shown.filter(|(at, (_, is))| *at < 2 || observed.requests.iter().any(is));
        let points = |is: Is| {
            let rate =
                |bucket: &Vec<&Request>| bucket.iter().filter(|request| is(request)).count() as f64 / width;
            buckets.iter().enumerate().map(|(at, bucket)| (self.middle(at), rate(bucket))).collect()
        };
        shown.map(|(_, (name, is))| Series::line(name, points(is))).collect()
    }

    /// Returns the percentiles of the latency, in milliseconds, of the requests that were due in each interval and succeeded.
    fn latencies(&self, observed: &Observed) -> Vec<Series> {
        let buckets: Vec<Tally> =
            self.requests(observed).iter().map(|all| Tally::new(all.iter().copied())).collect();
        let points = |part: f64| {
            let all = buckets.iter().enumerate();
            all.filter_map(|(at, tally)| Some((self.middle(at), tally.percentile(part)?))).collect()
        };
        PERCENTILES.map(|(name, part)| Series::line(name, points(part))).into()
    }
}

/// Returns the intervals, in seconds, in which a load of some length is shown: 1, 2 or 5 times a power of ten.
fn width(seconds: f64, requests: usize) -> f64 {
    let least = (seconds / MAX_BUCKETS).max(LEAST_REQUESTS * seconds / requests.max(1) as f64).max(0.001);
    let power = 10f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= least * 0.999).unwrap_or(least)
}

/// Returns the instances over the same time, whose number changes in steps.
fn instances(observed: &Observed, second: f64) -> Vec<Series> {
    let line = |name: &str, value: fn(&crate::action::Instances) -> i32| {
        let mut points: Vec<(f64, f64)> = Vec::new();
        for (at, seen) in &observed.instances {
            let (at, value) = (at * second, f64::from(value(seen)));
            match points.last() {
                Some((_, last)) if *last == value => {}
                Some((_, last)) => points.extend([(at, *last), (at, value)]),
                None => points.push((0.0, value)),
            }
        }
        points.extend(points.last().map(|(_, last)| (observed.seconds * second, *last)));
        Series::line(name, points)
    };
    vec![line("in service", |seen| seen.current), line("wanted", |seen| seen.desired)]
}

/// Returns when another number of instances was wanted, as it was seen.
fn events(observed: &Observed, second: f64) -> Vec<Mark> {
    let changed = observed.instances.windows(2).filter(|pair| pair[0].1.desired != pair[1].1.desired);
    changed
        .map(|pair| {
            let (at, to) = (pair[1].0, pair[1].1.desired);
            let way = if to > pair[0].1.desired { "out" } else { "in" };
            Mark { x: at * second, label: format!("scaling {way} to {to}") }
        })
        .collect()
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

    fn panels(figure: &Figure) -> (&[Panel], &[Mark]) {
        let Figure::Drawn { drawing: Drawing::Plot(plot), .. } = figure else { panic!("{figure:?}") };
        (&plot.panels, &plot.marks)
    }

    #[test]
    fn requests_latencies_and_instances_share_one_time() {
        let code = |n: u32| (n % 4 == 3).then_some("ThrottlingException");
        let requests = (0..80).map(|n| request(f64::from(n) / 20.0, f64::from(n % 20 + 1), code(n)));
        let at = |at: f64, current: i32, desired: i32| (at, Instances { current, desired });
        let observed = Observed {
            requests: requests.collect(),
            instances: vec![at(0.1, 1, 1), at(1.0, 1, 3), at(2.0, 3, 3), at(3.5, 3, 1)],
            seconds: 4.2,
            ..Default::default()
        };
        let figure = over_time(&observed, String::new());
        let ([rates, latencies, instances], marks) = panels(&figure) else { panic!() };
        let named = |panel: &Panel| panel.series.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        assert_eq!(named(rates), ["offered", "answered", "throttled"], "nothing failed");
        // Intervals of half a second, of ten requests each.
        assert_eq!(rates.series[0].points[0], (0.25, 20.0));
        assert_eq!((rates.series[0].points.len(), rates.series[2].points[1]), (8, (0.75, 6.0)));
        assert_eq!(named(latencies), ["p50", "p90", "p99"]);
        assert_eq!(
            latencies.series[2].points[0],
            (0.25, 10.0),
            "the slowest of the first ten that was answered"
        );
        assert_eq!(
            instances.series[1].points,
            [(0.0, 1.0), (1.0, 1.0), (1.0, 3.0), (3.5, 3.0), (3.5, 1.0), (4.2, 1.0)]
        );
        let marks: Vec<(f64, &str)> = marks.iter().map(|mark| (mark.x, mark.label.as_str())).collect();
        assert_eq!(marks, [(1.0, "scaling out to 3"), (3.5, "scaling in to 1")]);
        let function = over_time(&Observed { instances: Vec::new(), ..observed }, String::new());
        assert_eq!(panels(&function).0.len(), 2);
    }

    #[test]
    fn a_distribution_counts_every_request_once() {
        for (longest, scale) in [(4.0, Scale::FromZero), (900.0, Scale::Logarithmic)] {
            let requests = (0..200).map(|n| request(0.0, 1.0 + (longest - 1.0) * f64::from(n) / 199.0, None));
            let tally = Tally::new(&requests.collect::<Vec<_>>());
            let figure = distribution(&tally, String::new()).unwrap();
            let ([panel], marks) = panels(&figure) else { panic!() };
            assert_eq!(panel.x.scale, scale);
            let points = &panel.series[0].points;
            let counted: f64 = points[1..points.len() - 1].chunks(2).map(|bin| bin[0].1).sum();
            assert_eq!((counted, points.len()), (200.0, 2 * BINS + 2));
            assert_eq!(marks.len(), 3);
        }
        let alike: Vec<Request> = (0..50).map(|_| request(0.0, 5.0, None)).collect();
        assert!(distribution(&Tally::new(&alike), String::new()).is_none(), "there is nothing to see");
        assert!(distribution(&Tally::new(&[]), String::new()).is_none());
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
    }
}
