//! The likeliest classes of a picture, beside the picture.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::context::Context;
use super::sheet::alone;
use crate::failure::Outcome;
use crate::journal::{Axis, Bar, Bars, Picture, Scale};

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Likely {
    pub class: String,
    pub probability: f64,
}

/// Returns the `k` likeliest classes, by softmax, likeliest first.
pub fn likeliest(logits: &[f64], classes: &[String], k: usize) -> Vec<Likely> {
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = logits.iter().map(|logit| (logit - highest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    let mut all: Vec<Likely> = powers
        .iter()
        .enumerate()
        .map(|(index, power)| Likely {
            class: classes.get(index).cloned().unwrap_or_else(|| index.to_string()),
            probability: power / sum,
        })
        .collect();
    all.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    all.truncate(k);
    all
}

/// A picture that was sent to a model, with what is known of it.
pub struct Sent {
    picture: Picture,
    notes: Vec<String>,
}

impl Sent {
    /// Keeps the picture in the file `image`, which has the bytes `body`. In ImageFolder layout, the name of its folder is its
    /// class. `None` if it cannot be decoded: the model has answered all the same.
    pub fn keep(
        context: &Context<'_>,
        image: &str,
        body: &[u8],
        classes: &[String],
    ) -> Outcome<Option<Self>> {
        let path = Path::new(image);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let truth = classes.iter().find(|class| **class == folder);
        let alt = match truth {
            Some(class) => format!("The image that was sent, {name}: {class}"),
            None => format!("The image that was sent, {name}"),
        };
        let kept = tokio::task::block_in_place(|| {
            let decoded = opsml_pictures::decode(body).ok();
            decoded.map(|picture| context.keep(&alone(&picture)?, alt)).transpose()
        })?;
        let notes = [Some(name), truth.map(|class| format!("true class: {class}"))];
        Ok(kept.map(|picture| Self { picture, notes: notes.into_iter().flatten().collect() }))
    }
}

/// Returns the likeliest classes as bars, beside the picture that they are of.
pub fn bars(top: &[Likely], sent: Option<Sent>) -> Bars {
    let row = |one: &Likely| Bar {
        label: one.class.clone(),
        spans: vec![(0.0, one.probability * 100.0)],
        text: percent(one.probability),
    };
    let (picture, notes) = sent.map_or((None, Vec::new()), |sent| (Some(sent.picture), sent.notes));
    let axis = Axis::new("probability, the softmax of the logits", "%", Scale::FromZero);
    Bars { axis, end: Some(100.0), rows: top.iter().map(row).collect(), picture, notes }
}

/// Returns `97.3 %`; nothing that is possible reads as 0, and nothing uncertain as 100.
fn percent(part: f64) -> String {
    match part * 100.0 {
        ..0.05 => "< 0.1 %".to_owned(),
        99.95..100.0 => "> 99.9 %".to_owned(),
        percent => format!("{percent:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_and_order() {
        let classes = ["a", "b", "c"].map(str::to_owned);
        let top = likeliest(&[1.0, 1001.0, 1000.0], &classes, 2);
        assert_eq!(top.iter().map(|one| one.class.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        assert!((top[0].probability - 1.0 / (1.0 + (-1.0f64).exp())).abs() < 1e-12);
    }

    #[test]
    fn nothing_uncertain_reads_as_certain() {
        for (part, shown) in [
            (0.0, "< 0.1 %"),
            (0.0004, "< 0.1 %"),
            (0.0006, "0.1 %"),
            (0.5, "50.0 %"),
            (0.9994, "99.9 %"),
            (0.9996, "> 99.9 %"),
            (1.0, "100.0 %"),
        ] {
            assert_eq!(percent(part), shown);
        }
    }
}
