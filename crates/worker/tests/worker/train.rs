//! `train`: repeatable, resumable, and clear about what is wrong.

use std::fs;

use opsml_contract::{MetricLine, ResourceSample, SetupMetrics};
use opsml_worker::precision::has_bf16;
use serde_json::json;
use tch::Device;

use crate::job::{Job, terminate, until};

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let run = |seed| {
        Job::new(json!({"epochs": 2, "seed": seed, "transform": "random_resized_crop"})).trained().metrics()
    };
    let first = run(1);
    assert_eq!(first.len(), 4, "setup, two epochs, test");
    assert_eq!(first, run(1));
    assert_ne!(first, run(2));
}

/// Returns the losses and accuracies of a job, and its line of setup.
fn scores(job: &Job) -> (Vec<f64>, SetupMetrics) {
    let (mut scores, mut setup) = (Vec::new(), None);
    for line in job.metrics() {
        match line {
            MetricLine::Setup(found) => setup = Some(found),
            MetricLine::Epoch(epoch) => {
                scores.extend([epoch.train_loss, epoch.valid_loss, epoch.valid_accuracy])
            }
            MetricLine::Test(test) => scores.extend([test.test_loss, test.test_accuracy]),
        }
    }
    (scores, setup.unwrap())
}

fn assert_close(one: &[f64], other: &[f64], apart: f64) {
    let close = one.len() == other.len() && one.iter().zip(other).all(|(a, b)| (a - b).abs() <= apart);
    assert!(close, "more than {apart} apart:\n{one:?}\n{other:?}");
}

#[test]
fn features_that_are_computed_once_train_the_same_head() {
    let trained = |transform, epochs| {
        let hyperparameters =
            json!({"fine_tune": "head", "epochs": epochs, "transform": transform, "learning_rate": 0.01});
        Job::new(hyperparameters).trained()
    };
    let (once, setup) = scores(&trained("resize", 3));
    assert_eq!((&*setup.features, &*setup.precision), ("once", "fp32"));
    // A job that flips its images computes their features in each epoch: it stays honest.
    let (flipped, setup) = scores(&trained("flip", 3));
    assert_eq!(setup.features, "each epoch");
    assert_ne!(once, flipped);
    // Killed after an epoch, it computes them again, and ends the same.
    let whole = trained("resize", 3);
    let short = trained("resize", 3);
    for number in 2..=3 {
        fs::remove_file(short.path(&format!("checkpoints/epoch-{number:06}.safetensors"))).unwrap();
    }
    assert_close(&scores(&short.trained()).0, &scores(&whole).0, 1e-6);
}

#[test]
fn bfloat16_is_as_good_and_a_resumed_job_keeps_it() {
    if !has_bf16(Device::Cpu) {
        let failure = Job::new(json!({"precision": "bf16"})).failure();
        assert!(failure.contains("this processor has no instructions for it"), "{failure}");
        return;
    }
    let trained = |fine_tune, epochs, precision| {
        let hyperparameters =
            json!({"fine_tune": fine_tune, "epochs": epochs, "seed": 1, "precision": precision});
        let (scores, setup) = scores(&Job::new(hyperparameters).trained());
        assert_eq!(setup.precision, precision);
        scores
    };
    assert_close(&trained("head", 2, "bf16"), &trained("head", 2, "fp32"), 0.05);
    // Where all weights learn, rounding leads each job its own way: they begin alike, and both learn.
    let [close, exact] = ["bf16", "fp32"].map(|precision| trained("full", 10, precision));
    assert_close(&close[..1], &exact[..1], 0.1);
    for scores in [close, exact] {
        let [.., last_loss, _, _, _, _] = scores[..] else { panic!() };
        assert!(scores[0] > 0.3 && last_loss < 0.1, "{scores:?}");
    }
    // What was begun in bfloat16 goes on in it, whatever a probe would choose.
    let job = Job::new(json!({"epochs": 2, "precision": "auto"})).trained();
    let first = scores(&job);
    assert!(["fp32", "bf16"].contains(&&*first.1.precision), "{:?}", first.1);
    let resumed = scores(&job.trained());
    assert_eq!((resumed.0, resumed.1.precision), (first.0, first.1.precision));
}

