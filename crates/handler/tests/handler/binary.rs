//! What the program needs from the machine that it runs on: Amazon Linux 2023 has glibc 2.34, and no libtorch.

use std::process::Command;

/// Returns the output of binutils' readelf, which comes with the C compiler that the build needs.
fn readelf(option: &str) -> String {
    let mut command = Command::new("readelf");
    let output = command.args(["--wide", option, env!("CARGO_BIN_EXE_opsml-handler")]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn it_needs_no_glibc_newer_than_amazon_linux_2023s() {
    let output = readelf("--version-info");
    let (_, needs) = output.split_once("Version needs section").expect("it is linked dynamically");
    let versions: Vec<(u32, u32)> = needs
        .split_whitespace()
        .filter_map(|word| {
            let (major, minor) = word.strip_prefix("GLIBC_")?.split_once('.')?;
            Some((major.parse().unwrap(), minor.split('.').next()?.parse().unwrap()))
        })
        .collect();
    assert!(!versions.is_empty(), "{needs}");
    assert!(versions.iter().all(|version| *version <= (2, 34)), "{versions:?}");
}

#[test]
fn it_needs_the_c_library_alone() {
    let output = readelf("--dynamic");
    let needed: Vec<&str> = output
        .lines()
        .filter_map(|line| line.split_once("(NEEDED)")?.1.split(['[', ']']).nth(1))
        .filter(|name| !["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"].contains(name))
        .collect();
    assert!(needed.is_empty() && output.contains("libc.so.6"), "{needed:?}");
}
