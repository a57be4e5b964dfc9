//! The data points of all metrics: each is a statistic set of some milliseconds. They are kept in the cloud's state
//! file.
//!
//! Beside it, the values themselves are kept, for the statistics that need each of them. Of a statistic set that was put as
//! such, they aren't known, and those statistics have no value for its period.
//!
//! Points are gathered in memory and written at the end of each period, so a killed server loses those of one period at
//! most. After three hours they are summed up by the minute, and after fifteen days they are deleted, as on AWS.
//! Their values are then rounded to three digits, so that they stay few.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html>

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use rusqlite::{Connection, params};

use super::series::{Point, Series};
use super::statistic::Statistic;
use crate::call::AwsError;
use crate::store::Store;
use crate::support::lock::locked;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS metric_series (
        id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, dimensions TEXT NOT NULL, unit TEXT NOT NULL,
        UNIQUE (namespace, name, dimensions, unit)
    );
    CREATE TABLE IF NOT EXISTS metric_point (
        series INTEGER NOT NULL, time_ms INTEGER NOT NULL,
        count REAL NOT NULL, sum REAL NOT NULL, min REAL NOT NULL, max REAL NOT NULL,
        PRIMARY KEY (series, time_ms)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS metric_value (
        series INTEGER NOT NULL, time_ms INTEGER NOT NULL, value REAL NOT NULL, count REAL NOT NULL,
        PRIMARY KEY (series, time_ms, value)
    ) WITHOUT ROWID;";

/// The points of a series that weren't written yet, by time, and how often each value is in them. A value is there by its
/// bits.
#[derive(Debug, Default)]
struct Pending {
    points: BTreeMap<i64, Point>,
    values: BTreeMap<(i64, u64), f64>,
}

/// How long data points of less than a minute are kept.
const FINE_MS: i64 = 3 * 3_600_000;
/// How long data points of a minute are kept.
const KEPT_MS: i64 = 15 * 24 * 3_600_000;
/// How often old points are summed up and deleted.
const PRUNE_EVERY_MS: i64 = 60_000;

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    store: Store,
    /// The milliseconds that a point covers.
    resolution_ms: i64,
    /// What was put since the last flush.
    pending: Mutex<HashMap<Series, Pending>>,
    pruned_ms: Mutex<i64>,
}

impl Metrics {
    /// Opens the tables. `period_ms` is how long an alarm's period of a minute really takes.
    pub fn open(store: Store, period_ms: i64) -> Result<Self, AwsError> {
        store.with(|connection| connection.execute_batch(TABLES))?;
        Ok(Self {
            store,
            resolution_ms: period_ms.clamp(1, 1000),
            pending: Mutex::default(),
            pruned_ms: Mutex::default(),
        })
    }

    /// Adds values to the point of their time, which is in milliseconds.
    pub fn add(&self, series: Series, time_ms: i64, point: Point) {
        let time_ms = time_ms - time_ms.rem_euclid(self.resolution_ms);
        let mut pending = locked(&self.pending);
        let Pending { points, values } = pending.entry(series).or_default();
        points.entry(time_ms).and_modify(|old| old.add(point)).or_insert(point);
        if point.min == point.max {
            // So that both zeros are one value.
            let value = point.min + 0.0;
            *values.entry((time_ms, value.to_bits())).or_default() += point.count;
        }
    }

    /// Writes what was put since the last call.
    pub fn flush(&self) -> Result<(), AwsError> {
        // Locked until the end, so that nobody reads before the pending points are written.
        let mut pending = locked(&self.pending);
        if pending.is_empty() {
            return Ok(());
        }
        self.store.transaction(|connection| {
            for (series, pending) in &*pending {
                write(connection, series, pending)?;
            }
            Ok(())
        })?;
        pending.clear();
        Ok(())
    }

    /// Calls [`Self::prune`], unless that was done within the last minute.
    pub fn prune_if_due(&self, now_ms: i64) -> Result<(), AwsError> {
        let mut pruned_ms = locked(&self.pruned_ms);
        if (now_ms - *pruned_ms).abs() > PRUNE_EVERY_MS {
            *pruned_ms = now_ms;
            self.prune(now_ms)?;
        }
        Ok(())
    }

