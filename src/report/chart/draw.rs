//! A drawing of any kind.

use super::canvas::{Bytes, Canvas};
use super::{bars, matrix, plot, sheet};
use crate::journal::Drawing;

/// The drawing as an SVG document, complete with its style. `id` makes the ids in it unique in a page; `pictures` has the
/// bytes of those that it shows.
pub fn svg(id: &str, caption: &str, drawing: &Drawing, pictures: &Bytes) -> String {
    let mut canvas = Canvas::new(id, pictures);
    match drawing {
        Drawing::Plot(plot) => plot::plot(&mut canvas, plot),
        Drawing::Bars(bars) => bars::bars(&mut canvas, bars),
        Drawing::Matrix(matrix) => matrix::matrix(&mut canvas, matrix),
        Drawing::Sheet(sheet) => sheet::sheet(&mut canvas, sheet),
    }
    canvas.finish(caption)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Axis, Bar, Bars, Mark, Matrix, Panel, Picture, Plot, Scale, Series, Sheet};

    const HOSTILE: &str = "</text></svg><script>alert(1)</script>\"'&<a>";

    fn picture() -> Picture {
        let media_type = format!("image/png\"{HOSTILE}");
        Picture { digest: "d".into(), media_type, width: 0, height: 7, alt: HOSTILE.into() }
    }

    /// One of each kind, with values that are no use and texts that are no good.
    fn hostile() -> Vec<Drawing> {
        let text = || HOSTILE.to_owned();
        let points: [&[(f64, f64)]; 6] = [
            &[],
            &[(1.0, 0.5)],
            &[(0.0, 0.0), (1.0, 0.0)],
            &[(1.0, f64::NAN), (2.0, f64::INFINITY), (3.0, 1.0)],
            &[(f64::MIN, f64::MAX), (f64::MAX, f64::MIN)],
            &[(1.0, 1e-300), (2.0, 2e-300)],
        ];
        let scales =
            [Scale::Linear, Scale::FromZero, Scale::Logarithmic, Scale::Categories(vec![text(), text()])];
        let mut all = Vec::new();
        for (scale, points) in
            scales.iter().flat_map(|scale| points.iter().map(move |points| (scale, points)))
        {
            let axis = || Axis::new(text(), text(), scale.clone());
            let series = vec![
                Series::line(text(), points.to_vec()),
                Series::scatter(text(), points.to_vec()),
                Series::area(text(), points.to_vec()),
            ];
            let panel = Panel { x: axis(), y: axis(), series };
            let marks = [f64::NAN, 1.0, f64::MAX].map(|x| Mark { x, label: text() });
            for (count, stacked) in [(0, true), (0, false), (1, false), (3, true), (3, false)] {
                let panels = vec![panel.clone(); count];
                all.push(Drawing::Plot(Plot { panels, stacked, marks: marks.to_vec() }));
            }
            let row = Bar { label: text(), spans: points.to_vec(), text: text() };
            let notes = vec![text()];
            let (rows, end) = (vec![row; 3], Some(f64::NAN));
            all.push(Drawing::Bars(Bars { axis: axis(), end, rows, picture: Some(picture()), notes }));
        }
        all.push(Drawing::Bars(Bars::default()));
        let cells = vec![(0, 0, 1), (9, 9, 9)];
        all.push(Drawing::Matrix(Matrix { row: text(), column: text(), names: vec![text()], cells }));
        for columns in [0, 1, usize::MAX] {
            all.push(Drawing::Sheet(Sheet {
                picture: picture(),
                columns,
                labels: vec![vec![text()], vec![]],
            }));
        }
        all
    }

    #[test]
    fn anything_makes_a_finite_drawing_and_no_text_is_markup() {
        for there in [false, true] {
            let bytes = if there { Bytes::from([("d".into(), b"a part".to_vec())]) } else { Bytes::new() };
            for drawing in hostile() {
                let svg = svg("f", HOSTILE, &drawing, &bytes);
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
                assert!(
                    !svg.contains("<script") && svg.matches("</svg>").count() == svg.matches("<svg").count()
                );
                for attribute in svg.split("=\"").skip(1) {
                    let value = attribute.split('"').next().unwrap_or_default();
                    assert!(!value.contains(['<', '>']), "{value} in {svg}");
                }
            }
        }
    }

    #[test]
    fn a_picture_is_in_the_drawing_and_one_that_is_gone_is_said_to_be() {
        let picture = Picture {
            digest: "d".into(),
            media_type: "image/png".into(),
            width: 8,
            height: 4,
            alt: "two".into(),
        };
        let labels = vec![vec!["left".to_owned()], vec!["right".to_owned()]];
        let sheet = Drawing::Sheet(Sheet { picture, columns: 2, labels });
        let with = svg("f", "c", &sheet, &Bytes::from([("d".into(), b"bytes".to_vec())]));
        assert_eq!(with.matches("data:image/png;base64,Ynl0ZXM=").count(), 1);
        assert!(with.contains("viewBox=\"4 0 4 4\"") && with.contains(">right<"), "{with}");
        let without = svg("f", "c", &sheet, &Bytes::new());
        assert!(!without.contains("<image") && without.matches(">picture gone<").count() == 2, "{without}");
        assert!(without.contains("The picture is gone: two") && without.contains(">right<"), "{without}");
    }
}
