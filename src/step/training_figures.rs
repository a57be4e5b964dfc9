//! The figures of a training by the worker: loss and accuracy, the confusion matrix, the worst mistakes, CPU and memory.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::DynamicImage;
use opsml_contract::{EpochMetrics, Mistake, ResourceSample, Tested};

use super::context::Context;
use super::sheet::sheet;
use crate::action::TrainingOutput;
use crate::failure::Outcome;
use crate::journal::{Axis, Drawing, Figure, Matrix, Panel, Plot, Scale, Series, Sheet};

/// The most classes whose matrix has numbers; above, the most confused pairs are a table.
const MAX_NAMED: usize = 20;
/// How many pairs that table has.
const PAIRS: usize = 15;
/// Mistakes in a row of their sheet.
const IN_A_ROW: usize = 6;

/// Returns the figures, and keeps their pictures. There are fewer if the job has left less.
pub(super) fn training_figures(output: &TrainingOutput, context: &Context<'_>) -> Outcome<Vec<Figure>> {
    let mut figures = Vec::new();
    figures.extend(epochs(&output.epochs));
    if let Some(tested) = &output.tested {
        figures.push(matrix(tested));
        figures.extend(pairs(tested));
        figures.extend(mistakes(tested, context)?);
    }
    figures.extend(resources(&output.resources));
    Ok(figures)
}

/// Returns loss and accuracy by epoch. A single epoch is a table.
fn epochs(epochs: &[EpochMetrics]) -> Option<Figure> {
    if let [only] = epochs {
        let row = |name: &str, loss: f64, accuracy: f64| {
            vec![name.to_owned(), format!("{loss:.4}"), format!("{accuracy:.4}")]
        };
        return Some(Figure::Table {
            caption: "Loss and accuracy of the only epoch".into(),
            columns: ["images", "cross-entropy", "accuracy"].map(str::to_owned).into(),
            rows: vec![
                row("train", only.train_loss, only.train_accuracy),
                row("valid", only.valid_loss, only.valid_accuracy),
            ],
        });
    }
    let series = |name: &str, value: fn(&EpochMetrics) -> f64| {
        Series::line(name, epochs.iter().map(|epoch| (f64::from(epoch.epoch), value(epoch))).collect())
    };
    let panel = |label: &str, unit: &str, series: Vec<Series>| Panel {
        x: Axis::new("epoch", "", Scale::Linear),
        y: Axis::new(label, unit, Scale::Linear),
        series,
    };
    let loss = vec![series("train", |e| e.train_loss), series("valid", |e| e.valid_loss)];
    let accuracy =
        vec![series("train", |e| e.train_accuracy * 100.0), series("valid", |e| e.valid_accuracy * 100.0)];
    let panels = vec![panel("loss, mean cross-entropy", "nats", loss), panel("accuracy", "%", accuracy)];
    let plot = Plot { panels, stacked: true, ..Plot::default() };
    (!epochs.is_empty()).then(|| Figure::drawn("Loss and accuracy by epoch", Drawing::Plot(plot)))
}

/// Returns CPU and memory over time, unless there was no time.
fn resources(samples: &[ResourceSample]) -> Option<Figure> {
    let (time, second) = Axis::time("time since the start", samples.last()?.seconds);
    let panel = |label: &str, unit: &str, value: fn(&ResourceSample) -> f64| Panel {
        x: time.clone(),
        y: Axis::new(label, unit, Scale::FromZero),
        series: vec![Series::line(
            label,
            samples.iter().map(|at| (at.seconds / second, value(at))).collect(),
        )],
    };
    let cpu = panel("CPU at work", "cores", |at| at.cpu_percent / 100.0);
    let memory = panel("memory", "GiB", |at| at.memory_bytes as f64 / f64::from(1 << 30));
    let plot = Plot { panels: vec![cpu, memory], stacked: true, ..Plot::default() };
    let caption = "CPU and memory of the training process";
    (samples.len() > 1).then(|| Figure::drawn(caption, Drawing::Plot(plot)))
}

fn matrix(tested: &Tested) -> Figure {
    let images: u64 = tested.confusion.iter().map(|(.., n)| n).sum();
    let matrix = Matrix {
        row: "true class".into(),
        column: "predicted class".into(),
        names: tested.classes.clone(),
        cells: tested.confusion.clone(),
    };
    Figure::drawn(format!("Confusion matrix over the {images} test images"), Drawing::Matrix(matrix))
}

