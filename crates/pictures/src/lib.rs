//! What a picture is, for the engine and the worker alike: which files of a folder are pictures ([`ImageFolder`]), and
//! how one is read ([`decode`]). So what the engine has verified is what the worker trains on.

mod folder;
mod name;
mod read;

pub use folder::{Image, ImageFolder, PassedOver, SPLITS, passed_over};
pub use name::is_hidden;
pub use read::{MAX_FILE, MAX_PIXELS, decode, dimensions, read_file};
