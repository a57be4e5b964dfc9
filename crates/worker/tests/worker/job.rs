//! A job: its folder tree with a small dataset, and the program that runs on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use opsml_contract::{MetricLine, Tested};
use tempfile::TempDir;

pub struct Job {
    folder: TempDir,
}

impl Job {
    /// Two classes that differ in colour. Each has 10 images for training, 3 for validation and 3 for the test.
    pub fn new(hyperparameters: serde_json::Value) -> Self {
        let job = Self { folder: tempfile::tempdir().unwrap() };
        for (split, count) in [("train", 10), ("valid", 3), ("test", 3)] {
            for (class, shade) in [("bright", 200), ("dark", 30)] {
                fs::create_dir_all(job.data().join(split).join(class)).unwrap();
                for index in 0..count {
                    let path = job.data().join(split).join(class).join(format!("{index:02}.png"));
                    write_image(&path, 28, shade + 2 * index);
                }
            }
        }
        job.configure(hyperparameters);
        job
    }

    /// Sets hyperparameters. Unless they are among them, network and image size are the smallest, and the precision is fixed:
    /// a probe may choose otherwise from job to job.
    pub fn configure(&self, hyperparameters: serde_json::Value) {
        let mut all = serde_json::json!({
            "image_size": "32", "batch_size": "8", "transform": "flip", "precision": "fp32",
        });
        for (name, value) in hyperparameters.as_object().unwrap() {
            all[name] = value.to_string().trim_matches('"').into();
        }
        fs::create_dir_all(self.path("input/config")).unwrap();
        fs::write(self.path("input/config/hyperparameters.json"), all.to_string()).unwrap();
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    pub fn data(&self) -> PathBuf {
        self.path("input/data/training")
    }

    pub fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_opsml-worker"));
        command.arg(subcommand).env("SAGEMAKER_BASE_DIR", self.folder.path());
        // Tests run at the same time. Threads of one job that wait for each other lose much time where cores are
        // shared.
        command.env("OMP_NUM_THREADS", "1").stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn train(&self) -> Output {
        self.command("train").output().unwrap()
    }

    /// Trains, and fails the test if training fails.
    pub fn trained(self) -> Self {
        let output = self.train();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self
    }

    /// Trains, which must fail, and returns the reason that was written for SageMaker.
    pub fn failure(&self) -> String {
        let output = self.train();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        fs::read_to_string(self.path("output/failure")).unwrap()
    }

    /// Returns what became of the test images.
    pub fn tested(&self) -> Tested {
        serde_json::from_slice(&fs::read(self.path("output/data/tested.json")).unwrap()).unwrap()
    }

    /// Returns the metrics, without their times.
    pub fn metrics(&self) -> Vec<MetricLine> {
        let text = fs::read_to_string(self.path("output/data/metrics.jsonl")).unwrap();
        let timeless = |line: &str| {
            let mut line: MetricLine = serde_json::from_str(line).unwrap();
            match &mut line {
                MetricLine::Setup(setup) => setup.seconds = 0.0,
                MetricLine::Epoch(epoch) => (epoch.seconds, epoch.images_per_second) = (0.0, 0.0),
                MetricLine::Test(test) => test.seconds = 0.0,
            }
            line
        };
        text.lines().map(timeless).collect()
    }
}

/// Writes an image with a gradient, so that flips and crops change it.
pub fn write_image(path: &Path, size: u32, shade: u8) {
    let pixel =
        |x: u32, y: u32| image::Rgb([shade, shade.wrapping_add(x as u8), shade.wrapping_add(2 * y as u8)]);
    image::RgbImage::from_fn(size, size, pixel).save(path).unwrap();
}

/// Waits until `ready` returns something. Fails the test after three minutes, which a busy machine may need.
pub fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(started.elapsed() < Duration::from_secs(180), "{what}: not within three minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn terminate(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}
