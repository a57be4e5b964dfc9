//! `opsml-worker files`: the files to copy to run the worker on another machine.

use std::ffi::{CStr, OsStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::error::{AtPath, Result};

/// Libraries that are not copied, because every machine has its own: the parts of glibc, which must fit its loader, and
/// GCC's runtime, which must fit its glibc. Built on Debian 12, libtorch and this program ask for glibc 2.34 and the
/// libstdc++ of GCC 9, while Debian's own libstdc++ asks for glibc 2.36, and so would not start on Amazon Linux 2023.
const OF_THE_SYSTEM: [&str; 13] = [
    "ld-linux",
    "libanl.",
    "libc.",
    "libdl.",
    "libgcc_s.",
    "libm.",
    "libmvec.",
    "libnss_",
    "libpthread.",
    "libresolv.",
    "librt.",
    "libstdc++.",
    "libutil.",
];

/// Returns this program and its shared objects, except those of the system. The program finds them in a folder `lib` beside
/// it, under the same file names.
pub fn files() -> Result<Vec<PathBuf>> {
    let mut files = vec![std::env::current_exe().at("find", Path::new("this program"))?];
    let mut loaded: Vec<PathBuf> = Vec::new();
    // SAFETY: the callback gets back the pointer to `loaded`, which lives longer than the call.
    unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut loaded).cast()) };
    files.extend(loaded.into_iter().filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !OF_THE_SYSTEM.iter().any(|part| name.starts_with(part))
    }));
    Ok(files)
}

unsafe extern "C" fn note(object: *mut libc::dl_phdr_info, _size: usize, loaded: *mut c_void) -> c_int {
    // SAFETY: the loader passes an object whose name is a C string or null; `loaded` is the pointer that `files` passed.
    let (name, loaded) = unsafe { ((*object).dlpi_name, &mut *loaded.cast::<Vec<PathBuf>>()) };
    if !name.is_null() {
        // SAFETY: see above.
        let name = unsafe { CStr::from_ptr(name) };
        let path = Path::new(OsStr::from_bytes(name.to_bytes()));
        // The program itself has no name, and the kernel's part (vDSO) no folder.
        if path.is_absolute() {
            loaded.push(path.to_owned());
        }
    }
    0
}
