//! What a picture is, for the engine and the worker alike: which files of a folder are pictures ([`ImageFolder`]), and
//! how one is read ([`decode`]) and resized for a network ([`Picture`]). So what the engine has verified is what the worker
//! trains on.

mod folder;
mod name;
mod picture;
mod read;

pub use folder::{Image, ImageFolder, PassedOver, SPLITS, passed_over};
pub use name::is_hidden;
pub use picture::{Picture, View};
pub use read::{MAX_FILE, MAX_PIXELS, decode, dimensions, read_file};
