//! Comparison with PyTorch: for every network, its state dicts give the same logits here, and ours give the same there.

use std::path::Path;
use std::process::Command;

use opsml_contract::{Arch, ModelManifest};
use opsml_worker::precision::has_bf16;
use opsml_worker::resnet::ResNet;
use opsml_worker::state_dict::{self, Array};
use opsml_worker::{pth, weights};
use tch::{Device, Kind, Tensor};

/// Returns the Python that `scripts/pytorch.sh` installs. Where the environment doesn't name it, the script is run.
pub fn pytorch() -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new("bash")
        .args(["-c", "eval \"$(scripts/pytorch.sh)\"; echo \"$OPSML_PYTORCH\""])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Command::new(String::from_utf8(output.stdout).unwrap().trim())
}

#[test]
fn logits_equal_pytorchs_in_both_directions() {
    let folder = tempfile::tempdir().unwrap();
    tch::manual_seed(3);
    let manifest = |arch, head_hidden| ModelManifest {
        arch,
        head_hidden,
        image_size: 64,
        classes: (0..7).map(|class| class.to_string()).collect(),
        agrees_in_bf16: false,
    };
    let networks =
        [("resnet18", Arch::Resnet18, 0), ("resnet34", Arch::Resnet34, 0), ("resnet50", Arch::Resnet50, 5)];
    let ours: Vec<ResNet> = networks
        .iter()
        .map(|(_, arch, hidden)| ResNet::new(&manifest(*arch, *hidden), Device::Cpu).unwrap())
        .collect();
    for ((name, ..), model) in networks.iter().zip(&ours) {
        // A training step changes the statistics of batch norm, so that a mistake in them shows.
        let images = Tensor::rand([4, 3, 64, 64], tch::kind::FLOAT_CPU);
        let _ = model.learn(&images, Kind::Float).unwrap();
        weights::save_model(&folder.path().join(name), model, false).unwrap();
    }

    // For each network, Python writes images, its logits for our weights (once read from .pth, once from safetensors),
    // and a state dict of its own with the logits for it.
    let output = pytorch()
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/worker/judge.py"))
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let read = |path: &Path| pth::read(&std::fs::read(path).unwrap()).unwrap();
    let tensor = |array: &Array| array.to_tensor().unwrap();
    for ((name, ..), model) in networks.iter().zip(&ours) {
        let folder = folder.path().join(name);
        let answers = read(&folder.join("answers.pth"));
        let answer = |key: &str| tensor(&answers.iter().find(|(name, _)| name == key).unwrap().1);
        let close = |what: &str| {
            // 1e-4 in float32. bfloat16 has eight bits of fraction, so that its bound follows from the size of the logits.
            let largest = answer(what).abs().max().double_value(&[]);
            let kinds = [(Kind::Float, 1e-4), (Kind::BFloat16, 0.03 * largest)];
            for (kind, bound) in kinds.into_iter().take(if has_bf16(Device::Cpu) { 2 } else { 1 }) {
                let features = model.still(kind).unwrap().features(&answer("images")).unwrap();
                let logits = tch::no_grad(|| model.head(&features)).unwrap();
                let difference = (logits - answer(what)).abs().max().double_value(&[]);
                assert!(difference <= bound, "{name}, {what}, {kind:?}: {difference} of {largest}");
            }
        };
        close("ours_from_pth");
        close("ours_from_safetensors");
        model.load(&read(&folder.join("theirs.pth")), false).unwrap();
        close("theirs");
        let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
        assert_eq!(
            state_dict::from_safetensors(&bytes).unwrap().len(),
            read(&folder.join("model.pth")).len()
        );
    }
}
