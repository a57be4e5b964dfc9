//! A metric, and a data point of one.

use serde_json::{Value, json};

use crate::support::value::{items, text};

/// A metric: namespace, name, dimensions and unit identify it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Series {
    pub namespace: String,
    pub name: String,
    /// Name and value, sorted.
    pub dimensions: Vec<(String, String)>,
    /// As AWS names it: `Count`, `Microseconds`, `None`, … In a query, an empty text means all units.
    pub unit: String,
}

impl Series {
    /// Makes a metric; the order of the dimensions does not matter.
    pub fn new(namespace: &str, name: &str, dimensions: &[(&str, &str)], unit: &str) -> Self {
        let mut dimensions: Vec<_> =
            dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        dimensions.sort();
        Self { namespace: namespace.to_owned(), name: name.to_owned(), dimensions, unit: unit.to_owned() }
    }

    /// Reads the metric that `Namespace`, `MetricName`, `Dimensions` and `Unit` name.
    pub fn read(value: &Value) -> Self {
        let dimensions: Vec<(&str, &str)> =
            items(value, "Dimensions").iter().map(|each| (text(each, "Name"), text(each, "Value"))).collect();
        Self::new(text(value, "Namespace"), text(value, "MetricName"), &dimensions, text(value, "Unit"))
    }

    /// Returns whether both are the same metric, perhaps in different units.
    pub fn is_same_metric(&self, other: &Self) -> bool {
        (&self.namespace, &self.name, &self.dimensions) == (&other.namespace, &other.name, &other.dimensions)
    }

    /// Returns the metric as ListMetrics shows it.
    pub fn describe(&self) -> Value {
        let dimensions: Vec<Value> =
            self.dimensions.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
        json!({"Namespace": self.namespace, "MetricName": self.name, "Dimensions": dimensions})
    }
}

/// The values that were put in a span of time, as a statistic set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub count: f64,
    pub sum: f64,
    pub min: f64,
    pub max: f64,
}

impl Point {
    /// Returns the set of one value.
    pub fn of(value: f64) -> Self {
        Self { count: 1.0, sum: value, min: value, max: value }
    }

    /// Adds another set to this one.
    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Returns a statistic by AWS's name. None: AWS has no such statistic, or it needs the single values.
    pub fn statistic(&self, name: &str) -> Option<f64> {
        Some(match name {
            "SampleCount" => self.count,
            "Sum" => self.sum,
            "Average" => self.sum / self.count,
            "Minimum" => self.min,
            "Maximum" => self.max,
            _ => return None,
        })
    }
}
