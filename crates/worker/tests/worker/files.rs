//! `files` lists all that the worker needs to run from another folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn list(program: &Path) -> Vec<PathBuf> {
    let output = Command::new(program).arg("files").env_clear().output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(PathBuf::from).collect()
}

#[test]
fn the_listed_files_make_a_bundle_that_uses_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |from: &Path, to: PathBuf| {
        // A link where possible, since the files take 440 MB.
        let from = from.canonicalize().unwrap();
        fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(|_| ())).unwrap();
        to
    };
    let original = list(Path::new(env!("CARGO_BIN_EXE_opsml-worker")));
    let names: Vec<_> = original.iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names[0], "opsml-worker");
    for needed in ["libtorch_cpu.so", "libc10.so", "libgomp.so.1"] {
        assert!(names.iter().any(|name| name == needed), "{needed} is missing: {names:?}");
    }
    for of_the_system in ["libc.so.6", "libstdc++.so.6"] {
        assert!(!names.iter().any(|name| name == of_the_system), "{names:?}");
    }

    let lib = folder.path().join("lib");
    fs::create_dir(&lib).unwrap();
    let program = copy(&original[0], folder.path().join("opsml-worker"));
    for path in &original[1..] {
        copy(path, lib.join(path.file_name().unwrap()));
    }
    // The copied program lists the copied libraries.
    let bundled = list(&program);
    assert_eq!(bundled[0], program);
    assert!(bundled[1..].iter().all(|path| path.parent() == Some(&lib)), "{bundled:?}");
    assert_eq!(bundled.len(), original.len());
}