    /// Sums up old points by the minute, and deletes the oldest.
    fn prune(&self, now_ms: i64) -> Result<(), AwsError> {
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
                "INSERT INTO metric_value
                 SELECT series, time_ms / 60000 * 60000, CAST(printf('%.2e', value) AS REAL), sum(count) FROM metric_value
                 WHERE time_ms < ?1 AND time_ms % 60000 != 0 GROUP BY 1, 2, 3
                 ON CONFLICT (series, time_ms, value) DO UPDATE SET count = count + excluded.count",
                [fine],
            )?;
            connection.execute("DELETE FROM metric_value WHERE time_ms < ?1 AND time_ms % 60000 != 0", [fine])?;
            connection.execute("DELETE FROM metric_value WHERE time_ms < ?1", [now_ms - KEPT_MS])?;
            connection.execute(
                "DELETE FROM metric_series WHERE id NOT IN (SELECT series FROM metric_point)",
                [],
            )?;
            Ok(())
        })
    }

    /// Returns every metric once, whatever its units.
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

    /// Returns the units in which a metric was put.
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

    /// Returns the points of a metric in `from..to` (milliseconds), summed up by periods of `period_ms`, which begin at
    /// multiples of it. An empty unit means all units.
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

    /// Returns a statistic of each period that has it. The other parameters are those of [`Self::periods`].
    pub fn statistic(
        &self,
        statistic: &Statistic,
        series: &Series,
        from: i64,
        to: i64,
        period_ms: i64,
    ) -> Result<BTreeMap<i64, f64>, AwsError> {
        let points = self.periods(series, from, to, period_ms)?;
        if matches!(statistic, Statistic::OfSet(_)) {
            let each = points.iter().filter_map(|(time, point)| Some((*time, statistic.of_set(point)?)));
            return Ok(each.collect());
        }
        let values = self.values(series, from, to, period_ms)?;
        let known = values.iter().filter(|(period, values)| {
            let count: f64 = values.iter().map(|(_, count)| count).sum();
            points.get(period).is_some_and(|point| (point.count - count).abs() < 1e-6)
        });
        Ok(known.filter_map(|(period, values)| Some((*period, statistic.of_values(values)?))).collect())
    }

    /// Returns the values of each period, ordered, and how often each was put.
    fn values(
        &self,
        series: &Series,
        from: i64,
        to: i64,
        period_ms: i64,
    ) -> Result<BTreeMap<i64, Vec<(f64, f64)>>, AwsError> {
        let dimensions = dimensions(series);
        let rows: Vec<(i64, f64, f64)> = self.store.with(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT time_ms, value, count FROM metric_value WHERE time_ms >= ?1 AND time_ms < ?2 AND series IN
                 (SELECT id FROM metric_series
                  WHERE namespace = ?3 AND name = ?4 AND dimensions = ?5 AND (?6 = '' OR unit = ?6))
                 ORDER BY value",
            )?;
            let parameters = params![from, to, series.namespace, series.name, dimensions, series.unit];
            statement.query_map(parameters, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })?;
        let mut periods: BTreeMap<i64, Vec<(f64, f64)>> = BTreeMap::new();
        for (time_ms, value, count) in rows {
            periods.entry(time_ms - time_ms.rem_euclid(period_ms)).or_default().push((value, count));
        }
        Ok(periods)
    }
}

fn dimensions(series: &Series) -> String {
    serde_json::to_string(&series.dimensions).unwrap_or_default()
}

