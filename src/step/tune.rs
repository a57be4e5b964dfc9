//! `tune`: a SageMaker hyperparameter tuning job.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::context::{Context, Done};
use super::kind::{Kind, Local, Price, Problem};
use super::train::{FEATURES, Train, plain};
use crate::action::{Trial, tuning_trials};
use crate::failure::{Failure, Outcome};
use crate::journal::{Axis, Drawing, Figure, Panel, Plot, Scale, Series};
use crate::resource::{Objective, Range, Scaling, Strategy, TuningJob};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tune {
    /// The trials: the fields of a `train` step, without the hyperparameters that are searched. Where `opsml-worker` trains
    /// the head alone (`fine_tune: head`), the trials share the features of the images through S3, below `features/` in
    /// `output_path`, unless the hyperparameter `features` names another place.
    pub estimator: Train,
    /// The objective metric, by its name in the metric definitions of the trials.
    #[schemars(length(min = 1, max = 255))]
    pub objective_metric_name: String,
    /// Whether the best trial has the largest or the smallest value.
    #[serde(default)]
    pub objective_type: Objective,
    /// The search strategy.
    #[serde(default)]
    pub strategy: Strategy,
    /// The ranges to search, by hyperparameter.
    pub hyperparameter_ranges: BTreeMap<String, RangeField>,
    /// The number of trials.
    #[schemars(range(min = 1, max = 750))]
    pub max_jobs: i32,
    /// How many trials run at the same time.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub max_parallel_jobs: i32,
    /// A random seed, which makes the choice of trials repeatable.
    #[schemars(range(min = 0))]
    pub random_seed: Option<i32>,
}

/// The values of one hyperparameter: one of `continuous`, `integer` and `categorical`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-hint" = "a range is {continuous: [MIN, MAX]}, {integer: [MIN, MAX]} or {categorical: [A, B]}"))]
pub struct RangeField {
    /// `[MIN, MAX]`, both included.
    pub continuous: Option<[f64; 2]>,
    /// `[MIN, MAX]`, both included, whole numbers.
    pub integer: Option<[i64; 2]>,
    /// The values that it may have.
    #[schemars(length(min = 1, max = 30))]
    pub categorical: Option<Vec<Value>>,
    /// The scale on which a range is searched.
    #[serde(default)]
    pub scaling: Scaling,
}

impl RangeField {
    /// # Errors
    /// A message that describes the mistake.
    fn read(&self) -> Result<Range, String> {
        let scaling = self.scaling;
        let upside_down = |min: f64, max: f64| format!("its range is upside down: {min} is above {max}");
        let logarithmic = |min: f64| match scaling {
            Scaling::Logarithmic if min <= 0.0 => {
                Err(format!("a logarithmic scale begins above 0, and this range begins at {min}"))
            }
            _ => Ok(()),
        };
        match (&self.continuous, &self.integer, &self.categorical) {
            (Some([min, max]), None, None) if min > max => Err(upside_down(*min, *max)),
            (Some([min, max]), None, None) => {
                logarithmic(*min)?;
                if scaling == Scaling::ReverseLogarithmic && !(0.0 <= *min && *max < 1.0) {
                    return Err("a reverse logarithmic scale lies between 0 and 1, 1 left out".into());
                }
                Ok(Range::Continuous { min: *min, max: *max, scaling })
            }
            (None, Some([min, max]), None) if min > max => Err(upside_down(*min as f64, *max as f64)),
            (None, Some([min, max]), None) => {
                logarithmic(*min as f64)?;
                if scaling == Scaling::ReverseLogarithmic {
                    return Err("a reverse logarithmic scale is for continuous ranges".into());
                }
                Ok(Range::Integer { min: *min, max: *max, scaling })
            }
            (None, None, Some(values)) => Ok(Range::Categorical(values.iter().map(plain).collect())),
            _ => Err("give one of `continuous`, `integer` and `categorical`".into()),
        }
    }
}

fn one() -> i32 {
    1
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The tuning job's name.
    pub job_name: String,
    /// The tuning job's ARN.
    pub arn: String,
    /// The hyperparameters of the best trial, static ones included. A `train` step can use them.
    pub best: Map<String, Value>,
    /// The name of the best training job.
    pub best_job_name: String,
    /// The value of the objective metric of the best trial.
    pub best_value: f64,
    /// All trials, each with its job, status, objective and hyperparameters.
    pub trials: Vec<Map<String, Value>>,
}

