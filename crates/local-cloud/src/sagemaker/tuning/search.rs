//! Chooses the points that a tuning job tries.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tpe::density_estimation::DefaultEstimatorBuilder;
use tpe::{TpeOptimizer, TpeOptimizerBuilder};

use super::ranges::{Range, Values};

/// How many results the Bayesian search needs. With fewer, it chooses points at random.
const FIRST: usize = 3;
/// The share of results that count as the best. The search prefers points near many of the best results and few others.
const BEST: f64 = 0.25;

/// Chooses one point after another. A point has a coordinate for each range.
pub enum Search {
    Random,
    /// A tree-structured Parzen estimator for each range, and the number of results so far.
    Bayesian(Vec<TpeOptimizer<DefaultEstimatorBuilder>>, usize),
    Grid,
}

impl Search {
    /// Starts a search.
    ///
    /// # Errors
    /// A bug in the search: the ranges were checked before.
    pub fn new(strategy: &str, ranges: &[Range]) -> Result<Self, String> {
        match strategy {
            "Bayesian" => {
                let optimizers = ranges.iter().map(optimizer).collect::<Result<_, _>>()?;
                Ok(Self::Bayesian(optimizers, 0))
            }
            "Grid" => Ok(Self::Grid),
            _ => Ok(Self::Random),
        }
    }

    /// Returns the point of trial `number`, which counts from 0. The same seed gives the same points; in a Bayesian
    /// search, the results must be the same, too.
    ///
    /// # Errors
    /// A fault of the search itself.
    pub fn next(&mut self, ranges: &[Range], seed: u64, number: usize) -> Result<Vec<f64>, String> {
        let mut random = StdRng::seed_from_u64(seed.wrapping_add(number as u64));
        match self {
            Self::Grid => Ok(cell(ranges, number)),
            Self::Bayesian(optimizers, results) if *results >= FIRST => {
                let ask = |optimizer: &mut TpeOptimizer<_>| optimizer.ask(&mut random);
                optimizers.iter_mut().map(ask).collect::<Result<_, _>>().map_err(|error| error.to_string())
            }
            // A number of categories is far below 2^52, so it is exact.
            #[allow(clippy::cast_precision_loss)]
            _ => Ok(ranges.iter().map(|range| random.random::<f64>() * range.extent() as f64).collect()),
        }
    }

    /// Adds the loss at a point. A lower loss is better.
    ///
    /// # Errors
    /// A fault of the search itself.
    pub fn learn(&mut self, point: &[f64], loss: f64) -> Result<(), String> {
        let Self::Bayesian(optimizers, results) = self else { return Ok(()) };
        *results += 1;
        for (optimizer, coordinate) in optimizers.iter_mut().zip(point) {
            optimizer.tell(*coordinate, loss).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

fn optimizer(range: &Range) -> Result<TpeOptimizer<DefaultEstimatorBuilder>, String> {
    let (estimator, extent) = match &range.values {
        Values::Categorical(values) => (tpe::histogram_estimator(), tpe::categorical_range(values.len())),
        _ => (tpe::parzen_estimator(), tpe::range(0.0, 1.0)),
    };
    let extent = extent.map_err(|error| error.to_string())?;
    let mut builder = TpeOptimizerBuilder::new();
    builder.gamma(BEST).build(estimator, extent).map_err(|error| error.to_string())
}

/// Returns how many points a grid has.
pub fn cells(ranges: &[Range]) -> usize {
    ranges.iter().fold(1, |product, range| product.saturating_mul(range.extent()))
}

/// Returns a point of the grid. The last range's coordinate changes with every number.
#[allow(clippy::cast_precision_loss)]
fn cell(ranges: &[Range], number: usize) -> Vec<f64> {
    let mut rest = number;
    let mut point: Vec<f64> = Vec::with_capacity(ranges.len());
    for range in ranges.iter().rev() {
        let extent = range.extent().max(1);
        point.push((rest % extent) as f64);
        rest /= extent;
    }
    point.reverse();
    point
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sagemaker::tuning::ranges::read;

    fn ranges() -> Vec<Range> {
        read(&json!({
            "ContinuousParameterRanges": [
                {"Name": "rate", "MinValue": "0.0001", "MaxValue": "1", "ScalingType": "Logarithmic"}],
            "CategoricalParameterRanges": [{"Name": "kind", "Values": ["a", "b", "c"]}],
        }))
        .unwrap()
    }

    /// A loss whose minimum is at rate = 0.01 and kind = "b".
    fn loss(ranges: &[Range], point: &[f64]) -> f64 {
        let rate: f64 = ranges[0].value(point[0]).parse().unwrap();
        let other = if ranges[1].value(point[1]) == "b" { 0.0 } else { 1.0 };
        (rate.log10() + 2.0).powi(2) + other
    }

    fn run(strategy: &str, seed: u64, count: usize) -> Vec<Vec<f64>> {
        let ranges = ranges();
        let mut search = Search::new(strategy, &ranges).unwrap();
        let mut points = Vec::new();
        for number in 0..count {
            let point = search.next(&ranges, seed, number).unwrap();
            search.learn(&point, loss(&ranges, &point)).unwrap();
            points.push(point);
        }
        points
    }

    #[test]
    fn a_seed_gives_the_same_points_again() {
        for strategy in ["Random", "Bayesian"] {
            assert_eq!(run(strategy, 7, 20), run(strategy, 7, 20));
            assert_ne!(run(strategy, 7, 20), run(strategy, 8, 20));
        }
    }

    #[test]
    fn bayesian_search_learns_from_its_results() {
        let ranges = ranges();
        let mean = |strategy| {
            let last = (0..20).flat_map(|seed| run(strategy, seed * 1000, 40).split_off(20));
            last.map(|point| loss(&ranges, &point)).sum::<f64>() / 400.0
        };
        let (random, bayesian) = (mean("Random"), mean("Bayesian"));
        assert!(bayesian < random / 2.0, "Bayesian {bayesian:.3}, Random {random:.3}");
    }

    #[test]
    fn a_grid_has_every_combination_once() {
        let ranges = read(&json!({"CategoricalParameterRanges": [
            {"Name": "x", "Values": ["a", "b"]}, {"Name": "y", "Values": ["1", "2", "3"]}]}))
        .unwrap();
        assert_eq!(cells(&ranges), 6);
        let mut search = Search::new("Grid", &ranges).unwrap();
        let names = (0..6).map(|number| {
            let point = search.next(&ranges, 0, number).unwrap();
            format!("{}{}", ranges[0].value(point[0]), ranges[1].value(point[1]))
        });
        assert_eq!(names.collect::<Vec<_>>(), ["a1", "a2", "a3", "b1", "b2", "b3"]);
    }
}
