//! Features that jobs share through S3: read where they are the same, and computed in every other case.

use std::collections::BTreeSet;
use std::fs;

use axum::http::Method;
use opsml_contract::MetricLine;
use opsml_worker::precision::has_bf16;
use serde_json::{Value, json};
use tch::Device;

use crate::bucket::{Bucket, log};
use crate::cluster::Cluster;
use crate::job::{Job, write_image};

/// Returns hyperparameters of a job that trains a head on images that are always the same, and shares their features.
fn settings(bucket: &Bucket, more: Value) -> Value {
    let mut all = json!({
        "fine_tune": "head", "transform": "resize", "epochs": 2, "learning_rate": 0.01, "features": bucket.place(),
    });
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    all
}

/// Returns how a job came to its features, and all that it measured.
fn measured(job: &Job) -> (String, Vec<MetricLine>) {
    let mut lines = job.metrics();
    let MetricLine::Setup(setup) = lines.remove(0) else { panic!("{lines:?}") };
    (setup.features, lines)
}

#[test]
fn a_later_job_reads_what_an_earlier_one_has_computed_and_learns_the_same() {
    let bucket = Bucket::serve();
    let alone = Job::new(settings(&bucket, json!({"features": "s3://not-here/x"}))).trained();
    let first = Job::new(settings(&bucket, json!({})));
    let said = bucket.train(&first);
    assert_eq!(
        said.matches("images were computed, and left at s3://shared-bucket/some features/").count(),
        3,
        "{said}"
    );
    assert_eq!(measured(&first).0, "once");
    assert_eq!(measured(&first).1, measured(&alone).1);

    let kept = bucket.objects();
    assert_eq!(kept.len(), 3);
    let second = Job::new(settings(&bucket, json!({})));
    let said = bucket.train(&second);
    assert_eq!(said.matches("images were read from s3://shared-bucket/some features/").count(), 3, "{said}");
    let (features, lines) = measured(&second);
    assert!(features.starts_with("read from s3://shared-bucket/some features/"), "{features}");
    assert_eq!(lines, measured(&first).1, "the same values learn the same, bit by bit");
    assert!(bucket.objects() == kept);

    // What only concerns the head is of no matter to the features.
    let other =
        json!({"learning_rate": 0.02, "batch_size": 4, "head_hidden": 8, "epochs": 1, "optimizer": "sgd"});
    let third = Job::new(settings(&bucket, other));
    bucket.train(&third);
    assert_eq!(measured(&third).0, features);
}

#[test]
fn other_images_weights_sizes_and_precisions_have_other_features() {
    let bucket = Bucket::serve();
    let names = || bucket.objects().into_keys().collect::<BTreeSet<_>>();
    let job = Job::new(settings(&bucket, json!({})));
    bucket.train(&job);
    let mut known = names();
    // Returns how many objects another job adds.
    let mut added = |job: &Job| {
        bucket.train(job);
        let now = names();
        let added = now.difference(&known).count();
        known.extend(now);
        added
    };
    assert_eq!(added(&Job::new(settings(&bucket, json!({"image_size": 48})))), 3);
    // Without weights, the seed makes the backbone.
    assert_eq!(added(&Job::new(settings(&bucket, json!({"seed": 2})))), 3);
    let probed = added(&Job::new(settings(&bucket, json!({"precision": "auto"}))));
    match has_bf16(Device::Cpu) {
        false => assert_eq!(probed, 3),
        // Whether bfloat16 agrees is asked of the first validation images, if it was chosen. A job in it finds these, then.
        true => {
            let others = added(&Job::new(settings(&bucket, json!({"precision": "bf16"}))));
            assert!([(3, 3), (4, 2)].contains(&(probed, others)), "{probed}, {others}");
        }
    }
    // One image of one split is another, and all else stays.
    let changed = Job::new(settings(&bucket, json!({})));
    write_image(&changed.data().join("train/dark/03.png"), 28, 77);
    assert_eq!(added(&changed), 1);
    let renamed = Job::new(settings(&bucket, json!({})));
    let folder = renamed.data().join("valid/bright");
    fs::rename(folder.join("02.png"), folder.join("03.png")).unwrap();
    assert_eq!(added(&renamed), 1);
    // Flipped images are new in each epoch. The images that are only looked at are not.
    let flipped = Job::new(settings(&bucket, json!({"transform": "flip"})));
    assert_eq!(added(&flipped), 0);
    assert_eq!(measured(&flipped).0, "each epoch");
}

