//! The small runbook that most tests run: the common kinds of steps, two classes of tiny images, one epoch.

use crate::env::Env;

pub const RUNBOOK: &str = r#"---
title: Small
params:
  epochs: {default: 1}
  deploys: {default: true}
  seed: {default: 1}
---
# Small

```opsml data
dataset:
  source: images
```

```opsml bucket
bucket: {}
```

```opsml images
upload:
  source: "{{ data.path }}"
  to: "{{ bucket.uri }}/data"
```

```opsml role
role:
  allow:
    - actions: [s3:ListBucket]
      resources: ["{{ bucket.arn }}"]
    - actions: [s3:GetObject, s3:PutObject]
      resources: ["{{ bucket.arn }}/*"]
```

```opsml train
train:
  role: "{{ role.arn }}"
  instance_type: ml.m5.xlarge
  inputs: {training: "{{ images.uri }}"}
  output_path: "{{ bucket.uri }}/models"
  hyperparameters:
    arch: resnet18
    image_size: 32
    epochs: "{{ params.epochs }}"
    batch_size: 4
    transform: resize
    seed: "{{ params.seed }}"
expect:
  - metrics.test_accuracy >= 0
  - classes | length == 2
```

```opsml deploy
deploy:
  model_data: "{{ train.model_uri }}"
  role: "{{ role.arn }}"
  instance_type: ml.m5.large
when: params.deploys
```

```opsml predict
predict:
  endpoint: "{{ deploy.endpoint_name }}"
  image: "{{ data.samples[data.classes[0]] }}"
  classes: "{{ train.classes }}"
```

```opsml never
command:
  run: [touch, never]
when: params.epochs > 1000
```

```opsml echo
command:
  run: [echo, "{{ train.job_name }}"]
```

The job was {{ echo.stdout }}.
"#;

/// Returns an environment with the small runbook and its images.
pub fn small() -> Env {
    small_with(RUNBOOK)
}

pub fn small_with(runbook: &str) -> Env {
    let env = Env::new();
    env.write("small.md", runbook);
    env.images("images", ["bright", "dark"], 4);
    env
}

/// Returns an environment with a runbook, a model archive without weights, and a worker that answers without a model.
pub fn serving(file: &str, runbook: &str) -> Env {
    let env = Env::new();
    env.write(file, runbook);
    let worker = env.write("opsml-worker", include_str!("serving.py"));
    crate::crash::executable(&worker);
    let mut archive =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(7);
    header.set_mode(0o644);
    archive.append_data(&mut header, "model.txt", &b"weights"[..]).unwrap();
    env.write("model/model.tar.gz", archive.into_inner().unwrap().finish().unwrap());
    env.with("OPSML_WORKER", worker)
}

/// Returns the runbook from its start to the end of step `id`.
pub fn through(id: &str) -> String {
    let start = RUNBOOK.find(&format!("```opsml {id}\n")).unwrap();
    let end = start + RUNBOOK[start..].find("\n```\n").unwrap() + "\n```\n".len();
    RUNBOOK[..end].to_owned()
}

/// Returns the ids of the steps that a run started, which its output has after `▶`.
pub fn started(stdout: &str) -> Vec<&str> {
    stdout.lines().filter_map(|line| line.strip_prefix("▶ ")?.split(' ').next()).collect()
}
