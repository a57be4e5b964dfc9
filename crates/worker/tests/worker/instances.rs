//! A job of several instances: the same model as on one, and an end on all when it ends on any.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use opsml_contract::{MetricLine, Tested};
use opsml_worker::precision::has_bf16;
use serde_json::json;
use tch::Device;

use crate::cluster::{Cluster, Processes};
use crate::job::{Job, terminate, until};

/// Returns the losses and accuracies of a job, in order.
fn scores(job: &Job) -> Vec<f64> {
    let values = |line: MetricLine| match line {
        MetricLine::Setup(_) => vec![],
        MetricLine::Epoch(m) => vec![m.train_loss, m.train_accuracy, m.valid_loss, m.valid_accuracy],
        MetricLine::Test(m) => vec![m.test_loss, m.test_accuracy],
    };
    job.metrics().into_iter().flat_map(values).collect()
}

#[track_caller]
fn close(one: &[f64], other: &[f64], tolerance: f64) {
    assert_eq!(one.len(), other.len());
    let differ = one.iter().zip(other).any(|(a, b)| (a - b).abs() > tolerance);
    assert!(!differ, "more than {tolerance} apart:\n{one:?}\n{other:?}");
}

/// While only the head is trained, batch norm is in eval mode. Two instances then take the same steps as one instance
/// with twice the batch size. Only the order in which float32 values are added differs.
#[test]
fn two_instances_learn_a_head_as_one_does() {
    let settings = |batch| json!({"epochs": 3, "fine_tune": "head", "head_hidden": 16, "batch_size": batch, "learning_rate": 0.01});
    // Five images for validation and five for the test can't be divided evenly.
    let uneven = |job: Job| {
        for split in ["valid", "test"] {
            fs::remove_file(job.data().join(split).join("dark/00.png")).unwrap();
        }
        job
    };
    let one = uneven(Job::new(settings(8))).trained();
    let two = Cluster::of((0..2).map(|_| uneven(Job::new(settings(4)))).collect());
    two.train();
    close(&scores(&one), &scores(&two.jobs[0]), 1e-5);
    // The first instance tells of the images of both.
    let (alone, together) = (one.tested(), two.jobs[0].tested());
    assert_eq!(alone.confusion, together.confusion);
    let files = |tested: &Tested| -> BTreeSet<String> {
        tested.mistakes.iter().map(|one| one.file.clone()).collect()
    };
    assert_eq!(files(&alone), files(&together));
    assert!(!two.jobs[1].path("output/data/tested.json").exists());
    let MetricLine::Setup(setup) = &two.jobs[0].metrics()[0] else { panic!() };
    assert_eq!((setup.train_images, setup.valid_images, setup.test_images), (20, 5, 5));
}

/// While all weights are trained, batch norm normalises by each instance's own batch, as in PyTorch's
/// DistributedDataParallel. So the losses are near, not equal. Before the first step, only the statistics differ: of
/// twice 8 images, and of 16.
#[test]
fn two_instances_learn_all_weights_nearly_as_one_does() {
    for precision in ["fp32", "bf16"].into_iter().take(if has_bf16(Device::Cpu) { 2 } else { 1 }) {
        let settings = |batch| json!({"epochs": 4, "batch_size": batch, "learning_rate": 0.0005, "precision": precision});
        let one = Job::new(settings(20)).trained();
        let two = Cluster::new(2, &settings(10));
        two.train();
        let train_losses =
            |job: &Job| -> Vec<f64> { scores(job).chunks_exact(4).map(|epoch| epoch[0]).collect() };
        close(&train_losses(&one), &train_losses(&two.jobs[0]), 0.05);
    }
}

#[test]
fn each_instance_says_its_share_and_only_the_first_writes() {
    let three = Cluster::new(3, &json!({"epochs": 1, "batch_size": 3}));
    let logs = three.train();
    // Three instances share 20 images, of which one is used twice, so that each has 7. Of 6 images, each has 2.
    for (rank, log) in logs.iter().enumerate() {
        let name = format!("rank {rank} of 3 (algo-{})", rank + 1);
        let share = "7 of 20 training images, 2 of 6 to validate with, 2 of 6 to test with";
        assert!(log.contains(&format!("{name}: {share}")), "{log}");
        assert_eq!(log.contains("train_loss="), rank == 0, "{log}");
        let job = &three.jobs[rank];
        for written in ["model/model.pth", "output/data/metrics.jsonl", "checkpoints"] {
            assert_eq!(job.path(written).exists(), rank == 0, "{written} of rank {rank}");
        }
        assert!(job.path("output/data/resources.jsonl").exists());
    }
}