#[test]
fn a_gpu_that_is_not_there_is_named_before_any_work() {
    let job = Job::new(json!({"epochs": 1, "device": "cpu"})).trained();
    assert_eq!(scores(&job).1.device, "cpu");
    if tch::Cuda::is_available() {
        return;
    }
    job.configure(json!({"device": "auto"}));
    let job = job.trained();
    assert_eq!(scores(&job).1.device, "cpu");
    job.configure(json!({"device": "cuda"}));
    fs::remove_dir_all(job.data()).unwrap();
    assert!(job.failure().contains("device is cuda, and"));
}

#[test]
fn a_jobs_use_of_the_machine_is_recorded() {
    let job = Job::new(json!({"epochs": 1})).trained();
    let text = fs::read_to_string(job.path("output/data/resources.jsonl")).unwrap();
    let samples: Vec<ResourceSample> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(samples.is_sorted_by(|one, next| one.seconds <= next.seconds), "{samples:?}");
    let last = samples.last().expect("there is one at the end, however short the job");
    // libtorch alone takes more memory than that, and training keeps a core busy.
    assert!(last.memory_bytes > 50 << 20, "{samples:?}");
    assert!(samples.iter().any(|sample| sample.cpu_percent > 1.0), "{samples:?}");
}

#[test]
fn what_became_of_the_test_images_is_told() {
    let job = Job::new(json!({"epochs": 1, "learning_rate": 1e-9})).trained();
    let tested = job.tested();
    assert_eq!(tested.classes, ["bright", "dark"]);
    let sum = |is: fn(usize, usize) -> bool| -> u64 {
        tested.confusion.iter().filter(|(truth, said, _)| is(*truth, *said)).map(|(.., n)| n).sum()
    };
    let Some(MetricLine::Test(test)) = job.metrics().pop() else { panic!() };
    assert_eq!(sum(|_, _| true), 6);
    assert!((sum(|truth, said| truth == said) as f64 / 6.0 - test.test_accuracy).abs() < 1e-9, "{test:?}");
    // It has learnt nothing, so it is wrong of one class at least.
    assert_eq!(tested.mistakes.len() as u64, sum(|truth, said| truth != said));
    assert!(tested.mistakes.is_sorted_by(|one, next| one.confidence >= next.confidence), "{tested:?}");
    for mistake in &tested.mistakes {
        assert!(job.data().join(&mistake.file).is_file() && mistake.thumbnail.is_some(), "{mistake:?}");
        assert!(mistake.file.starts_with(&format!("test/{}/", tested.classes[mistake.truth])), "{mistake:?}");
    }
}

