//! An endpoint of a model that a script of one's own has made.

use std::fs;

use opsml_pictures::Picture;
use opsml_worker::served::Served;
use serde_json::json;
use tch::{CModule, Kind, Tensor};

/// Writes a TorchScript module whose logits are the means of the red, green and blue of its input, with `rows` of them.
fn write_module(path: &std::path::Path, size: i64, rows: i64) {
    let image = Tensor::zeros([1, 3, size, size], (Kind::Float, tch::Device::Cpu));
    let mut means = |inputs: &[Tensor]| {
        vec![inputs[0].mean_dim([2i64, 3].as_slice(), false, Kind::Float).repeat([rows, 1])]
    };
    CModule::create_by_tracing("Means", "forward", &[image], &mut means).unwrap().save(path).unwrap();
}

fn red(size: u32) -> Picture {
    let rgb = [255, 0, 0].repeat((size * size) as usize);
    Picture { width: size, height: size, rgb }
}

#[test]
fn a_torchscript_module_is_served_with_the_input_that_it_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    write_module(&folder.path().join("model.pth"), 224, 1);
    // A checkpoint beside it, and code, are not the model.
    fs::write(folder.path().join("epoch_3.pth"), "x").unwrap();
    fs::create_dir(folder.path().join("code")).unwrap();
    let served = Served::load(folder.path()).unwrap();
    assert_eq!(served.image_size(), 224);
    let logits = served.logits(&[red(224)]).remove(0).unwrap();
    let wanted = [(1.0 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225];
    assert!(logits.iter().zip(wanted).all(|(one, other)| (one - other).abs() < 1e-4), "{logits:?}");

    let input = json!({"image_size": 8, "mean": [0, 0, 0], "std": [1, 1, 1], "classes": ["r", "g", "b"]});
    fs::write(folder.path().join("input.json"), input.to_string()).unwrap();
    let served = Served::load(folder.path()).unwrap();
    assert_eq!((served.image_size(), served.logits(&[red(8)]).remove(0).unwrap()), (8, vec![1.0, 0.0, 0.0]));
}

#[test]
fn what_can_not_be_served_is_named_with_what_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let (model, input) = (folder.path().join("model.pth"), folder.path().join("input.json"));
    let refused = |why: &str| {
        let said = Served::load(folder.path()).err().unwrap().to_string();
        assert!(said.contains(why), "{said}");
        said
    };
    let said = refused("model.tar.gz has no file, and neither classes.json nor one model.pth");
    assert!(said.contains("torch.jit.script(model).save"), "{said}");
    fs::write(folder.path().join("weights.bin"), "x").unwrap();
    refused("model.tar.gz has weights.bin");
    fs::write(&model, "x").unwrap();
    refused("model.pth is no file of PyTorch's, or an old one (1 bytes)");
    let weights = vec![(
        "weight".to_owned(),
        opsml_worker::state_dict::Array::from_tensor(&Tensor::ones([2], tch::kind::FLOAT_CPU)).unwrap(),
    )];
    let mut file = std::io::BufWriter::new(fs::File::create(&model).unwrap());
    opsml_worker::pth::write(&weights, &mut file).unwrap();
    std::io::Write::flush(&mut file).unwrap();
    refused("model.pth is what torch.save writes, weights or an object");
    write_module(&model, 8, 2);
    refused("answers an image with a tensor of the shape [2, 3], and not with one row of logits");
    write_module(&model, 8, 1);
    for (wrong, why) in [
        (json!({"classes": ["a", "b"]}), "answers 3 logits, and input.json beside it names 2 classes"),
        (json!({"image_size": 0}), "image_size is from 1 to 4096"),
        (json!({"std": [1, 0, 1]}), "no std is 0"),
        (json!({"size": 8}), "`size` is not known"),
    ] {
        fs::write(&input, wrong.to_string()).unwrap();
        refused(why);
    }
}