/// Returns the most confused pairs, where the matrix has no names.
fn pairs(tested: &Tested) -> Option<Figure> {
    let class = |at: usize| tested.classes.get(at).cloned().unwrap_or_default();
    let mut wrong: Vec<_> = tested.confusion.iter().filter(|(truth, said, _)| truth != said).collect();
    wrong.sort_by_key(|(.., n)| std::cmp::Reverse(*n));
    let rows = wrong.iter().take(PAIRS).map(|(truth, said, n)| {
        let of: u64 = tested.confusion.iter().filter(|(row, ..)| row == truth).map(|(.., n)| n).sum();
        vec![class(*truth), class(*said), n.to_string(), of.to_string()]
    });
    (tested.classes.len() > MAX_NAMED && !wrong.is_empty()).then(|| Figure::Table {
        caption: "The classes that were confused most".into(),
        columns: ["true class", "taken for", "images", "of"].map(str::to_owned).into(),
        rows: rows.collect(),
    })
}

/// Returns the worst mistakes with their pictures. One whose picture is none has no place.
fn mistakes(tested: &Tested, context: &Context<'_>) -> Outcome<Option<Figure>> {
    let decoded = tested.mistakes.iter().filter_map(|one| Some((one, picture(one)?)));
    let (shown, pictures): (Vec<&Mistake>, Vec<Vec<DynamicImage>>) =
        decoded.map(|(one, picture)| (one, vec![picture])).unzip();
    let columns = shown.len().clamp(1, IN_A_ROW);
    let Some(drawn) = sheet(&pictures, 1, columns) else { return Ok(None) };
    let class = |at: usize| tested.classes.get(at).map_or("", String::as_str);
    let label = |one: &&Mistake| {
        let said = format!("as {}", class(one.predicted));
        vec![class(one.truth).to_owned(), said, format!("{:.1} % sure", one.confidence * 100.0)]
    };
    let caption = "The worst mistakes: the true class, what it was taken for, and how surely";
    let files: Vec<&str> = shown.iter().map(|one| one.file.as_str()).collect();
    let picture = context
        .keep(&drawn?, format!("Test images that were taken for another class: {}", files.join(", ")))?;
    let labels = shown.iter().map(label).collect();
    Ok(Some(Figure::drawn(caption, Drawing::Sheet(Sheet { picture, columns, labels }))))
}

/// Decodes a picture that the job has left, within the limits for all pictures.
fn picture(mistake: &Mistake) -> Option<DynamicImage> {
    let bytes = STANDARD.decode(mistake.thumbnail.as_ref()?).ok()?;
    opsml_pictures::decode(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(epoch: u32) -> EpochMetrics {
        EpochMetrics {
            epoch,
            train_loss: 0.5,
            train_accuracy: 0.8,
            valid_loss: 0.6,
            valid_accuracy: 0.7,
            seconds: 1.0,
            images_per_second: 1.0,
        }
    }

    #[test]
    fn one_epoch_is_a_table_and_more_are_curves() {
        assert!(epochs(&[]).is_none());
        assert!(matches!(epochs(&[epoch(1)]), Some(Figure::Table { .. })));
        let Some(Figure::Drawn { drawing: Drawing::Plot(plot), .. }) = epochs(&[epoch(1), epoch(2)]) else {
            panic!()
        };
        assert_eq!(plot.panels[1].series[1].points, [(1.0, 70.0), (2.0, 70.0)]);
        assert!(plot.stacked);
    }

    #[test]
    fn cpu_and_memory_have_axes_of_their_own() {
        let sample = |seconds: f64| ResourceSample { seconds, cpu_percent: 150.0, memory_bytes: 3 << 30 };
        assert!(resources(&[sample(1.0)]).is_none());
        let Some(Figure::Drawn { drawing: Drawing::Plot(plot), .. }) =
            resources(&[sample(0.0), sample(600.0)])
        else {
            panic!()
        };
        let [cpu, memory] = &plot.panels[..] else { panic!() };
        assert_eq!(
            (cpu.x.unit.as_str(), cpu.y.unit.as_str(), memory.y.unit.as_str()),
            ("min", "cores", "GiB")
        );
        assert_eq!(cpu.series[0].points, [(0.0, 1.5), (10.0, 1.5)]);
        assert_eq!(memory.series[0].points[1], (10.0, 3.0));
    }

    #[test]
    fn many_classes_have_a_table_of_the_most_confused() {
        let classes = |count: usize| (0..count).map(|n| format!("c{n}")).collect();
        let confusion = vec![(0, 0, 7), (0, 1, 2), (1, 0, 5), (1, 1, 1)];
        let few = Tested { classes: classes(20), confusion: confusion.clone(), mistakes: Vec::new() };
        assert!(pairs(&few).is_none());
        let many = Tested { classes: classes(133), confusion, mistakes: Vec::new() };
        let Some(Figure::Table { rows, .. }) = pairs(&many) else { panic!() };
        assert_eq!(rows, [["c1", "c0", "5", "6"], ["c0", "c1", "2", "9"]]);
    }
}