#[test]
fn a_job_of_two_resumes_from_the_first_ones_checkpoint() {
    let settings = json!({"epochs": 6, "learning_rate": 0.0005, "schedule": "cosine"});
    let whole = Cluster::new(2, &settings);
    whole.train();
    let killed = Cluster::new(2, &settings);
    let mut children = killed.spawn_all();
    let checkpoint = killed.jobs[0].path("checkpoints/epoch-000001.safetensors");
    until("the first checkpoint", || checkpoint.exists().then_some(()));
    for child in &mut children.0 {
        child.kill().unwrap();
    }
    children.end();
    assert!(
        !killed.jobs[0].path("model/classes.json").exists(),
        "it was killed too late, after it had ended"
    );

    killed.train();
    let (resumed, uninterrupted) = (killed.jobs[0].metrics(), whole.jobs[0].metrics());
    let MetricLine::Setup(setup) = &resumed[0] else { panic!("{resumed:?}") };
    assert!(setup.resumed_epochs >= 1);
    assert_eq!(resumed[1..], uninterrupted[1..]);
    let weights = |cluster: &Cluster| fs::read(cluster.jobs[0].path("model/model.safetensors")).unwrap();
    assert!(weights(&killed) == weights(&whole), "the weights differ");
}

/// Starts an endless job, and returns its processes once the first epoch has ended.
fn endless(cluster: &Cluster) -> Processes {
    let children = cluster.spawn_all();
    let checkpoint = cluster.jobs[0].path("checkpoints/epoch-000001.safetensors");
    until("the first checkpoint", || checkpoint.exists().then_some(()));
    children
}

#[test]
fn a_killed_instance_ends_the_others_within_seconds() {
    for victim in [0, 2] {
        let three = Cluster::new(3, &json!({"epochs": 1000}));
        let mut children = endless(&three);
        children.0[victim].kill().unwrap();
        let killed = Instant::now();
        let outputs = children.end();
        assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
        for rank in (0..3).filter(|rank| *rank != victim) {
            assert_eq!(outputs[rank].status.code(), Some(1), "{:?}", outputs[rank]);
            let failure = three.failure(rank).unwrap();
            assert!(failure.contains(&format!("rank {rank} of 3")), "{failure}");
            assert!(
                failure.contains("lost the other instances (") && failure.contains("onnection"),
                "{failure}"
            );
        }
    }
}

#[test]
fn sigterm_for_one_stops_all() {
    let two = Cluster::new(2, &json!({"epochs": 1000}));
    let children = endless(&two);
    terminate(&children.0[1]);
    for (rank, output) in children.end().into_iter().enumerate() {
        assert_eq!(output.status.code(), Some(143), "{output:?}");
        assert_eq!(two.failure(rank), None);
    }
}

#[test]
fn sigterm_ends_the_wait_for_an_instance_that_never_comes() {
    let two = Cluster::new(2, &json!({}));
    for rank in 0..2 {
        let child = Processes(vec![two.spawn(rank)]);
        // Its second thread, after the recorder's, shows that it waits for the other instance.
        let tasks = format!("/proc/{}/task", child.0[0].id());
        until("the wait", || (fs::read_dir(&tasks).unwrap().count() > 2).then_some(()));
        terminate(&child.0[0]);
        let output = child.end().remove(0);
        assert_eq!(output.status.code(), Some(143), "{output:?}");
    }
}

#[test]
fn a_fault_on_one_instance_ends_all_and_is_reported() {
    let diverges = Cluster::new(2, &json!({"optimizer": "sgd", "learning_rate": 1e30}));
    diverges.spawn_all().end();
    for rank in 0..2 {
        let failure = diverges.failure(rank).unwrap();
        assert!(failure.contains("lower learning_rate"), "{failure}");
    }

    let differ = Cluster::new(2, &json!({"epochs": 1}));
    fs::remove_file(differ.jobs[1].data().join("train/dark/00.png")).unwrap();
    differ.spawn_all().end();
    let failure = differ.failure(1).unwrap();
    assert!(failure.contains("FullyReplicated") && failure.contains("rank 1 of 2 (algo-2)"), "{failure}");
    assert!(differ.failure(0).unwrap().contains("lost the other instances"));

    let broken = Cluster::new(2, &json!({"epochs": 1}));
    for job in &broken.jobs {
        // The second of the images to validate with is in the second instance's part.
        fs::write(job.data().join("valid/bright/01.png"), "no image").unwrap();
    }
    let mut children = broken.spawn_all();
    until("the end of the other", || children.0[0].try_wait().unwrap());
    // The instance with the fault writes its reason before the others end, whose own failure is only a consequence.
    assert!(broken.failure(1).unwrap().contains("not JPEG, PNG"));
    children.end();
    assert!(broken.failure(0).unwrap().contains("lost the other instances"));

    let stranger = Cluster::new(2, &json!({"epochs": 1}));
    let config = stranger.jobs[0].path("input/config/resourceconfig.json");
    fs::write(config, json!({"current_host": "algo-9", "hosts": ["algo-1", "algo-2"]}).to_string()).unwrap();
    assert!(stranger.jobs[0].failure().contains("algo-9"));
}