#[test]
fn what_was_chosen_by_a_probe_is_not_probed_again() {
    let bucket = Bucket::serve();
    let jobs = [0, 1].map(|_| Job::new(settings(&bucket, json!({"precision": "auto"}))));
    let [first, second] = [&jobs[0], &jobs[1]].map(|job| bucket.train(job));
    assert!(second.contains("as asked, begun or read"), "{second}");
    assert!(!second.contains("were computed"), "{second}");
    let [one, other] = [&jobs[0], &jobs[1]].map(|job| job.metrics());
    let precision = |lines: &[MetricLine]| match &lines[0] {
        MetricLine::Setup(setup) => setup.precision.clone(),
        line => panic!("{line:?}"),
    };
    assert_eq!(precision(&one), precision(&other), "{first}");
    assert_eq!(one[1..], other[1..]);
    let manifest = |job: &Job| fs::read(job.path("model/classes.json")).unwrap();
    assert_eq!(manifest(&jobs[0]), manifest(&jobs[1]));
}

#[test]
fn what_is_broken_is_computed_again_and_replaced() {
    let bucket = Bucket::serve();
    let whole = Job::new(settings(&bucket, json!({})));
    bucket.train(&whole);
    let kept = bucket.objects();
    type Break = fn(&mut Vec<u8>);
    let breaks: [(&str, Break); 5] = [
        ("too large", |content| content.resize(10 << 20, 0)),
        ("cut off", |content| content.truncate(content.len() / 2)),
        ("another value", |content| *content.last_mut().unwrap() ^= 1),
        ("no features", |content| *content = b"{\"a\": 1}".to_vec()),
        ("nothing", Vec::clear),
    ];
    for (what, change) in breaks {
        bucket.change(change);
        let job = Job::new(settings(&bucket, json!({})));
        let said = bucket.train(&job);
        assert_eq!(said.matches("isn't used, so the features are computed").count(), 3, "{what}: {said}");
        assert_eq!(measured(&job).0, "once", "{what}");
        assert_eq!(measured(&job).1, measured(&whole).1, "{what}");
        assert!(bucket.objects() == kept, "{what}");
    }
    // Another job's features under this job's name are not those that it asks for.
    bucket.clear();
    bucket.train(&Job::new(settings(&bucket, json!({}))));
    let foreign = bucket.objects().into_values().next().unwrap();
    bucket.change(|content| content.clone_from(&foreign));
    let job = Job::new(settings(&bucket, json!({})));
    assert!(bucket.train(&job).contains("isn't used"));
    assert_eq!(measured(&job).1, measured(&whole).1);
}

