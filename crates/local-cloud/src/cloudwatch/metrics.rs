//! The data points of all metrics: each a statistic set of some milliseconds, kept in the cloud's state file.
//!
//! Points are gathered in memory and written with the control loop's next turn, so a killed server loses those of
//! one period at most. After three hours they are summed up by the minute, and after fifteen days they go, as on AWS.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html>

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, params};

use crate::call::AwsError;
use crate::store::Store;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS metric_series (
        id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, dimensions TEXT NOT NULL, unit TEXT NOT NULL,
        UNIQUE (namespace, name, dimensions, unit)
    );
    CREATE TABLE IF NOT EXISTS metric_point (
        series INTEGER NOT NULL, time_ms INTEGER NOT NULL,
        count REAL NOT NULL, sum REAL NOT NULL, min REAL NOT NULL, max REAL NOT NULL,
        PRIMARY KEY (series, time_ms)
    ) WITHOUT ROWID;";

/// Points of less than a minute are kept so long.
const FINE_MS: i64 = 3 * 3_600_000;
const KEPT_MS: i64 = 15 * 24 * 3_600_000;

/// A metric, by all that tells it from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Series {
    pub namespace: String,
    pub name: String,
    /// Name and value, sorted.
    pub dimensions: Vec<(String, String)>,
    /// As AWS names it: `Count`, `Microseconds`, `None`, …
    pub unit: String,
}

/// What was put in some time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub count: f64,
    pub sum: f64,
    pub min: f64,
    pub max: f64,
}

impl Point {
    pub fn of(value: f64) -> Self {
        Self { count: 1.0, sum: value, min: value, max: value }
    }

    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// A statistic by AWS's name; None: AWS has no such one, or it needs the single values.
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

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    store: Store,
    /// Points of so many milliseconds each.
    resolution_ms: i64,
    pending: Mutex<HashMap<Series, BTreeMap<i64, Point>>>,
}

impl Metrics {
    /// `period_ms`: how long the control loop's period of a minute really takes.
    pub fn open(store: Store, period_ms: i64) -> Result<Self, AwsError> {
        store.with(|connection| connection.execute_batch(TABLES))?;
        Ok(Self { store, resolution_ms: period_ms.clamp(1, 1000), pending: Mutex::default() })
    }

    /// A value of now: `put("AWS/Lambda", "Invocations", &[("FunctionName", name)], 1.0, "Count")`.
    pub fn put(&self, namespace: &str, name: &str, dimensions: &[(&str, &str)], value: f64, unit: &str) {
        self.put_at(namespace, name, dimensions, value, unit, jiff::Timestamp::now().as_millisecond());
    }

    /// A value of another time, in milliseconds.
    pub fn put_at(
        &self,
        namespace: &str,
        name: &str,
        dimensions: &[(&str, &str)],
        value: f64,
        unit: &str,
        time_ms: i64,
    ) {
        let owned = |text: &str| text.to_owned();
        let mut dimensions: Vec<_> =
            dimensions.iter().map(|(name, value)| (owned(name), owned(value))).collect();
        dimensions.sort();
        let series = Series { namespace: owned(namespace), name: owned(name), dimensions, unit: owned(unit) };
        self.add(series, time_ms, Point::of(value));
    }

    /// Several values at once; the dimensions must be sorted.
    pub fn add(&self, series: Series, time_ms: i64, point: Point) {
        let time_ms = time_ms - time_ms.rem_euclid(self.resolution_ms);
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let points = pending.entry(series).or_default();
        points.entry(time_ms).and_modify(|old| old.add(point)).or_insert(point);
    }

    /// Writes what was put since the last time.
    pub fn flush(&self) -> Result<(), AwsError> {
        // Held throughout, so that nobody reads before what was put before is there.
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.is_empty() {
            return Ok(());
        }
        self.store.transaction(|connection| {
            for (series, points) in &*pending {
                write(connection, series, points)?;
            }
            Ok(())
        })?;
        pending.clear();
        Ok(())
    }

    /// Sums old points up, and forgets the oldest.
    pub fn prune(&self, now_ms: i64) -> Result<(), AwsError> {
        let fine = now_ms - FINE_MS;
        let fine = fine - fine.rem_euclid(60_000);
        self.store.transaction(|connection| {
            connection.execute(
                "INSERT INTO metric_point
                 SELECT series, time_ms / 60000 * 60000, sum(count), sum(sum), min(min), max(max) FROM metric_point
                 WHERE time_ms < ?1 AND time_ms % 60000 != 0 GROUP BY 1, 2
                 ON CONFLICT (series, time_ms) DO UPDATE SET count = count + excluded.count, sum = sum + excluded.sum,
                 min = min(min, excluded.min), max = max(max, excluded.max)",
                [fine],
            )?;
            connection.execute("DELETE FROM metric_point WHERE time_ms < ?1 AND time_ms % 60000 != 0", [fine])?;
            connection.execute("DELETE FROM metric_point WHERE time_ms < ?1", [now_ms - KEPT_MS])?;
            connection.execute(
                "DELETE FROM metric_series WHERE id NOT IN (SELECT series FROM metric_point)",
                [],
            )?;
            Ok(())
        })
    }

    /// The metrics that there are, each once, whatever its units.
    pub fn list(&self) -> Result<Vec<Series>, AwsError> {
        self.flush()?;
        let rows: Vec<(String, String, String)> = self.store.with(|connection| {
            connection
                .prepare_cached(
                    "SELECT DISTINCT namespace, name, dimensions FROM metric_series ORDER BY 1, 2, 3",
                )?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect()
        })?;
        let series = rows.into_iter().map(|(namespace, name, dimensions)| Series {
            namespace,
            name,
            dimensions: serde_json::from_str(&dimensions).unwrap_or_default(),
            unit: String::new(),
        });
        Ok(series.collect())
    }

