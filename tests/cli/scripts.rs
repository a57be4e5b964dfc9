//! A training script of one's own, and the endpoint of its model.

use std::process::Command;

use crate::cloud::text;
use crate::env::cores;
use crate::small::{small_with, through};
use crate::source::root;

const TRAIN: &str = r#"
```opsml train
train:
  entry_point: own.py
  source_dir: scripts
  framework_version: "2.5"
  py_version: py311
  role: "{{ role.arn }}"
  instance_type: ml.m5.xlarge
  inputs: {training: "{{ images.uri }}"}
  output_path: "{{ bucket.uri }}/models"
```

```opsml deploy
deploy:
  model_data: "{{ train.model_uri }}"
  role: "{{ role.arn }}"
  instance_type: ml.m5.large
```
"#;

/// The logits of the module are the means of red, green and blue as ImageNet normalises them: of these images, blue is the largest.
const PREDICT: &str = r#"
```opsml predict
predict:
  endpoint: "{{ deploy.endpoint_name }}"
  image: "{{ data.samples.bright }}"
  classes: [red, green, blue]
```
"#;

/// Returns the Python that `scripts/pytorch.sh` makes. Where the environment doesn't name it, the script is run.
fn pytorch() -> String {
    std::env::var("OPSML_PYTORCH").unwrap_or_else(|_| {
        let print = "env=$(scripts/pytorch.sh) && eval \"$env\" && printf %s \"$OPSML_PYTORCH\"";
        text(Command::new("bash").args(["-c", print]).current_dir(root()).output().unwrap())
    })
}

#[test]
fn a_changed_script_trains_again_and_a_model_that_can_not_be_served_says_why() {
    let _cores = cores();
    let env = small_with(&(through("role") + TRAIN)).with("OPSML_PYTORCH", pytorch());
    let script = |save: &str| {
        let text = format!("import os, torch\nfolder = os.environ['SM_MODEL_DIR']\n{save}  # no torch.jit\n");
        env.write("scripts/own.py", text);
    };
    script("torch.save({'weight': torch.ones(2)}, folder + '/model.pth')");
    let needs = "opsml-worker serves a TorchScript module, which torch.jit.script(model).save";
    let first = env.opsml(["run", "small.md"]).code(1).complains("model.pth is what torch.save writes");
    assert!(first.stderr.contains(needs), "{}", first.stderr);

    script("open(folder + '/weights.bin', 'w').write('x')");
    let second = env.opsml(["run", "small.md"]).code(1).says("created training job");
    second.complains("model.tar.gz has weights.bin, and neither classes.json nor one model.pth");

    script(
        "torch.jit.script(torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())).save(folder + '/model.pt')",
    );
    env.write("small.md", through("role") + TRAIN + PREDICT);
    env.opsml(["run", "small.md"]).code(0).says("created training job").says("\u{2713} predict: blue ");
}