#[test]
fn a_killed_job_resumes_and_ends_as_if_it_had_not_been() {
    let hyperparameters = json!({"epochs": 6, "learning_rate": 0.0005, "schedule": "cosine"});
    let whole = Job::new(hyperparameters.clone()).trained();
    let killed = Job::new(hyperparameters);
    let mut child = killed.command("train").spawn().unwrap();
    until("the first checkpoint", || {
        killed.path("checkpoints/epoch-000001.safetensors").exists().then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!killed.path("model/classes.json").exists(), "it was killed too late, after it had ended");

    let killed = killed.trained();
    let (resumed, uninterrupted) = (killed.metrics(), whole.metrics());
    let MetricLine::Setup(setup) = &resumed[0] else { panic!("{resumed:?}") };
    assert!(setup.resumed_epochs >= 1);
    assert_eq!(resumed[1..], uninterrupted[1..]);
    let weights = |job: &Job| fs::read(job.path("model/model.safetensors")).unwrap();
    assert!(weights(&killed) == weights(&whole), "the weights differ");

    // Another job in the same folder doesn't use its checkpoints.
    killed.configure(json!({"epochs": 1, "seed": 7}));
    let resumed = |job: &Job| match &job.metrics()[0] {
        MetricLine::Setup(setup) => setup.resumed_epochs,
        other => panic!("{other:?}"),
    };
    let mut job = killed.trained();
    assert_eq!(resumed(&job), 0);
    // Neither does a job whose images have changed, though their names and lengths have not. PNG ignores what follows.
    let image = job.data().join("train/dark/00.png");
    let picture = fs::read(&image).unwrap();
    for (byte, epochs) in [(0, 0), (0, 1), (1, 0)] {
        fs::write(&image, [&picture[..], &[byte]].concat()).unwrap();
        job = job.trained();
        assert_eq!(resumed(&job), epochs, "{byte}");
    }
}

#[test]
fn sigterm_stops_at_the_next_batch_and_keeps_the_checkpoint() {
    let job = Job::new(json!({"epochs": 1000}));
    let mut child = job.command("train").spawn().unwrap();
    until("the first checkpoint", || job.path("checkpoints/epoch-000001.safetensors").exists().then_some(()));
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(fs::read_dir(job.path("checkpoints")).unwrap().count() >= 1);
    assert!(!job.path("output/failure").exists());
}

#[test]
fn a_head_is_trained_on_a_frozen_backbone_from_an_earlier_model() {
    let first = Job::new(json!({"epochs": 1})).trained();
    let second = Job::new(json!({"epochs": 1, "fine_tune": "head", "head_hidden": 16}));
    fs::create_dir_all(second.path("input/data/weights")).unwrap();
    fs::copy(first.path("model/model.pth"), second.path("input/data/weights/model.pth")).unwrap();
    let output = second.train();
    let log = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && log.contains("it starts afresh"), "{output:?}");
    let backbone = |job: &Job| {
        let bytes = fs::read(job.path("model/model.safetensors")).unwrap();
        let mut state = opsml_worker::state_dict::from_safetensors(&bytes).unwrap();
        state.retain(|(name, _)| !name.starts_with("fc."));
        state
    };
    assert!(backbone(&first) == backbone(&second), "the backbone moved");

    // A checkpoint has the head alone: the rest is in the weights, with which the job begins again.
    second.configure(json!({"epochs": 2, "fine_tune": "head", "head_hidden": 16}));
    let second = second.trained();
    let newest = second.path("checkpoints/epoch-000002.safetensors");
    assert!(fs::metadata(&newest).unwrap().len() < 1 << 20);
    let (whole, model) = (second.metrics(), fs::read(second.path("model/model.safetensors")).unwrap());
    fs::remove_file(newest).unwrap();
    let second = second.trained();
    let MetricLine::Setup(setup) = &second.metrics()[0] else { panic!() };
    assert_eq!((setup.resumed_epochs, &second.metrics()[1..]), (1, &whole[1..]));
    assert!(fs::read(second.path("model/model.safetensors")).unwrap() == model);

    second.configure(json!({"epochs": 1, "weights_sha256": "0".repeat(64)}));
    assert!(second.failure().contains("weights_sha256"));
    second.configure(json!({"arch": "resnet34"}));
    assert!(second.failure().contains("layer1.2.bn1.bias is missing"));
}

#[test]
fn what_is_wrong_with_the_data_is_named() {
    let job = Job::new(json!({"epochs": 1}));
    let broken = job.data().join("test/dark/broken.png");
    let whole = fs::read(job.data().join("test/dark/00.png")).unwrap();
    fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    assert!(job.failure().contains("test/dark/broken.png"));
    fs::write(&broken, "no image").unwrap();
    assert!(job.failure().contains("not JPEG, PNG"));
    fs::remove_file(&broken).unwrap();

    fs::create_dir(job.data().join("valid/grey")).unwrap();
    assert!(job.failure().contains("`grey` is in valid/ and not in train/"));
    fs::create_dir(job.data().join("train/grey")).unwrap();
    fs::create_dir(job.data().join("test/grey")).unwrap();
    assert!(job.failure().contains("the class train/grey has no image"));
    fs::remove_dir(job.data().join("train/grey")).unwrap();
    fs::remove_dir_all(job.data().join("valid")).unwrap();
    assert!(job.failure().contains("there is no valid/"));
    fs::remove_dir_all(job.data()).unwrap();
    assert!(job.failure().contains("no channel \"training\""));
}

#[test]
fn what_is_wrong_with_the_hyperparameters_is_named() {
    let job = Job::new(json!({"epochs": 0}));
    assert!(job.failure().contains("`epochs`"));
    job.configure(json!({"batch_size": 1}));
    assert!(job.failure().contains("raise batch_size"));
    job.configure(json!({"optimizer": "sgd", "learning_rate": 1e30}));
    assert!(job.failure().contains("lower learning_rate"));
}