#[test]
fn a_job_that_may_not_or_can_not_computes() {
    let bucket = Bucket::serve();
    let whole = Job::new(settings(&bucket, json!({})));
    bucket.train(&whole);
    let computes = |job: &Job, said: &str, why: &[(&str, usize)]| {
        for (why, times) in why {
            assert_eq!(said.matches(why).count(), *times, "{why}: {said}");
        }
        assert_eq!(measured(job).0, "once");
        assert_eq!(measured(job).1, measured(&whole).1);
    };
    let job = || Job::new(settings(&bucket, json!({})));
    let denied = "S3 answered with status 403, AccessDenied";

    // It may neither read nor write: each is said once.
    bucket.refuse(&[Method::GET, Method::PUT]);
    let refused = job();
    computes(&refused, &bucket.train(&refused), &[(denied, 2), ("can't be read", 1), ("can't be left", 1)]);
    // It may write alone. S3 refuses to read what isn't there if a role may not list.
    bucket.refuse(&[Method::GET]);
    bucket.clear();
    let writes = job();
    computes(&writes, &bucket.train(&writes), &[(denied, 1), ("and left at", 3)]);
    bucket.refuse(&[]);
    // One object that is refused doesn't keep the others from being read.
    bucket.refuse_one();
    let reads = job();
    assert_eq!(bucket.train(&reads).matches("were read from").count(), 2);
    bucket.refuse(&[]);

    // No network, as with network isolation; no region; no credentials.
    let isolated = job();
    let mut command = bucket.command(&isolated);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    command.env("AWS_ENDPOINT_URL", format!("http://{closed}"));
    computes(&isolated, &log(&command.output().unwrap()), &[("the connection failed", 2)]);
    let nowhere = job();
    let mut command = bucket.command(&nowhere);
    command.env_remove("AWS_REGION");
    computes(
        &nowhere,
        &log(&command.output().unwrap()),
        &[("no features are shared: neither AWS_REGION", 1)],
    );
    let nobody = job();
    let output = bucket.bare_command(&nobody).output().unwrap();
    computes(&nobody, &log(&output), &[("the job has no credentials", 2)]);
}

#[test]
fn a_container_gets_its_roles_credentials() {
    let bucket = Bucket::serve();
    let job = |token| {
        let job = Job::new(settings(&bucket, json!({"epochs": 1})));
        log(&bucket.container_command(&job, token).output().unwrap())
    };
    let said = job("another-token");
    assert!(said.contains("the container's credentials can't be had: status 403"), "{said}");
    assert!(job("a-token").contains("and left at"));
    assert!(job("a-token").contains("were read from"));
}

#[test]
fn a_backbone_that_learns_shares_nothing() {
    let bucket = Bucket::serve();
    let job = Job::new(json!({"epochs": 1, "features": bucket.place()}));
    assert!(bucket.train(&job).contains("no features are shared: the backbone learns"));
    assert!(bucket.objects().is_empty());
    job.configure(json!({"features": "s3://"}));
    assert!(job.failure().contains("`features`"));
}

#[test]
fn a_job_resumes_wherever_its_features_are() {
    let bucket = Bucket::serve();
    let job = Job::new(settings(&bucket, json!({"epochs": 2})));
    bucket.train(&job);
    let whole = measured(&job).1;
    fs::remove_file(job.path("checkpoints/epoch-000002.safetensors")).unwrap();
    let mut elsewhere = settings(&bucket, json!({}));
    elsewhere["features"] = json!(bucket.place() + "/elsewhere");
    job.configure(elsewhere);
    bucket.train(&job);
    let MetricLine::Setup(setup) = &job.metrics()[0] else { panic!() };
    assert_eq!(setup.resumed_epochs, 1);
    assert_eq!(measured(&job).1, whole);
}

#[test]
fn instances_share_the_features_of_their_parts() {
    let bucket = Bucket::serve();
    let train = || {
        let cluster = Cluster::new(2, &settings(&bucket, json!({"epochs": 1})));
        let commands = cluster.jobs.iter().map(|job| bucket.command(job)).collect();
        (cluster.train_by(commands), measured(&cluster.jobs[0]).1)
    };
    let (first, lines) = train();
    assert!(first.iter().all(|log| log.matches("and left at").count() == 2), "{first:?}");
    assert_eq!(bucket.objects().len(), 4, "of two instances, a part of two splits each");
    let (second, again) = train();
    assert!(second.iter().all(|log| log.matches("were read from").count() == 2), "{second:?}");
    assert_eq!(lines, again);
}
