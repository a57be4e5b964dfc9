//! The engine runs against moto, AWS as others have rebuilt it, for the calls that moto has. moto's jobs complete at
//! once and write nothing, and its instances run nothing. So this tests our requests, and how we read moto's answers.
//!
//! The bucket is created by the test, with the model that moto's training doesn't write: moto 5.2.5 answers GetBucketVersioning with another root element than AWS, which
//! the SDK refuses.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::cloud::repository;
use crate::ec2::with_worker;
use crate::env::Env;

const RUNBOOK: &str = r#"---
title: Moto
---
```opsml images
upload: {source: images, to: s3://opsml-on-moto/data}
```

```opsml role
role:
  allow:
    - actions: [s3:ListBucket]
      resources: ["arn:aws:s3:::opsml-on-moto"]
```

```opsml notebook
notebook: {instance_type: ml.t3.medium, role: "{{ role.arn }}"}
```

```opsml train
train:
  image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/other:1
  role: "{{ role.arn }}"
  instance_type: ml.m5.large
  instance_count: 2
  inputs: {training: "{{ images.uri }}"}
  output_path: s3://opsml-on-moto/models
```

```opsml deploy
deploy:
  image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/other:1
  model_data: s3://opsml-on-moto/model.tar.gz
  role: "{{ role.arn }}"
  instance_type: ml.m5.large
needs: [train]
```

```opsml ec2_role
role:
  service: ec2.amazonaws.com
```

```opsml ec2
ec2_train:
  instance_type: m5.large
  image_search: {owner: amazon, name: "amzn2-ami-hvm-*"}
  instance_profile: "{{ ec2_role.instance_profile }}"
  inputs: {training: "{{ images.uri }}"}
  output_path: s3://opsml-on-moto/ec2
timeout: 8s
expect_error: Timeout
```
"#;

/// moto on a port of its own. It ends when its standard input is closed.
struct Moto {
    child: Child,
    url: String,
}

impl Moto {
    fn start() -> Self {
        let made = Command::new(repository("scripts/python-env.sh")).arg("moto").output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let export = String::from_utf8(made.stdout).unwrap();
        let path = export.trim().split_once('=').unwrap().1.to_owned();
        let mut child = Command::new("python3")
            .args(["-c", include_str!("moto/server.py")])
            .env("PYTHONPATH", path)
            .env("MOTO_ACCOUNT_ID", "123456789012")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://"), "moto did not start: {url}");
        Self { child, url: url.trim().to_owned() }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_engine_runs_on_moto_and_tears_down() {
    let moto = Moto::start();
    let env = Env::new()
        .with("AWS_ACCESS_KEY_ID", "testing")
        .with("AWS_SECRET_ACCESS_KEY", "testing")
        .with("AWS_CONFIG_FILE", "/dev/null")
        .with("AWS_REGION", "us-east-1");
    let env = with_worker(env);
    env.write("moto.md", RUNBOOK);
    env.write("images/train/a/1.txt", "an image");
    let target = ["--target", &moto.url];
    let run = |verb: &str| env.opsml([&[verb, "moto.md"], &target[..]].concat());
    run("run").code(0).says("failed as expected: Timeout");
    run("run").code(0).says("nothing to do");
    // moto 5.2.5 lacks DeleteTrainingJob. It has the other calls.
    let down = run("down").code(5).complains("DeleteTrainingJob: the service answered with status 500");
    assert!(down.stderr.contains("could not delete 1 resource"), "{}", down.stderr);
}