    /// The units that a metric was put in.
    pub fn units(&self, series: &Series) -> Result<Vec<String>, AwsError> {
        self.flush()?;
        self.store.with(|connection| {
            connection
                .prepare_cached(
                    "SELECT unit FROM metric_series WHERE namespace = ?1 AND name = ?2 AND dimensions = ?3",
                )?
                .query_map(params![series.namespace, series.name, dimensions(series)], |row| row.get(0))?
                .collect()
        })
    }

    /// The points of a metric in `from..to` (milliseconds), by periods of so many milliseconds that begin at multiples
    /// of it. An empty unit: of all units.
    pub fn periods(
        &self,
        series: &Series,
        from: i64,
        to: i64,
        period_ms: i64,
    ) -> Result<BTreeMap<i64, Point>, AwsError> {
        self.flush()?;
        let dimensions = dimensions(series);
        let rows: Vec<(i64, Point)> = self.store.with(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT time_ms, count, sum, min, max FROM metric_point WHERE time_ms >= ?1 AND time_ms < ?2 AND series IN
                 (SELECT id FROM metric_series
                  WHERE namespace = ?3 AND name = ?4 AND dimensions = ?5 AND (?6 = '' OR unit = ?6))",
            )?;
            let parameters = params![from, to, series.namespace, series.name, dimensions, series.unit];
            let rows = statement.query_map(parameters, |row| {
                let point = Point { count: row.get(1)?, sum: row.get(2)?, min: row.get(3)?, max: row.get(4)? };
                Ok((row.get(0)?, point))
            })?;
            rows.collect()
        })?;
        let mut periods: BTreeMap<i64, Point> = BTreeMap::new();
        for (time_ms, point) in rows {
            let period = time_ms - time_ms.rem_euclid(period_ms);
            periods.entry(period).and_modify(|sum| sum.add(point)).or_insert(point);
        }
        Ok(periods)
    }
}

fn dimensions(series: &Series) -> String {
    serde_json::to_string(&series.dimensions).unwrap_or_default()
}

fn write(connection: &Connection, series: &Series, points: &BTreeMap<i64, Point>) -> rusqlite::Result<()> {
    let dimensions = dimensions(series);
    let named = params![series.namespace, series.name, dimensions, series.unit];
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO metric_series (namespace, name, dimensions, unit) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(named)?;
    let id: i64 = connection
        .prepare_cached(
            "SELECT id FROM metric_series WHERE namespace = ?1 AND name = ?2 AND dimensions = ?3 AND unit = ?4",
        )?
        .query_row(named, |row| row.get(0))?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO metric_point VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (series, time_ms) DO UPDATE SET count = count + excluded.count, sum = sum + excluded.sum,
         min = min(min, excluded.min), max = max(max, excluded.max)",
    )?;
    for (time_ms, point) in points {
        statement.execute(params![id, time_ms, point.count, point.sum, point.min, point.max])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(dir: &tempfile::TempDir) -> Metrics {
        Metrics::open(Store::open(&dir.path().join("state.db")).unwrap(), 1000).unwrap()
    }

    fn series(name: &str) -> Series {
        let dimensions = vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
        Series { namespace: "N".to_owned(), name: name.to_owned(), dimensions, unit: String::new() }
    }

    #[test]
    fn points_add_up_and_outlive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let first = metrics(&dir);
        for (time_ms, value) in [(60_000, 1.0), (60_999, 3.0), (61_000, 8.0), (119_999, -2.0), (120_000, 5.0)]
        {
            // The order of the dimensions says nothing.
            first.put_at("N", "m", &[("b", "2"), ("a", "1")], value, "Count", time_ms);
            first.flush().unwrap();
        }
        first.put_at("N", "m", &[("a", "1")], 100.0, "Count", 60_000);
        drop(first);
        let again = metrics(&dir);
        let told = again.periods(&series("m"), 60_000, 180_000, 60_000).unwrap();
        assert_eq!(told[&60_000], Point { count: 4.0, sum: 10.0, min: -2.0, max: 8.0 });
        assert_eq!(told[&120_000], Point::of(5.0));
        assert_eq!(again.periods(&series("m"), 60_000, 62_000, 1000).unwrap().len(), 2);
        let other = Series { unit: "Bytes".to_owned(), ..series("m") };
        assert!(again.periods(&other, 0, 180_000, 60_000).unwrap().is_empty());
    }

    #[test]
    fn old_points_are_summed_up_and_then_go() {
        let dir = tempfile::tempdir().unwrap();
        let metrics = metrics(&dir);
        let now = 40 * 24 * 3_600_000;
        let old = now - FINE_MS - 120_000;
        for time_ms in [now - KEPT_MS - 1000, old, old + 1000, old + 59_000, now - 1000, now - 2000] {
            metrics.put_at("N", "m", &[("a", "1"), ("b", "2")], 1.0, "Count", time_ms);
        }
        metrics.flush().unwrap();
        for _ in 0..2 {
            metrics.prune(now).unwrap();
            let told = metrics.periods(&series("m"), 0, now, 1000).unwrap();
            let sums: Vec<(i64, f64)> = told.iter().map(|(time, point)| (*time, point.sum)).collect();
            assert_eq!(sums, [(old, 3.0), (now - 2000, 1.0), (now - 1000, 1.0)]);
        }
        assert_eq!(metrics.list().unwrap().len(), 1);
        metrics.prune(now + 2 * KEPT_MS).unwrap();
        assert!(metrics.list().unwrap().is_empty());
    }
}