fn write(connection: &Connection, series: &Series, pending: &Pending) -> rusqlite::Result<()> {
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
    for (time_ms, point) in &pending.points {
        statement.execute(params![id, time_ms, point.count, point.sum, point.min, point.max])?;
    }
    let mut statement = connection.prepare_cached(
        "INSERT INTO metric_value VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (series, time_ms, value) DO UPDATE SET count = count + excluded.count",
    )?;
    for ((time_ms, bits), count) in &pending.values {
        statement.execute(params![id, time_ms, f64::from_bits(*bits), count])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(dir: &tempfile::TempDir) -> Metrics {
        Metrics::open(Store::open(&dir.path().join("state.db")).unwrap(), 1000).unwrap()
    }

    fn series(unit: &str) -> Series {
        Series::new("N", "m", &[("a", "1"), ("b", "2")], unit)
    }

    fn put(metrics: &Metrics, dimensions: &[(&str, &str)], value: f64, time_ms: i64) {
        metrics.add(Series::new("N", "m", dimensions, "Count"), time_ms, Point::of(value));
    }

    #[test]
    fn points_add_up_and_outlive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let first = metrics(&dir);
        for (time_ms, value) in [(60_000, 1.0), (60_999, 3.0), (61_000, 8.0), (119_999, -2.0), (120_000, 5.0)]
        {
            // The order of the dimensions does not matter.
            put(&first, &[("b", "2"), ("a", "1")], value, time_ms);
            first.flush().unwrap();
        }
        put(&first, &[("a", "1")], 100.0, 60_000);
        drop(first);
        let again = metrics(&dir);
        let points = again.periods(&series(""), 60_000, 180_000, 60_000).unwrap();
        assert_eq!(points[&60_000], Point { count: 4.0, sum: 10.0, min: -2.0, max: 8.0 });
        assert_eq!(points[&120_000], Point::of(5.0));
        assert_eq!(again.periods(&series(""), 60_000, 62_000, 1000).unwrap().len(), 2);
        assert!(again.periods(&series("Bytes"), 0, 180_000, 60_000).unwrap().is_empty());
    }

    #[test]
    fn statistics_that_need_every_value_have_them() {
        let dir = tempfile::tempdir().unwrap();
        let metrics = metrics(&dir);
        let now = 40 * 24 * 3_600_000;
        let old = now - FINE_MS - 120_000;
        let p90 = Statistic::parse("p90", "Stat").unwrap();
        let ask = || metrics.statistic(&p90, &series(""), 0, now, 60_000).unwrap();
        for value in 1..=10 {
            put(
                &metrics,
                &[("a", "1"), ("b", "2")],
                f64::from(value) * 1.23456,
                old + i64::from(value) * 1000,
            );
            put(&metrics, &[("a", "1"), ("b", "2")], -0.0, now - 60_000);
        }
        assert_eq!(ask(), BTreeMap::from([(old, 9.0 * 1.23456), (now - 60_000, 0.0)]));
        // By the minute, they have three digits.
        metrics.prune(now).unwrap();
        assert_eq!(ask()[&old], 11.1);
        // Of a set, they aren't known.
        let set = Point { count: 2.0, sum: 3.0, min: 1.0, max: 2.0 };
        metrics.add(series("Count"), now - 60_000, set);
        assert_eq!(ask(), BTreeMap::from([(old, 11.1)]));
        assert_eq!(
            metrics.periods(&series(""), now - 60_000, now, 60_000).unwrap()[&(now - 60_000)].count,
            12.0
        );
    }

    #[test]
    fn old_points_are_summed_up_and_then_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let metrics = metrics(&dir);
        let now = 40 * 24 * 3_600_000;
        let old = now - FINE_MS - 120_000;
        for time_ms in [now - KEPT_MS - 1000, old, old + 1000, old + 59_000, now - 1000, now - 2000] {
            put(&metrics, &[("a", "1"), ("b", "2")], 1.0, time_ms);
        }
        metrics.flush().unwrap();
        for _ in 0..2 {
            metrics.prune(now).unwrap();
            let points = metrics.periods(&series(""), 0, now, 1000).unwrap();
            let sums: Vec<(i64, f64)> = points.iter().map(|(time, point)| (*time, point.sum)).collect();
            assert_eq!(sums, [(old, 3.0), (now - 2000, 1.0), (now - 1000, 1.0)]);
        }
        assert_eq!(metrics.list().unwrap().len(), 1);
        metrics.prune(now + 2 * KEPT_MS).unwrap();
        assert!(metrics.list().unwrap().is_empty());
    }
}