impl Kind for Tune {
    const NAME: &'static str = "tune";
    const ABOUT: &'static str = "searches for hyperparameters by training several times";
    const OWNS: bool = true;
    const BESIDE: bool = true;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for problem in self.estimator.problems() {
            let field = problem.field.map_or("estimator".into(), |field| format!("estimator.{field}"));
            problems.push(Problem { field: Some(field), ..problem });
        }
        let mut grid = Some(1_i32);
        for (name, range) in &self.hyperparameter_ranges {
            let field = format!("hyperparameter_ranges.{name}");
            match range.read() {
                Err(message) => problems.push(Problem::at(&field, message)),
                Ok(Range::Categorical(values)) => {
                    grid = grid.and_then(|all| all.checked_mul(i32::try_from(values.len()).ok()?));
                }
                Ok(_) => grid = None,
            }
            if self.estimator.hyperparameters.contains_key(name) {
                let message =
                    format!("`{name}` is searched for, and fixed in the estimator's hyperparameters");
                problems.push(Problem::at(field, message));
            } else if let Err(message) = self.fits(name, range) {
                problems.push(Problem::at(field, message));
            }
        }
        if self.hyperparameter_ranges.is_empty() || self.hyperparameter_ranges.len() > 30 {
            problems.push(Problem::at("hyperparameter_ranges", "1 to 30 hyperparameters are searched for"));
        }
        if self.max_parallel_jobs > self.max_jobs {
            problems.push(Problem::at("max_parallel_jobs", "more trials at once than there are"));
        }
        if self.strategy == Strategy::Grid && grid != Some(self.max_jobs) {
            let message = match grid {
                Some(all) => {
                    format!("a grid tries every combination, and there are {all}: max_jobs must be {all}")
                }
                None => "a grid search needs categorical hyperparameters only".into(),
            };
            problems.push(Problem::at("strategy", message));
        }
        let metrics = self.estimator.metrics();
        if !metrics.iter().any(|metric| metric.name == self.objective_metric_name) {
            let known: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
            let mut problem = Problem::at(
                "objective_metric_name",
                format!("there is no metric `{}`", self.objective_metric_name),
            );
            problem.hints.push(match known.is_empty() {
                true => "define it in the estimator's metric_definitions".to_owned(),
                false => format!("the metrics are {}", known.join(", ")),
            });
            problems.push(problem);
        }
        problems
    }

    fn price(&self) -> Option<Price> {
        let trials = u32::try_from(self.max_jobs).unwrap_or(1);
        Some(self.estimator.price()?.times(trials, "trials"))
    }

    fn locals(fields: &Value) -> Vec<Local> {
        let locals = Train::locals(&fields["estimator"]).into_iter();
        locals.map(|local| Local { field: format!("estimator.{}", local.field), ..local }).collect()
    }

    fn keys(fields: &Value, output: &str) -> Option<Vec<String>> {
        let keys = |value: Option<&Value>| match value {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(value) => Some(value.as_object()?.keys().cloned().collect()),
        };
        let fixed = keys(fields.get("estimator")?.get("hyperparameters"))?;
        let searched = keys(fields.get("hyperparameter_ranges"))?;
        (output == "best").then(|| fixed.into_iter().chain(searched).collect())
    }

    fn files(&self) -> Vec<String> {
        self.estimator.files()
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let mut ranges = BTreeMap::new();
        for (name, range) in &self.hyperparameter_ranges {
            let range = range.read().map_err(|why| Failure::new("InvalidStep", format!("{name}: {why}")))?;
            ranges.insert(name.clone(), range);
        }
        let mut trial = self.estimator.job(context).await?;
        if self.estimator.has_frozen_backbone() && !self.hyperparameter_ranges.contains_key(FEATURES) {
            let place = trial.hyperparameters.entry(FEATURES.to_owned());
            place.or_insert_with(|| self.estimator.features_beside_models());
        }
        let wanted = TuningJob {
            base: context.base(),
            trial,
            strategy: self.strategy,
            objective: self.objective_type,
            objective_metric: self.objective_metric_name.clone(),
            ranges,
            max_jobs: self.max_jobs,
            max_parallel_jobs: self.max_parallel_jobs,
            random_seed: self.random_seed,
        };
        let held = context.ensure("job", wanted).await?;
        let trials = tuning_trials(context.aws(), &held.name).await?;
        let best_job_name = held.text("best_training_job");
        let best = trials.iter().find(|trial| trial.job_name == best_job_name);
        let (best, best_value) = best.and_then(|best| Some((best, best.value?))).ok_or_else(|| {
            Failure::new("NoBestTrial", format!("{} names no best trial with a value", held.name))
        })?;
        let mut hyperparameters = self.estimator.hyperparameters.clone();
        hyperparameters.extend(best.tuned.clone());
        let summary =
            format!("{} {} {best_value:.4}, best of {}", held.name, self.objective_metric_name, trials.len());
        let figures = self.figures(&trials, &best_job_name);
        let outputs = Outputs {
            arn: held.text("arn"),
            job_name: held.name,
            best: hyperparameters,
            best_value,
            trials: trials.iter().map(|trial| self.row(trial)).collect(),
            best_job_name,
        };
        Ok(Done::new(outputs, summary).figures(figures))
    }
}

