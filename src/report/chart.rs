//! Curves as SVG: axes with round ticks, a line and a mark of its own shape for each series, a legend.

use std::fmt::Write as _;

use super::token::one_line;
use crate::journal::Series;
use crate::written::decimal;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 68.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 52.0;

/// Colours that people of any colour vision tell apart, for light and for dark ground; dashes and marks differ too.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#57606a}.grid{stroke:#8c959f;stroke-opacity:.28}\
.axis{stroke:#8c959f}.line{fill:none;stroke-width:2.25;stroke-linejoin:round}\
.s0{stroke:#0969da;color:#0969da}.s1{stroke:#bc4c00;color:#bc4c00}.s2{stroke:#1a7f37;color:#1a7f37}.s3{stroke:#8250df;color:#8250df}\
.mark{fill:currentColor;stroke:none}.s1.line{stroke-dasharray:7 4}.s2.line{stroke-dasharray:2 4}.s3.line{stroke-dasharray:9 3 2 3}\
@media(prefers-color-scheme:dark){text{fill:#9da7b3}.s0{stroke:#58a6ff;color:#58a6ff}.s1{stroke:#f0883e;color:#f0883e}\
.s2{stroke:#56d364;color:#56d364}.s3{stroke:#bc8cff;color:#bc8cff}}";

/// The drawing, complete with its style; `id` makes the ids in it unique in a page.
pub fn svg(id: &str, caption: &str, x: &str, y: &str, series: &[Series]) -> String {
    let series: Vec<Series> = series
        .iter()
        .map(|one| {
            let drawable = one.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite());
            Series { name: one_line(&one.name), points: drawable.collect(), scattered: one.scattered }
        })
        .collect();
    let points = || series.iter().flat_map(|one| &one.points);
    let across = Axis::new(points().map(|point| point.0), 8);
    let up = Axis::new(points().map(|point| point.1), 5);
    let at = |x: f64, y: f64| {
        let right = LEFT + across.part(x) * (WIDTH - LEFT - RIGHT);
        (right, HEIGHT - BOTTOM - up.part(y) * (HEIGHT - TOP - BOTTOM))
    };
    let mut svg = String::new();
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    // Writing to a String cannot fail.
    let _ = write!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{id}-title {id}-desc"><title id="{id}-title">{}</title><desc id="{id}-desc">{}</desc><style>{STYLE}</style>"#,
        escape(&one_line(caption)),
        escape(&described(&series)),
    );
    for tick in &up.ticks {
        let y = at(across.low, *tick).1;
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1}" y2="{y:.1}"/><text x="{}" y="{:.1}" text-anchor="end">{}</text>"#,
            LEFT - 10.0,
            y + 4.5,
            decimal(*tick)
        );
    }
    for tick in &across.ticks {
        let x = at(*tick, up.low).0;
        let _ = write!(
            svg,
            r#"<line class="axis" x1="{x:.1}" x2="{x:.1}" y1="{bottom}" y2="{}"/><text x="{x:.1}" y="{}" text-anchor="middle">{}</text>"#,
            bottom + 5.0,
            bottom + 20.0,
            decimal(*tick)
        );
    }
    let _ = write!(svg, r#"<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>"#);
    let _ = write!(
        svg,
        r#"<text x="{:.1}" y="{}" text-anchor="middle">{}</text>"#,
        (LEFT + right) / 2.0,
        HEIGHT - 10.0,
        escape(&one_line(x))
    );
    let _ = write!(svg, r#"<text x="{LEFT}" y="20" text-anchor="start">{}</text>"#, escape(&one_line(y)));
    let mut legend = right;
    for (index, Series { name, points, scattered }) in series.iter().enumerate().rev() {
        let class = format!("s{}", index % 4);
        let shown: String = name.chars().take(24).collect();
        legend -= 44.0 + 7.4 * shown.chars().count() as f64;
        let _ = write!(
            svg,
            r#"{}{}<text x="{:.1}" y="20.5">{}</text>"#,
            match scattered {
                true => String::new(),
                false => format!(
                    r#"<line class="line {class}" x1="{legend:.1}" x2="{:.1}" y1="16" y2="16"/>"#,
                    legend + 26.0
                ),
            },
            mark(index, legend + 13.0, 16.0),
            legend + 33.0,
            escape(&shown)
        );
        let path: Vec<String> =
            points.iter().map(|(x, y)| at(*x, *y)).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        if path.len() > 1 && !scattered {
            let _ = write!(svg, r#"<polyline class="line {class}" points="{}"/>"#, path.join(" "));
        }
        // More marks than this would hide the line; a point alone is nothing but its mark.
        for (x, y) in points.iter().filter(|_| *scattered || points.len() <= 40).map(|(x, y)| at(*x, *y)) {
            svg.push_str(&mark(index, x, y));
        }
    }
    svg.push_str("</svg>");
    svg
}

/// What the lines show, in words.
fn described(series: &[Series]) -> String {
    let told =
        series.iter().map(|Series { name, points, scattered }| match (points.first(), points.last()) {
            _ if *scattered && points.len() > 1 => format!("{name}: {} points", points.len()),
            (Some(first), Some(last)) if points.len() > 1 => {
                format!(
                    "{name}: from {} at {} to {} at {}",
                    decimal(first.1),
                    decimal(first.0),
                    decimal(last.1),
                    decimal(last.0)
                )
            }
            (Some(only), _) => format!("{name}: {} at {}", decimal(only.1), decimal(only.0)),
            _ => format!("{name}: no points"),
        });
    told.collect::<Vec<_>>().join("; ")
}

fn mark(index: usize, x: f64, y: f64) -> String {
    let class = format!("mark s{}", index % 4);
    match index % 4 {
        0 => format!(r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="4"/>"#),
        1 => format!(
            r#"<rect class="{class}" x="{:.1}" y="{:.1}" width="7.4" height="7.4"/>"#,
            x - 3.7,
            y - 3.7
        ),
        2 => format!(r#"<path class="{class}" d="M{x:.1} {:.1}l4.6 8h-9.2z"/>"#, y - 5.0),
        _ => format!(r#"<path class="{class}" d="M{x:.1} {:.1}l5 5-5 5-5-5z"/>"#, y - 5.0),
    }
}

struct Axis {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Axis {
    /// An axis over all values with at most about `wanted` ticks at 1, 2 or 5 times a power of ten.
    fn new(values: impl Iterator<Item = f64>, wanted: usize) -> Self {
        let mut whole = true;
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            whole &= value.fract() == 0.0;
            (low.min(value), high.max(value))
        });
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        // Values at the ends of what a float holds would overflow below; a chart of them says nothing anyway.
        let (low, high) = (low.clamp(-1e200, 1e200), high.clamp(-1e200, 1e200));
        let (low, high) = if high - low <= high.abs().max(low.abs()) * 1e-12 {
            let around = if low == 0.0 { 1.0 } else { low.abs() * 0.5 };
            (low - around, high + around)
        } else {
            (low, high)
        };
        let rough = (high - low) / wanted as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|m| m * power)
            .find(|step| *step >= rough)
            .unwrap_or(power * 10.0);
        // There is no epoch 1.5.
        let step = if whole { step.max(1.0) } else { step };
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let ticks: Vec<f64> = (0..=(last - first) as usize).map(|n| (first + n as f64) * step).collect();
        Self { low: first * step, high: last * step, ticks }
    }

    /// Where a value lies, 0 to 1.
    fn part(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: &[(f64, f64)]) -> String {
        svg("f", "c", "epoch", "loss", &[Series::line("<a>", points.to_vec())])
    }

    #[test]
    fn any_points_make_a_finite_drawing() {
        let cases: [&[(f64, f64)]; 6] = [
            &[],
            &[(1.0, 0.5)],
            &[(0.0, 0.0), (1.0, 0.0)],
            &[(1.0, f64::NAN), (2.0, f64::INFINITY), (3.0, 1.0)],
            &[(f64::MIN, f64::MAX), (f64::MAX, f64::MIN)],
            &[(1.0, 1e-300), (2.0, 2e-300)],
        ];
        for points in cases {
            let svg = drawn(points);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert!(!svg.contains("<a>"), "a name is text");
        }
    }

    #[test]
    fn one_point_has_a_mark_and_what_is_no_number_has_none() {
        let marks = |points: &[(f64, f64)]| {
            drawn(points).matches("<circle").count() - drawn(&[]).matches("<circle").count()
        };
        assert_eq!(marks(&[(1.0, 0.5)]), 1);
        assert_eq!(marks(&[(1.0, 0.5), (2.0, f64::NAN)]), 1);
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(Axis::new([1.0, 8.0].into_iter(), 8).ticks, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(Axis::new([0.43, 0.91].into_iter(), 5).ticks.len(), 7);
    }
}
