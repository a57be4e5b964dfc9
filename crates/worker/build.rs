//! Compiles the C++ sides of `process_group.rs`, `convolution.rs` and `adam.rs`, and gives the worker's binaries a run path
//! to libtorch, so that they start without `LD_LIBRARY_PATH`.

use std::path::{Path, PathBuf};

fn main() {
    // torch-sys says where it found libtorch, be it by LIBTORCH or by LIBTORCH_USE_PYTORCH.
    let lib = PathBuf::from(
        std::env::var_os("DEP_TCH_LIBTORCH_LIB").expect("torch-sys, a dependency, always says so"),
    );
    println!("cargo:rerun-if-changed=build.rs");
    for part in ["adam", "attempt.h", "c10d", "onednn"] {
        println!("cargo:rerun-if-changed=src/{part}");
    }
    println!("cargo:rerun-if-env-changed=LIBTORCH_INCLUDE");
    // As torch-sys has it: the headers are beside the libraries, unless LIBTORCH_INCLUDE names their parent.
    let root = std::env::var_os("LIBTORCH_INCLUDE").map(PathBuf::from);
    let include = root.as_deref().or(lib.parent()).unwrap_or(Path::new("/usr")).join("include");
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        .define("USE_C10D_GLOO", None)
        .include("src/c10d")
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .warnings(false)
        .file("src/c10d/process_group.cpp")
        .file("src/adam/adam.cpp")
        .file("src/onednn/convolution.cpp")
        .compile("opsml_worker_cpp");
    // DT_RPATH, not DT_RUNPATH: it also serves what libtorch itself needs, and LD_LIBRARY_PATH can't put another
    // libtorch in its place. A `lib` folder beside the program comes first, so that the files that `opsml-worker
    // files` lists make up a bundle that can be moved.
    println!("cargo:rustc-link-arg=-Wl,--disable-new-dtags,-rpath,$ORIGIN/lib:{}", lib.display());
}