impl Tune {
    /// Checks that the worker accepts the values of the range.
    fn fits(&self, name: &str, range: &RangeField) -> Result<(), String> {
        if !self.estimator.is_worker() {
            return Ok(());
        }
        let ends = |pair: [Value; 2]| pair.to_vec();
        let values = match (&range.continuous, &range.integer, &range.categorical) {
            (Some([min, max]), ..) => ends([Value::from(*min), Value::from(*max)]),
            (_, Some([min, max]), _) => ends([Value::from(*min), Value::from(*max)]),
            (_, _, Some(values)) => values.clone(),
            _ => Vec::new(),
        };
        for value in values {
            let one = Map::from_iter([(name.to_owned(), value)]);
            opsml_contract::Hyperparameters::from_values(one).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn row(&self, trial: &Trial) -> Map<String, Value> {
        let mut row = Map::from_iter([
            ("job_name".to_owned(), Value::from(trial.job_name.clone())),
            ("status".to_owned(), Value::from(trial.status.clone())),
            (self.objective_metric_name.clone(), trial.value.map_or(Value::Null, Value::from)),
            ("seconds".to_owned(), trial.seconds.map_or(Value::Null, Value::from)),
        ]);
        row.extend(trial.tuned.clone());
        row
    }

    /// Returns the figures: the trials as a table, and the objective over each hyperparameter.
    fn figures(&self, trials: &[Trial], best: &str) -> Vec<Figure> {
        let metric = &self.objective_metric_name;
        let mut figures = vec![Figure::Table {
            caption: format!("The trials by {metric}"),
            columns: ["trial", "status", metric]
                .map(str::to_owned)
                .into_iter()
                .chain(self.hyperparameter_ranges.keys().cloned())
                .chain(["seconds".to_owned()])
                .collect(),
            rows: trials
                .iter()
                .map(|trial| {
                    let tuned = self.hyperparameter_ranges.keys();
                    let tuned = tuned.map(|name| trial.tuned.get(name).map(short).unwrap_or_default());
                    let value = trial.value.map(|value| format!("{value:.4}")).unwrap_or_default();
                    [number(&trial.job_name).to_owned(), trial.status.clone(), value]
                        .into_iter()
                        .chain(tuned)
                        .chain([trial.seconds.map(|s| s.to_string()).unwrap_or_default()])
                        .collect()
                })
                .collect(),
        }];
        figures.extend(self.plot(trials, best));
        figures
    }

    /// Returns the objective over each hyperparameter that was searched, with the best trial marked.
    fn plot(&self, trials: &[Trial], best: &str) -> Option<Figure> {
        let metric = &self.objective_metric_name;
        let panel = |(name, range): (&String, &RangeField)| {
            let axis = Axis::new(name, "", scale(name, range, trials));
            let x = |value: &Value| match &axis.scale {
                Scale::Categories(names) => {
                    names.iter().position(|one| *one == plain(value)).map(|at| at as f64)
                }
                _ => value.as_f64(),
            };
            let points = |wanted: bool| -> Vec<(f64, f64)> {
                let trials = trials.iter().filter(|trial| (trial.job_name == best) == wanted);
                trials.filter_map(|trial| Some((x(trial.tuned.get(name)?)?, trial.value?))).collect()
            };
            let series =
                vec![Series::scatter("trial", points(false)), Series::scatter("best trial", points(true))];
            Panel { x: axis, y: Axis::new(metric, "", Scale::Linear), series }
        };
        let panels: Vec<Panel> = self.hyperparameter_ranges.iter().map(panel).collect();
        let any = panels.iter().flat_map(|panel| &panel.series).any(|one| !one.points.is_empty());
        let caption = match panels.len() {
            1 => format!("{metric} of the trials over the hyperparameter that was searched"),
            _ => format!("{metric} of the trials over each hyperparameter that was searched"),
        };
        any.then(|| Figure::drawn(caption, Drawing::Plot(Plot { panels, ..Plot::default() })))
    }
}

/// Returns the scale of a hyperparameter's axis: categories, logarithmic if it was searched so or if the values span more
/// than a decade, or else linear.
fn scale(name: &str, range: &RangeField, trials: &[Trial]) -> Scale {
    if let Some(values) = &range.categorical {
        return Scale::Categories(values.iter().map(plain).collect());
    }
    let values = trials.iter().filter_map(|trial| trial.tuned.get(name)?.as_f64());
    let (low, high) =
        values.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), value| (low.min(value), high.max(value)));
    match range.scaling == Scaling::Logarithmic || (low > 0.0 && high > 10.0 * low) {
        true => Scale::Logarithmic,
        false => Scale::Linear,
    }
}

