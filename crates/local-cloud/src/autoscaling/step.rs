//! Step scaling: how a capacity changes, by how far a metric is beyond the threshold of the alarm that triggers the policy.
//! <https://docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html>

use serde_json::Value;

use crate::call::AwsError;
use crate::support::value::{items, text};

/// The configuration of a step scaling policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Steps {
    adjustment: Adjustment,
    steps: Vec<Step>,
    /// The least change of an adjustment in percent.
    least: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Adjustment {
    /// By a number.
    Change,
    /// By a percentage of the present capacity.
    Percent,
    /// To a number.
    Exact,
}

/// An adjustment, and how far beyond the threshold the metric must be for it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    lower: f64,
    upper: f64,
    by: i64,
}

impl Steps {
    /// Reads a StepScalingPolicyConfiguration.
    ///
    /// # Errors
    /// `ValidationException`: there is no step, or steps leave a gap or overlap.
    pub fn read(configuration: &Value) -> Result<Self, AwsError> {
        let adjustment = match text(configuration, "AdjustmentType") {
            "ChangeInCapacity" => Adjustment::Change,
            "PercentChangeInCapacity" => Adjustment::Percent,
            "ExactCapacity" => Adjustment::Exact,
            _ => {
                return Err(AwsError::validation(
                    "Adjustment type must be specified for a step scaling policy",
                ));
            }
        };
        let bound = |step: &Value, member: &str, open: f64| step[member].as_f64().unwrap_or(open);
        let read = |step: &Value| Step {
            lower: bound(step, "MetricIntervalLowerBound", f64::NEG_INFINITY),
            upper: bound(step, "MetricIntervalUpperBound", f64::INFINITY),
            by: step["ScalingAdjustment"].as_i64().unwrap_or_default(),
        };
        let mut steps: Vec<Step> = items(configuration, "StepAdjustments").iter().map(read).collect();
        steps.sort_by(|one, other| one.lower.total_cmp(&other.lower));
        check(&steps, adjustment)?;
        let least = &configuration["MinAdjustmentMagnitude"];
        if !least.is_null() && adjustment != Adjustment::Percent {
            return Err(AwsError::validation(
                "MinAdjustmentMagnitude is only supported for the adjustment type PercentChangeInCapacity",
            ));
        }
        Ok(Self { adjustment, steps, least: least.as_u64().unwrap_or(1).max(1) })
    }

    /// Returns the capacity after the adjustment for a metric that is `beyond` the threshold; below it, that is negative.
    /// None: no step is for that.
    pub fn wanted(&self, current: u64, beyond: f64) -> Option<u64> {
        // Above the threshold, the lower bound belongs to a step; below it, the upper one does.
        let is_for = |step: &&Step| match beyond >= 0.0 {
            true => step.lower <= beyond && beyond < step.upper,
            false => step.lower < beyond && beyond <= step.upper,
        };
        let by = self.steps.iter().find(is_for)?.by;
        let change = match self.adjustment {
            Adjustment::Exact => return Some(by.max(0).unsigned_abs()),
            Adjustment::Change => by,
            Adjustment::Percent => {
                // A change of less than one counts as one; a larger one is rounded towards zero.
                let exact = current as f64 * by as f64 / 100.0;
                let whole = (exact + exact.signum() * 1e-9).trunc().abs().max(1.0) as u64;
                let size = i64::try_from(whole.max(self.least)).unwrap_or(i64::MAX);
                if by == 0 { 0 } else { size * by.signum() }
            }
        };
        Some(current.saturating_add_signed(change))
    }
}

fn check(steps: &[Step], adjustment: Adjustment) -> Result<(), AwsError> {
    let refuse = |words: &str| Err(AwsError::validation(words.to_owned()));
    if steps.is_empty() {
        return refuse("At least one step adjustment must be specified");
    }
    if steps
        .iter()
        .any(|step| step.lower >= step.upper || (step.lower, step.upper) == OPEN && steps.len() > 1)
    {
        return refuse("The lower bound of a step adjustment must be less than its upper bound");
    }
    if steps.windows(2).any(|pair| pair[0].upper != pair[1].lower) {
        return refuse("Step adjustment intervals can't have overlap or gap");
    }
    if adjustment == Adjustment::Exact && steps.iter().any(|step| step.by < 0) {
        return refuse("Scaling adjustment can't be negative for the adjustment type ExactCapacity");
    }
    Ok(())
}

const OPEN: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn steps(kind: &str, steps: Value, least: Value) -> Result<Steps, AwsError> {
        Steps::read(
            &json!({"AdjustmentType": kind, "StepAdjustments": steps, "MinAdjustmentMagnitude": least}),
        )
    }

    #[test]
    fn the_step_is_found_by_the_distance_from_the_threshold() {
        let all = json!([
            {"MetricIntervalLowerBound": 20.0, "ScalingAdjustment": 3},
            {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 20.0, "ScalingAdjustment": 1},
            {"MetricIntervalLowerBound": -10.0, "MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -1},
        ]);
        let all = steps("ChangeInCapacity", all, Value::Null).unwrap();
        for (beyond, wanted) in
            [(0.0, Some(5)), (19.9, Some(5)), (20.0, Some(7)), (-0.1, Some(3)), (-10.0, None), (-11.0, None)]
        {
            assert_eq!(all.wanted(4, beyond), wanted, "{beyond}");
        }
        assert_eq!(all.wanted(0, -1.0), Some(0));
    }

    #[test]
    fn percentages_are_rounded_as_aws_rounds_them() {
        let by = |percent: i64, least: Value| {
            steps("PercentChangeInCapacity", json!([{"ScalingAdjustment": percent}]), least).unwrap()
        };
        for (current, percent, wanted) in
            [(10, 25, 12), (10, 7, 11), (10, -25, 8), (10, -7, 9), (10, 30, 13), (3, 0, 3), (10, -200, 0)]
        {
            assert_eq!(by(percent, Value::Null).wanted(current, 1.0), Some(wanted), "{percent} %");
        }
        assert_eq!(by(10, json!(4)).wanted(10, 1.0), Some(14));
        let exact = steps("ExactCapacity", json!([{"ScalingAdjustment": 6}]), Value::Null).unwrap();
        assert_eq!(exact.wanted(2, -3.0), Some(6));
    }

    #[test]
    fn senseless_steps_are_refused() {
        let step = |lower: Value, upper: Value| json!({"MetricIntervalLowerBound": lower, "MetricIntervalUpperBound": upper, "ScalingAdjustment": 1});
        for wrong in [
            json!([]),
            json!([step(json!(5.0), json!(1.0))]),
            json!([step(json!(0.0), json!(5.0)), step(json!(6.0), json!(null))]),
            json!([step(json!(0.0), json!(5.0)), step(json!(4.0), json!(null))]),
        ] {
            assert!(steps("ChangeInCapacity", wrong.clone(), Value::Null).is_err(), "{wrong}");
        }
        assert!(steps("ExactCapacity", json!([{"ScalingAdjustment": -1}]), Value::Null).is_err());
        assert!(steps("ChangeInCapacity", json!([{"ScalingAdjustment": 1}]), json!(2)).is_err());
        assert!(steps("", json!([{"ScalingAdjustment": 1}]), Value::Null).is_err());
    }
}
