//! Comparison with Pillow, by which torchvision reads images: the same pixels, and nothing that Pillow refuses.

use std::fs;
use std::path::Path;

use opsml_pictures::{Picture, View};

use crate::pytorch::pytorch;

#[test]
fn images_as_people_have_them_are_read_as_pillow_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/worker/pictures.py");
    let output = pytorch().arg(script).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (mut same, mut refused, mut wrong) = (0, 0, Vec::new());
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".rgb") {
            continue;
        }
        let pixels = |what: &str| fs::read(folder.path().join(format!("{name}.{what}"))).ok();
        let theirs = pixels("rgb").zip(pixels("part.rgb"));
        match (Picture::decode(&fs::read(&path).unwrap()), theirs) {
            (Ok(ours), Some((whole, part))) => {
                let view = View { left: 3, top: 5, width: 40, height: 30, mirrored: false };
                let mut shown = vec![0; 3 * 24 * 24];
                ours.show_in(view, 24, &mut shown).unwrap();
                let [most, resized] = [(&ours.rgb, &whole), (&shown, &part)].map(|(ours, theirs)| {
                    assert_eq!(ours.len(), theirs.len(), "{name}");
                    ours.iter().zip(theirs).map(|(one, other)| one.abs_diff(*other)).max().unwrap()
                });
                // Decoders of JPEG and lossy WebP may round as they like.
                let allowed = if name.contains("jpg") || name.contains("lossy") || name == "content.png" {
                    6
                } else {
                    0
                };
                // A resize may round as it likes, too: torchvision's own tests allow it 1.
                if most > allowed || resized > allowed + 1 {
                    wrong.push(format!("{name} differs by {most}, resized by {resized}"));
                }
                same += 1;
            }
            (Err(_), None) => refused += 1,
            (Ok(_), None) => wrong.push(format!("{name} is read, and Pillow refuses it")),
            // It may be read in part, but nobody is asked to train on that.
            (Err(_), Some(_)) if name.starts_with("cut_") => refused += 1,
            (Err(error), Some(_)) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty() && same > 20 && refused > 30, "{same} {refused} {wrong:#?}");
}
