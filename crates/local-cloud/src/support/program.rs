//! A program, and whether it can be started, without starting it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Result};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::fs::{Access, access};
use tokio::process::Command;

/// How much of a file the kernel reads to see what it is, in bytes.
const HEAD: u64 = 256;
/// The parts of an ELF header that must be as in this program: the mark with the size of a word, and the machine.
const ELF: [Range<usize>; 2] = [0..5, 18..20];

/// A program with what it needs to run.
#[derive(Clone, Debug, Default)]
pub struct Program {
    pub path: PathBuf,
    pub arguments: Vec<OsString>,
    /// What it needs to see of the machine, except for what all programs see.
    pub uses: Vec<PathBuf>,
    pub env: Vec<(OsString, OsString)>,
}

impl Program {
    /// Returns a program of this machine, which uses its own file and the folders of the libraries that it is linked to.
    pub async fn linked(path: &Path) -> Self {
        let mut uses = vec![path.to_owned()];
        if let Ok(output) = Command::new("ldd").arg(path).stdin(Stdio::null()).output().await {
            let said = String::from_utf8_lossy(&output.stdout);
            let found = said
                .lines()
                .filter_map(|line| Path::new(line.split_once("=> ")?.1.split(" (").next()?).parent());
            for folder in found.filter(|folder| folder.is_absolute()) {
                if !uses.iter().any(|known| known == folder) {
                    uses.push(folder.to_owned());
                }
            }
        }
        Self { path: path.to_owned(), uses, ..Self::default() }
    }

    /// Returns the program with more arguments.
    #[must_use]
    pub fn with(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }
}

/// Returns the path of a program. A name without a slash is searched for in `path`, which has the form of PATH.
///
/// # Errors
/// Those that `execve` would give: there is no such file, it or the program that its first line names may not be
/// executed, or it is no program for this machine (ENOEXEC). A shell would run such a file as a script.
pub fn startable(program: &Path, path: &OsStr) -> Result<PathBuf> {
    let found = if program.as_os_str().as_encoded_bytes().contains(&b'/') {
        program.to_owned()
    } else {
        let mut places = std::env::split_paths(path).map(|place| place.join(program));
        places.find(|file| may_run(file).is_ok()).ok_or(ErrorKind::NotFound)?
    };
    may_run(&found)?;
    let head = head(&found)?;
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = String::from_utf8_lossy(line.split(|byte| *byte == b'\n').next().unwrap_or_default());
        may_run(Path::new(line.split_whitespace().next().unwrap_or_default()))?;
    } else {
        let own = self::head(Path::new("/proc/self/exe"))?;
        if ELF.into_iter().any(|part| head.get(part.clone()) != own.get(part)) {
            // ErrorKind has no variant for ENOEXEC.
            return Err(Error::from_raw_os_error(8));
        }
    }
    Ok(found)
}

fn may_run(file: &Path) -> Result<()> {
    access(file, Access::EXISTS)?;
    if file.is_dir() {
        return Err(ErrorKind::PermissionDenied.into());
    }
    Ok(access(file, Access::EXEC_OK)?)
}

fn head(file: &Path) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(file)?.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn errors_are_those_of_the_kernel() {
        let dir = tempfile::tempdir().unwrap();
        let own = std::fs::read("/proc/self/exe").unwrap();
        let mut other = own[..64].to_vec();
        other[18] ^= 0xff;
        for (name, content, mode) in [
            ("own", &own[..64], 0o700),
            ("other", &other, 0o700),
            ("script", b"#! /bin/sh -e\n", 0o700),
            ("nowhere", b"#!/nowhere/sh\n", 0o700),
            ("text", b"echo", 0o700),
            ("locked", b"#!/bin/sh\n", 0o600),
        ] {
            std::fs::write(dir.path().join(name), content).unwrap();
            std::fs::set_permissions(dir.path().join(name), Permissions::from_mode(mode)).unwrap();
        }
        let start = |name: &str| startable(&dir.path().join(name), OsStr::new(""));
        for name in ["own", "script"] {
            assert_eq!(start(name).unwrap(), dir.path().join(name));
        }
        for name in ["missing", "nowhere"] {
            assert_eq!(start(name).unwrap_err().kind(), ErrorKind::NotFound, "{name}");
        }
        for name in ["text", "other"] {
            assert_eq!(start(name).unwrap_err().raw_os_error(), Some(8), "{name}");
        }
        for name in ["locked", "."] {
            assert_eq!(start(name).unwrap_err().kind(), ErrorKind::PermissionDenied, "{name}");
        }
        let path = std::env::join_paths([Path::new("/nowhere"), dir.path()]).unwrap();
        assert_eq!(startable(Path::new("script"), &path).unwrap(), dir.path().join("script"));
        assert_eq!(startable(Path::new("script"), OsStr::new("")).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
