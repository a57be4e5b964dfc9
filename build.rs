//! Links GCC's unwinder statically: a program whose only libraries are the C library's own starts anywhere.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let gnu_linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux")
        && std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu");
    if !gnu_linux {
        return;
    }
    // Rust's standard library asks for `-lgcc_s`. This linker script answers to that name, with the static parts.
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    let script = std::path::Path::new(&out).join("libgcc_s.so");
    std::fs::write(script, "INPUT(-l:libgcc_eh.a -l:libgcc.a)\n").expect("OUT_DIR can be written");
    println!("cargo:rustc-link-search=native={out}");
}
