//! An axis: where a value lies, and the ticks.

use super::canvas::{SMALL, shortened, width};
use crate::journal::{Axis, Scale};
use crate::written::decimal;

/// What separates the labels of two ticks.
const GAP: f64 = 9.0;
/// What an axis can show of 0 and of infinity.
const LEAST: f64 = 1e-200;
const MOST: f64 = 1e200;

/// An axis with its place: `from` and `to` are coordinates.
pub struct Placed {
    low: f64,
    high: f64,
    logarithmic: bool,
    from: f64,
    to: f64,
    /// Values and their labels.
    pub ticks: Vec<(f64, String)>,
}

impl Placed {
    /// An axis over all values that it can show, with as many ticks as fit.
    pub fn new(axis: &Axis, values: impl Iterator<Item = f64>, (from, to): (f64, f64)) -> Self {
        let length = (to - from).abs();
        if let Scale::Categories(names) = &axis.scale {
            let room = length / names.len().max(1) as f64 - GAP;
            let ticks = names.iter().enumerate().map(|(at, name)| (at as f64, shortened(name, SMALL, room)));
            let (low, high) = (-0.5, names.len().max(1) as f64 - 0.5);
            return Self { low, high, logarithmic: false, from, to, ticks: ticks.collect() };
        }
        let logarithmic = axis.scale == Scale::Logarithmic;
        let mut whole = true;
        let values = values.filter(|value| shows(axis, *value));
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            whole &= value.fract() == 0.0;
            (low.min(value), high.max(value))
        });
        let across = from < to;
        let range = (if axis.scale == Scale::FromZero { low.min(0.0) } else { low }, high);
        let range = (within(range.0), within(range.1));
        let mut wanted = (length / if across { 46.0 } else { 28.0 }).max(2.0) as usize;
        loop {
            let (low, high, ticks) = match logarithmic {
                true => logarithmic_ticks(low, high, wanted),
                false => linear_ticks(low, high, axis.scale == Scale::FromZero, whole, wanted),
            };
            let ticks: Vec<(f64, String)> = ticks.into_iter().map(|tick| (tick, decimal(tick))).collect();
            let placed = Self { low, high, logarithmic, from, to, ticks };
            let placed = if across && !logarithmic { placed.narrowed(range) } else { placed };
            if !across || wanted <= 2 || placed.labels_fit() {
                return placed;
            }
            wanted -= 1;
        }
    }

    /// Ends where the values end, if two ticks or more are left. Time, above all, has no round end.
    fn narrowed(mut self, (low, high): (f64, f64)) -> Self {
        let slack = (high - low) * 1e-9;
        let inside = |tick: f64| (low - slack..=high + slack).contains(&tick);
        if self.ticks.iter().filter(|(tick, _)| inside(*tick)).count() >= 2 {
            self.ticks.retain(|(tick, _)| inside(*tick));
            (self.low, self.high) = (low, high);
        }
        self
    }

    fn labels_fit(&self) -> bool {
        let ends = self.ticks.iter().map(|(tick, label)| (self.at(*tick), width(label, SMALL) / 2.0));
        let ends: Vec<(f64, f64)> = ends.collect();
        ends.windows(2).all(|pair| pair[0].0 + pair[0].1 + GAP <= pair[1].0 - pair[1].1)
    }

    /// Where a value lies.
    pub fn at(&self, value: f64) -> f64 {
        let on = |value: f64| if self.logarithmic { value.max(f64::MIN_POSITIVE).log10() } else { value };
        let part = (on(value) - on(self.low)) / (on(self.high) - on(self.low));
        self.from + part.clamp(0.0, 1.0) * (self.to - self.from)
    }
}

/// Whether an axis has a place for a value.
pub fn shows(axis: &Axis, value: f64) -> bool {
    value.is_finite() && (axis.scale != Scale::Logarithmic || value > 0.0)
}

/// Values at the ends of what a float holds would overflow; a drawing of them says nothing anyway.
fn within(value: f64) -> f64 {
    if value.abs() < LEAST { 0.0 } else { value.clamp(-MOST, MOST) }
}

/// Returns the ends and the ticks, at 1, 2 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64, from_zero: bool, whole: bool, wanted: usize) -> (f64, f64, Vec<f64>) {
    let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
    let (low, high) = if from_zero { (low.min(0.0), high.max(0.0)) } else { (low, high) };
    let (low, high) = (within(low), within(high));
    let (low, high) = if high - low <= high.abs().max(low.abs()) * 1e-12 {
        let around = if low == 0.0 { 1.0 } else { low.abs() * 0.5 };
        (if from_zero { 0.0 } else { low - around }, high + around)
    } else {
        (low, high)
    };
    let rough = (high - low) / wanted as f64;
    let power = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
    let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(power * 10.0);
    // There is no epoch 1.5.
    let step = if whole { step.max(1.0) } else { step };
    let (first, last) = ((low / step).floor(), (high / step).ceil());
    let ticks = (0..=(last - first) as usize).map(|n| (first + n as f64) * step).collect();
    (first * step, last * step, ticks)
}

