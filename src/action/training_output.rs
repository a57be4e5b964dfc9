//! What the worker leaves in a training job's `output.tar.gz`: the metrics of each epoch.

use std::io::{BufRead, BufReader, Read};

use flate2::read::GzDecoder;
use opsml_contract::{
    EpochMetrics, METRICS_FILE, MetricLine, RESOURCES_FILE, ResourceSample, SetupMetrics, TestMetrics,
};

use crate::aws::{Aws, failure, present};
use crate::failure::{Failure, Outcome};
use crate::resource::split_uri;

/// The most bytes of the archive. The worker writes only text.
const MAX_BYTES: u64 = 64 << 20;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingOutput {
    pub setup: Option<SetupMetrics>,
    pub epochs: Vec<EpochMetrics>,
    pub test: Option<TestMetrics>,
    /// CPU and memory over time.
    pub resources: Vec<ResourceSample>,
}

impl TrainingOutput {
    /// The mean seconds of training in an epoch.
    pub fn epoch_seconds(&self) -> Option<f64> {
        let all: f64 = self.epochs.iter().map(|epoch| epoch.seconds).sum();
        (!self.epochs.is_empty()).then(|| all / self.epochs.len() as f64)
    }
}

/// Reads `OUTPUT_PATH/JOB/output/output.tar.gz`. Returns an empty output if the job left none, or did not run the worker.
pub async fn training_output(aws: &Aws, output_path: &str, job: &str) -> Outcome<TrainingOutput> {
    let (bucket, prefix) = split_uri(output_path)?;
    let prefix = prefix.trim_end_matches('/');
    let key = format!("{prefix}/{job}/output/output.tar.gz").trim_start_matches('/').to_owned();
    let object = aws.s3.get_object().bucket(&bucket).key(&key).send().await;
    let Some(object) = present(object.map_err(|error| failure("GetObject", error)))? else {
        return Ok(TrainingOutput::default());
    };
    let body = object
        .body
        .collect()
        .await
        .map_err(|error| Failure::new("Connection", format!("s3://{bucket}/{key}: {error}")))?;
    read(&body.into_bytes())
        .map_err(|error| Failure::new("InvalidOutput", format!("s3://{bucket}/{key}: {error}")))
}

fn read(archive: &[u8]) -> std::io::Result<TrainingOutput> {
    let mut output = TrainingOutput::default();
    let mut archive = tar::Archive::new(GzDecoder::new(archive).take(MAX_BYTES));
    for entry in archive.entries()? {
        let entry = entry?;
        let name = entry.path()?.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let lines = BufReader::new(entry).lines();
        match name.as_str() {
            METRICS_FILE => {
                for line in lines {
                    match serde_json::from_str(&line?)? {
                        MetricLine::Setup(setup) => output.setup = Some(setup),
                        MetricLine::Epoch(epoch) => output.epochs.push(epoch),
                        MetricLine::Test(test) => output.test = Some(test),
                    }
                }
            }
            RESOURCES_FILE => {
                for line in lines {
                    output.resources.push(serde_json::from_str(&line?)?);
                }
            }
            _ => {}
        }
    }
    Ok(output)
}
