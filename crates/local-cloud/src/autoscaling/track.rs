//! Target tracking: computes how many instances a variant needs.
//! <https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html>

use serde::{Deserialize, Serialize};

/// The settings of a policy. Cooldowns are in real milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The value that the metric, an average over the instances, should have. More instances lower it.
    pub target: f64,
    pub out_cooldown_ms: i64,
    pub in_cooldown_ms: i64,
}

/// What a policy did last. A cooldown begins when an activity has ended successfully.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    out: Option<Out>,
    in_ended_ms: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Out {
    ended_ms: i64,
    added: u64,
}

impl Memory {
    /// Records an activity that has ended successfully. A scale-out ends the cooldown of a scale-in.
    pub fn scaled(&mut self, from: u64, to: u64, ended_ms: i64) {
        if to > from {
            *self = Self { out: Some(Out { ended_ms, added: to - from }), in_ended_ms: None };
        } else {
            self.in_ended_ms = Some(ended_ms);
        }
    }
}

/// Whether a policy adds or removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Out,
    In,
}

/// The present capacity of a variant, and its range.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    pub current: u64,
    pub min: u64,
    pub max: u64,
    pub now_ms: i64,
}

/// Returns the capacity to set. None: it stays as it is.
///
/// It is the capacity at which the metric would have its target value if the load stayed the same: current × metric /
/// target, rounded up, and limited to the range. During the scale-out cooldown, instances are only added if the step is
/// larger than the one that began the cooldown; the instances that the earlier step added count as a part of the new
/// one. During the scale-in cooldown, nothing is removed. Neither cooldown prevents the other direction.
pub fn decide(
    settings: &Settings,
    memory: &Memory,
    standing: Standing,
    direction: Direction,
    metric: f64,
) -> Option<u64> {
    let wanted = wanted(standing.current, metric, settings.target);
    limited(settings, memory, standing, direction, wanted)
}

/// Returns the capacity to set if a policy wants another one: in the range, and as the cooldowns allow. None: it stays as it
/// is.
pub fn limited(
    settings: &Settings,
    memory: &Memory,
    standing: Standing,
    direction: Direction,
    wanted: u64,
) -> Option<u64> {
    let Standing { current, min, max, now_ms } = standing;
    let wanted = wanted.clamp(min.min(max), max);
    match direction {
        Direction::Out if wanted > current => {
            let cools = |out: &Out| now_ms < out.ended_ms.saturating_add(settings.out_cooldown_ms);
            let counted = memory.out.filter(cools).map_or(0, |out| out.added);
            let step = (wanted - current).saturating_sub(counted);
            (step > 0).then_some(current + step)
        }
        Direction::In if wanted < current => {
            let cools = |ended_ms: i64| now_ms < ended_ms.saturating_add(settings.in_cooldown_ms);
            (!memory.in_ended_ms.is_some_and(cools)).then_some(wanted)
        }
        _ => None,
    }
}

fn wanted(current: u64, metric: f64, target: f64) -> u64 {
    // A count of instances is far below 2^52, so it is exact. A rounding error must not add an instance.
    (current as f64 * metric / target - 1e-9).ceil().max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::Direction::{In, Out};
    use super::*;

    const SETTINGS: Settings = Settings { target: 10.0, out_cooldown_ms: 5000, in_cooldown_ms: 3000 };

    fn standing(current: u64, now_ms: i64) -> Standing {
        Standing { current, min: 1, max: 8, now_ms }
    }

    fn fresh(current: u64, direction: Direction, metric: f64) -> Option<u64> {
        decide(&SETTINGS, &Memory::default(), standing(current, 0), direction, metric)
    }

    #[test]
    fn capacity_follows_the_metric_in_its_range() {
        for (current, metric, wanted) in
            [(1, 10.1, 2), (1, 25.0, 3), (2, 15.0, 3), (3, 14.0, 5), (4, 1000.0, 8)]
        {
            assert_eq!(fresh(current, Out, metric), Some(wanted), "{current} {metric}");
        }
        for (current, metric, wanted) in [(4, 0.0, 1), (4, 5.0, 2), (8, 8.9, 8), (8, 8.7, 7), (3, 3.0, 1)] {
            assert_eq!(
                fresh(current, In, metric),
                Some(wanted).filter(|n| *n < current),
                "{current} {metric}"
            );
        }
        // 3 × 10/3 is 10.000000000000002.
        assert_eq!(decide(&SETTINGS, &Memory::default(), standing(3, 0), Out, 10.0 / 3.0 * 3.0), None);
        assert_eq!(fresh(8, Out, 1000.0), None, "at the maximum");
        assert_eq!(fresh(1, In, 0.0), None, "at the minimum");
        // The alarm decides the direction.
        assert_eq!((fresh(4, Out, 0.0), fresh(4, In, 100.0)), (None, None));
        assert_eq!(
            decide(&SETTINGS, &Memory::default(), Standing { min: 2, ..standing(4, 0) }, In, 0.0),
            Some(2)
        );
    }

    #[test]
    fn cooldowns_are_aws_s() {
        let mut memory = Memory::default();
        memory.scaled(1, 3, 1000);
        let out = |now_ms, metric| decide(&SETTINGS, &memory, standing(3, now_ms), Out, metric);
        assert_eq!(out(2000, 15.0), None, "2 more, as before");
        assert_eq!(out(2000, 20.0), Some(4), "3 more, of which 2 are counted already");
        assert_eq!(out(5999, 15.0), None);
        assert_eq!(out(6000, 15.0), Some(5), "the cooldown is over");
        assert_eq!(decide(&SETTINGS, &memory, standing(3, 1001), In, 0.0), Some(1), "scale-in has its own");

        memory.scaled(3, 2, 10_000);
        let at =
            |now_ms, direction, metric| decide(&SETTINGS, &memory, standing(2, now_ms), direction, metric);
        assert_eq!(at(12_999, In, 0.0), None);
        assert_eq!(at(13_000, In, 0.0), Some(1));
        assert_eq!(at(10_001, Out, 15.0), Some(3), "scale-out is at once");
        memory.scaled(2, 3, 10_002);
        assert_eq!(
            decide(&SETTINGS, &memory, standing(3, 10_003), In, 0.0),
            Some(1),
            "and ends the other's cooldown"
        );
    }
}