/// Returns the ends and the ticks: 1, 2 and 5 of each decade, or 1 and 3, or only powers of ten.
fn logarithmic_ticks(low: f64, high: f64, wanted: usize) -> (f64, f64, Vec<f64>) {
    let (low, high) =
        if low > high { (1.0, 10.0) } else { (low.clamp(LEAST, MOST), high.clamp(LEAST, MOST)) };
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let decades = (last - first).max(1) as usize;
    let every = (decades / wanted).max(1);
    for times in [&[1.0, 2.0, 5.0][..], &[1.0, 3.0], &[1.0]] {
        let all = (first..=last.max(first + 1)).step_by(every);
        let all: Vec<f64> =
            all.flat_map(|power| times.iter().map(move |times| ten_to(power) * times)).collect();
        // From the last tick at or below the values to the first at or above them.
        let from = all.iter().rposition(|tick| *tick <= low * (1.0 + 1e-9)).unwrap_or(0);
        let to = all.iter().position(|tick| *tick >= high * (1.0 - 1e-9)).unwrap_or(all.len() - 1);
        let to = if to <= from { (from + 1).min(all.len() - 1) } else { to };
        let from = if to <= from { to.saturating_sub(1) } else { from };
        if to - from <= wanted || times.len() == 1 {
            let ticks = all[from..=to].to_vec();
            return (low.min(ticks[0]), high.max(ticks[ticks.len() - 1]), ticks);
        }
    }
    (low, high, Vec::new())
}

/// A power of ten. `powi` would be off in the last digit below 1.
fn ten_to(power: i32) -> f64 {
    format!("1e{power}").parse().unwrap_or_else(|_| 10f64.powi(power))
}

/// Returns `latency (ms)`.
pub fn title(axis: &Axis) -> String {
    match axis.unit.as_str() {
        "" => axis.label.clone(),
        unit => format!("{} ({unit})", axis.label),
    }
}

/// Returns `12 ms`, or the category's name.
pub fn with_unit(axis: &Axis, value: f64) -> String {
    match &axis.scale {
        Scale::Categories(names) => names.get(value as usize).cloned().unwrap_or_default(),
        _ if axis.unit.is_empty() => decimal(value),
        _ => format!("{} {}", decimal(value), axis.unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(scale: Scale, values: &[f64], length: f64) -> Vec<String> {
        let placed = Placed::new(&Axis::new("", "", scale), values.iter().copied(), (0.0, length));
        placed.ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_their_labels_fit() {
        assert_eq!(ticks(Scale::Linear, &[1.0, 8.0], 400.0), ["1", "2", "3", "4", "5", "6", "7", "8"]);
        assert_eq!(ticks(Scale::FromZero, &[7.0, 9.0], 120.0), ["0", "5"]);
        assert_eq!(ticks(Scale::FromZero, &[0.5, 61.0], 400.0), ["0", "10", "20", "30", "40", "50", "60"]);
        assert_eq!(
            ticks(Scale::Logarithmic, &[0.0003, 0.01], 400.0),
            ["0.0002", "0.0005", "0.001", "0.002", "0.005", "0.01"]
        );
        assert_eq!(ticks(Scale::Logarithmic, &[0.0003, 0.01], 190.0), ["0.0003", "0.001", "0.003", "0.01"]);
        assert_eq!(ticks(Scale::Logarithmic, &[1.0, 1e6], 120.0).len(), 3);
        let names = Scale::Categories(vec!["adam".into(), "a name that does not fit".into()]);
        assert_eq!(ticks(names, &[], 120.0), ["adam", "a name…"]);
    }

    #[test]
    fn a_logarithmic_axis_has_a_place_for_what_is_above_0() {
        let axis = Axis::new("", "", Scale::Logarithmic);
        let placed = Placed::new(&axis, [0.1, 10.0, -1.0, 0.0, f64::NAN].into_iter(), (0.0, 100.0));
        assert_eq!([0.1, 1.0, 10.0].map(|value| placed.at(value).round()), [0.0, 50.0, 100.0]);
        assert_eq!([0.0, -1.0, f64::NAN, 0.5].map(|value| shows(&axis, value)), [false, false, false, true]);
    }

    #[test]
    fn any_values_give_a_finite_axis() {
        let cases: [&[f64]; 9] = [
            &[],
            &[0.0],
            &[5.0],
            &[-3.0, -3.0],
            &[f64::NAN, f64::INFINITY, 1.0],
            &[f64::MIN, f64::MAX],
            &[1e-300, 2e-300],
            &[f64::MIN_POSITIVE, f64::MAX],
            &[5e-324],
        ];
        for values in cases {
            for scale in [Scale::Linear, Scale::FromZero, Scale::Logarithmic, Scale::Categories(Vec::new())] {
                let placed =
                    Placed::new(&Axis::new("", "", scale.clone()), values.iter().copied(), (10.0, 200.0));
                let all = values.iter().copied().chain(placed.ticks.iter().map(|(tick, _)| *tick));
                for value in all.filter(|value| value.is_finite()) {
                    let at = placed.at(value);
                    assert!((10.0..=200.0).contains(&at), "{values:?} {scale:?}: {value} is at {at}");
                }
                assert!(placed.ticks.len() < 50, "{values:?} {scale:?}");
            }
        }
    }
}
