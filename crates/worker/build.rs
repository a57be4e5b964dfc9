//! Gives the worker's binaries a run path to libtorch, so that they start without `LD_LIBRARY_PATH`.

fn main() {
    // torch-sys says where it found libtorch, be it by LIBTORCH or by LIBTORCH_USE_PYTORCH.
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys, a dependency, always says so");
    println!("cargo:rerun-if-changed=build.rs");
    // DT_RPATH, not DT_RUNPATH: it also serves what libtorch itself needs.
    println!("cargo:rustc-link-arg=-Wl,--disable-new-dtags,-rpath,{lib}");
}
