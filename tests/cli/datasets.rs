//! Datasets as people have them: what `dataset` passes is what `upload` sends and `train` uses, and what is passed over is
//! named.

use std::io::Write;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::env::{Env, cores, mutating};
use crate::small::{small_with, through};

/// Adds to the small dataset other formats, and files that are no images.
fn mess(env: &Env) {
    let picture = image::RgbImage::from_pixel(20, 30, image::Rgb([9, 90, 200]));
    for name in ["4.webp", "5.BMP", "6.gif", "7.tiff", "8.ppm", "9:30.jpeg"] {
        picture.save(env.path("images/train/bright").join(name)).unwrap();
    }
    for name in [
        ".DS_Store",
        "__MACOSX/train/bright/._0.png",
        "train/.ipynb_checkpoints/0.png",
        "train/bright/._0.png",
        "train/bright/Thumbs.db",
        "train/bright/notes.txt",
        "train/dark/phone.heic",
    ] {
        env.write(&format!("images/{name}"), "x");
    }
    std::fs::copy(env.path("images/train/dark/0.png"), env.path("images/train/dark/unnamed")).unwrap();
}

/// Packs the dataset as some programs for Windows do.
fn zip_with_backslashes(env: &Env) -> Vec<u8> {
    let root = env.path("images");
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let path = entry.path();
            let name = path.strip_prefix(&root).unwrap().display().to_string().replace('/', "\\");
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(&std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn hidden_files_are_uploaded_if_they_are_asked_for() {
    let env = Env::new();
    env.write("site/.well-known/key", "x");
    let upload = |more: &str| {
        let block =
            format!("```opsml u\nupload: {{source: site, to: \"{{{{ b.uri }}}}/site\"{more}}}\n```\n");
        env.write("site.md", format!("```opsml b\nbucket: {{}}\n```\n\n{block}"));
        env.opsml(["run", "site.md"])
    };
    upload("").code(1).complains("nothing in it to upload that isn't hidden, and `hidden: true` isn't given");
    upload(", hidden: true").code(0).says("1 file, 1 byte at");
    env.write("site/index.html", "y");
    upload("").code(0).says("1 file, 1 byte at").says("1 hidden left out: .well-known/");
}

#[test]
fn what_dataset_passes_is_trained_on_and_the_rest_is_named() {
    let _cores = cores();
    let env = small_with(&through("train"));
    mess(&env);
    let passed_over = "8 to test; 8 passed over: .DS_Store (hidden); __MACOSX/ (hidden); \
        train/.ipynb_checkpoints/ (hidden); train/bright/._0.png (hidden); train/bright/Thumbs.db (hidden); \
        train/bright/notes.txt (its ending is not an image's); train/dark/phone.heic (HEIC isn't read: convert it); \
        train/dark/unnamed (its content is image/png, but its ending is not an image's: rename it)";
    env.opsml(["run", "small.md"]).code(0).says("14 images to train, 8 to validate").says(passed_over).says(
        "5 hidden left out: .DS_Store, __MACOSX/, train/.ipynb_checkpoints/, train/bright/._0.png, train/bright/Thumbs.db",
    );
    // The worker lists the same, of what was uploaded.
    let log = env.opsml(["logs", "small.md", "train"]).code(0).stdout;
    assert!(log.contains("3 passed over: train/bright/notes.txt"), "{log}");
    let page = env.read("reports/small/report.md");
    assert!(page.contains("train/dark/phone.heic (HEIC"), "{page}");
    // For a hidden file that comes, nothing is sent or trained again.
    let (last, _) = env.calls(0);
    env.write("images/train/dark/.DS_Store", "y");
    env.opsml(["run", "small.md"]).code(0).says("2 steps ran, 3 kept");
    assert_eq!(mutating(&env.calls(last).1), [""; 0]);

    // The same as a zip has the same images, so nothing is trained again but what depends on the name.
    let zip = zip_with_backslashes(&env);
    env.write("images.zip", zip);
    env.write("small.md", through("images").replace("source: images", "source: images.zip"));
    env.opsml(["run", "small.md"])
        .code(0)
        .says("14 images to train, 8 to validate")
        .says("6 hidden left out");
}
