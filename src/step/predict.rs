//! `predict`: sends an image to an endpoint, and returns the logits and the likeliest classes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::context::{Context, Done};
use super::fields::SageMakerName;
use super::kind::{Kind, Local, LocalForm, Problem, Reads};
use super::likeliest::{Likely, Sent, bars, likeliest};
use super::paths::Paths;
use crate::action::{invoke_endpoint, presigned};
use crate::diagnostic::counted;
use crate::failure::{Failure, Outcome};
use crate::journal::{Drawing, Figure};

/// InvokeEndpoint's limit: <https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html>.
const MAX_BODY: u64 = 6 << 20;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Predict {
    /// The endpoint's name, such as the `endpoint_name` of a `deploy` step.
    pub endpoint: SageMakerName,
    /// An image file: JPEG, PNG, WebP, GIF, BMP, TIFF, PPM or PGM.
    pub image: Option<String>,
    /// In place of `image`, the URL of one. The endpoint fetches it, only from the `image_origins` of its `deploy`
    /// step. The step is not redone when the image behind the URL changes.
    pub url: Option<String>,
    /// Class names in the order of the logits, such as the `classes` of a `train` step.
    #[serde(default)]
    pub classes: Vec<String>,
    /// How many of the likeliest classes to return.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 1000))]
    pub top_k: usize,
}

fn five() -> usize {
    5
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The likeliest class: its name, or its number if the names are unknown.
    pub class: String,
    /// Its softmax probability, 0 to 1.
    pub probability: f64,
    /// The likeliest classes, likeliest first.
    pub top: Vec<Likely>,
    /// The logits that the endpoint returned.
    pub vector: Vec<f64>,
    /// Seconds of the request.
    pub seconds: f64,
}

impl Kind for Predict {
    const NAME: &'static str = "predict";
    const ABOUT: &'static str = "invokes an endpoint with an image and reads the answer";
    const OWNS: bool = false;
    const BESIDE: bool = true;
    const ROWS: &'static [&'static str] = &["class", "probability", "vector", "seconds"];
    const READS: Reads = Reads::Results;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        match self.image.is_some() == self.url.is_some() {
            true => vec![Problem::at("image", "give one of `image` and `url`")],
            false => Vec::new(),
        }
    }

    fn locals(fields: &Value) -> Vec<Local> {
        Local::of(fields, "image", LocalForm::File).into_iter().collect()
    }

    fn files(&self) -> Vec<String> {
        self.image.iter().cloned().collect()
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let (content_type, body) = match (&self.image, &self.url) {
            (Some(image), _) => read_image(context.paths, image).await?,
            (None, url) => {
                let url = presigned(context.aws(), url.as_deref().unwrap_or_default()).await?;
                ("application/json", json!({ "url": url }).to_string().into_bytes())
            }
        };
        let answer = invoke_endpoint(context.aws(), &self.endpoint.0, content_type, body.clone()).await;
        let answer = answer.map_err(with_way_out)?;
        let vector = read(&answer.body)?;
        if !self.classes.is_empty() && self.classes.len() != vector.len() {
            let message = format!(
                "the endpoint answered {} for {}",
                counted(vector.len(), "logit"),
                counted(self.classes.len(), "class")
            );
            return Err(Failure::new("BadPrediction", message)
                .hint("are `classes` those of the model that it serves?"));
        }
        let top = likeliest(&vector, &self.classes, self.top_k);
        let likeliest = top
            .first()
            .cloned()
            .ok_or_else(|| Failure::new("BadPrediction", "the endpoint answered no logits"))?;
        let sent = match &self.image {
            Some(image) => Sent::keep(context, image, &body, &self.classes)?,
            None => None,
        };
        let caption = format!("Prediction of {}", self.endpoint.0);
        let figures = vec![Figure::drawn(caption, Drawing::Bars(bars(&top, sent)))];
        let summary: Vec<String> =
            top.iter().map(|one| format!("{} {:.1} %", one.class, one.probability * 100.0)).collect();
        let (class, probability) = (likeliest.class, likeliest.probability);
        let outputs = Outputs { class, probability, top, vector, seconds: answer.seconds };
        Ok(Done::new(outputs, summary.join(", ")).figures(figures))
    }
}

/// Adds a hint to an endpoint's refusal to fetch a URL.
fn with_way_out(failure: Failure) -> Failure {
    match failure.message.contains("this endpoint may not fetch from") {
        true => failure.hint(
            "the `image_origins` of its `deploy` step say from where it may: for an object, `s3://BUCKET`",
        ),
        false => failure,
    }
}

/// Returns the content type and the bytes of an image file.
pub(super) async fn read_image(paths: &Paths, image: &str) -> Outcome<(&'static str, Vec<u8>)> {
    let path = paths.resolve(image)?;
    let size = std::fs::metadata(&path).map_err(|error| Failure::file(&path, error))?.len();
    if size > MAX_BODY {
        let message = format!("is {size} bytes, and an endpoint takes {MAX_BODY} at most");
        return Err(Failure::file(&path, message));
    }
    let body = tokio::fs::read(&path).await.map_err(|error| Failure::file(&path, error))?;
    match opsml_contract::image_type(&body) {
        Some(content_type) => Ok((content_type, body)),
        None => Err(Failure::file(&path, "is no image that can be read: send a JPEG or PNG")),
    }
}

/// Reads `[[logit, …]]`, the response of the endpoint.
fn read(body: &[u8]) -> Outcome<Vec<f64>> {
    let shown = || String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
    match serde_json::from_slice::<Vec<Vec<f64>>>(body) {
        Ok(rows) if rows.len() == 1 => Ok(rows.into_iter().flatten().collect()),
        _ => Err(Failure::new("BadPrediction", format!("the endpoint answered no [[logits]]: {}", shown()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_row_of_logits_is_a_prediction() {
        assert_eq!(read(b"[[1, 2.5]]").unwrap(), [1.0, 2.5]);
        for wrong in [&b"body"[..], b"[1,2]", b"[[1],[2]]", b"[[\"<b>\"]]", b"\xff"] {
            assert_eq!(read(wrong).unwrap_err().code, "BadPrediction");
        }
    }
}
