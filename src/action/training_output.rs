//! What the worker leaves in a training job's `output.tar.gz`: the metrics of each epoch, and what became of the test images.

use std::io::{BufRead, BufReader, Read};

use flate2::read::GzDecoder;
use opsml_contract::{
    EpochMetrics, MAX_MISTAKES, METRICS_FILE, MetricLine, RESOURCES_FILE, ResourceSample, SetupMetrics,
    TESTED_FILE, TestMetrics, Tested, worded,
};
use serde::de::DeserializeOwned;

use crate::aws::{Aws, failure, present};
use crate::failure::{Failure, Outcome};
use crate::resource::split_uri;

/// The most bytes of the archive. The worker writes only text.
const MAX_BYTES: u64 = 64 << 20;
/// The most bytes of [`TESTED_FILE`], and the most cells of the confusion matrix: 133 classes that are all taken for each
/// other have 17,689.
const MAX_TESTED: u64 = 4 << 20;
const MAX_CELLS: usize = 20_000;
/// The most images of a cell.
const MAX_IMAGES: u64 = 1_000_000_000;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingOutput {
    pub setup: Option<SetupMetrics>,
    pub epochs: Vec<EpochMetrics>,
    pub test: Option<TestMetrics>,
    /// CPU and memory over time.
    pub resources: Vec<ResourceSample>,
    /// What became of the test images.
    pub tested: Option<Tested>,
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

/// Reads what became of the test images. It is for figures alone: what is too large or makes no sense is left out.
fn tested(file: impl Read) -> Option<Tested> {
    let mut bytes = Vec::new();
    file.take(MAX_TESTED + 1).read_to_end(&mut bytes).ok()?;
    let mut tested: Tested = serde_json::from_slice(&bytes).ok()?;
    let count = tested.classes.len();
    let is_cell =
        |(truth, said, n): &(usize, usize, u64)| *truth < count && *said < count && *n <= MAX_IMAGES;
    tested.confusion.retain(is_cell);
    tested
        .mistakes
        .retain(|one| one.truth < count && one.predicted < count && (0.0..=1.0).contains(&one.confidence));
    tested.mistakes.truncate(MAX_MISTAKES);
    Some(tested).filter(|tested| (1..=MAX_CELLS).contains(&tested.confusion.len()))
}

fn read(archive: &[u8]) -> std::io::Result<TrainingOutput> {
    let mut output = TrainingOutput::default();
    let mut archive = tar::Archive::new(GzDecoder::new(archive).take(MAX_BYTES));
    for entry in archive.entries()? {
        let entry = entry?;
        let name = entry.path()?.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == TESTED_FILE {
            output.tested = tested(entry);
            continue;
        }
        let lines = BufReader::new(entry).lines();
        match name.as_str() {
            METRICS_FILE => {
                for line in lines {
                    match of_line(&line?)? {
                        MetricLine::Setup(setup) => output.setup = Some(setup),
                        MetricLine::Epoch(epoch) => output.epochs.push(epoch),
                        MetricLine::Test(test) => output.test = Some(test),
                    }
                }
            }
            RESOURCES_FILE => {
                for line in lines {
                    output.resources.push(of_line(&line?)?);
                }
            }
            _ => {}
        }
    }
    Ok(output)
}

fn of_line<T: DeserializeOwned>(line: &str) -> std::io::Result<T> {
    serde_json::from_str(line).map_err(|error| std::io::Error::other(worded(&error)))
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::{Value, json};

    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            // As the archive of a hostile container: `append_data` would refuse such a name.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            archive.append(&header, *bytes).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap()
    }

    fn tested_of(json: &Value) -> Option<Tested> {
        read(&archive(&[("../../x/tested.json", json.to_string().as_bytes())])).unwrap().tested
    }

    #[test]
    fn what_makes_no_sense_of_the_test_images_is_left_out() {
        let mistake = |truth: u64, confidence: f64| json!({"file": "f", "truth": truth, "predicted": 0, "confidence": confidence, "thumbnail": null});
        let tested = tested_of(&json!({
            "classes": ["a", "b"],
            "confusion": [[0, 0, 5], [2, 0, 1], [0, 99, 1], [0, 1, u64::MAX]],
            "mistakes": [mistake(1, 0.5), mistake(7, 0.5), mistake(1, 9.0)],
        }));
        let tested = tested.unwrap();
        assert_eq!(tested.confusion, [(0, 0, 5)]);
        assert_eq!(tested.mistakes.len(), 1);
        let many =
            json!({"classes": ["a"], "confusion": [[0, 0, 1]], "mistakes": vec![mistake(0, 0.5); 500]});
        assert_eq!(tested_of(&many).unwrap().mistakes.len(), MAX_MISTAKES);
        for wrong in
            [json!([]), json!({"classes": [], "confusion": [], "mistakes": []}), json!({"classes": "a"})]
        {
            assert_eq!(tested_of(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn no_archive_takes_all_memory() {
        let huge = vec![b' '; MAX_TESTED as usize + 10];
        let output = read(&archive(&[("tested.json", &huge), ("metrics.jsonl", b"")])).unwrap();
        assert_eq!(output, TrainingOutput::default());
        assert!(read(&archive(&[("a", &vec![0; MAX_BYTES as usize])])).is_err(), "it is cut off");
    }
}