/// Returns `NNN-hash`, the end of a trial's name. The rest is the tuning job's name.
fn number(job_name: &str) -> &str {
    let second_last = job_name.rmatch_indices('-').nth(1);
    second_last.map_or(job_name, |(at, _)| &job_name[at + 1..])
}

/// Returns a value for a table, with fewer digits than the tuner's.
fn short(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if value.is_f64() => format!("{number:.6}"),
        _ => plain(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trial(name: &str, value: Option<f64>, tuned: Value) -> Trial {
        let tuned = tuned.as_object().unwrap().clone();
        Trial { job_name: name.into(), status: "Completed".into(), value, seconds: None, tuned }
    }

    #[test]
    fn features_are_shared_where_the_backbone_is_frozen_and_not_among_the_images() {
        let train = |image: &str, hyperparameters: Value| -> Train {
            serde_json::from_value(json!({
                "image": image, "role": "arn:aws:iam::123456789012:role/r", "instance_type": "ml.m5.large",
                "inputs": {"training": "s3://bucket/data"}, "output_path": "s3://bucket/m/",
                "hyperparameters": hyperparameters,
            }))
            .unwrap()
        };
        let head = train("opsml-worker", json!({"fine_tune": "head"}));
        assert!(head.has_frozen_backbone());
        assert_eq!(head.features_beside_models(), "s3://bucket/m/features");
        assert!(!train("opsml-worker", json!({})).has_frozen_backbone());
        assert!(!train("another", json!({"fine_tune": "head"})).has_frozen_backbone());

        let problems = |place: &str| -> Vec<String> {
            let train = train("opsml-worker", json!({"fine_tune": "head", "features": place}));
            train.problems().into_iter().map(|problem| problem.message).collect()
        };
        assert!(problems("s3://bucket/data2").is_empty());
        let among = "the features would be among the images of the channel `training`: name another place";
        assert_eq!(problems("s3://bucket/data/features"), [among]);
        assert!(problems("bucket/features")[0].contains("s3://BUCKET/PREFIX"));
    }

    #[test]
    fn each_hyperparameter_has_its_own_scale_and_the_best_trial_a_mark() {
        let tune: Tune = serde_json::from_value(json!({
            "estimator": {
                "role": "arn:aws:iam::123456789012:role/r", "instance_type": "ml.m5.large",
                "inputs": {"training": "s3://b/d"}, "output_path": "s3://b/m",
            },
            "objective_metric_name": "valid_accuracy", "max_jobs": 3,
            "hyperparameter_ranges": {
                "batch_size": {"integer": [16, 64]},
                "learning_rate": {"continuous": [0.0001, 0.01], "scaling": "Logarithmic"},
                "momentum": {"continuous": [0.001, 0.9]},
                "optimizer": {"categorical": ["adam", "sgd"]},
            },
        }))
        .unwrap();
        let tuned = |batch: u64, rate: f64, optimizer: &str| json!({"batch_size": batch, "learning_rate": rate, "momentum": rate * 90.0, "optimizer": optimizer});
        let trials = [
            trial("t-1", Some(0.7), tuned(16, 0.0003, "sgd")),
            trial("t-2", Some(0.9), tuned(32, 0.01, "adam")),
            trial("t-3", None, tuned(64, 0.001, "adam")),
        ];
        let Some(Figure::Drawn { drawing: Drawing::Plot(plot), .. }) = tune.plot(&trials, "t-2") else {
            panic!()
        };
        let scales: Vec<&Scale> = plot.panels.iter().map(|panel| &panel.x.scale).collect();
        let names = Scale::Categories(vec!["adam".into(), "sgd".into()]);
        assert_eq!(scales, [&Scale::Linear, &Scale::Logarithmic, &Scale::Logarithmic, &names]);
        let points: Vec<_> = plot.panels.iter().map(|panel| panel.series[1].points[0]).collect();
        assert_eq!(points, [(32.0, 0.9), (0.01, 0.9), (0.9, 0.9), (0.0, 0.9)]);
        assert_eq!(plot.panels[3].series[0].points, [(1.0, 0.7)], "a trial without a value has no place");
        assert!(tune.plot(&trials[2..], "t-2").is_none());
    }
}
