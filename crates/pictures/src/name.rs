//! What the names of files and folders say.

/// What the endings of pictures are: torchvision's `IMG_EXTENSIONS`, and GIF's, which torchvision's ImageFolder passes over.
const PICTURES: &[&str] = &["jpg", "jpeg", "png", "ppm", "bmp", "pgm", "tif", "tiff", "webp", "gif"];

/// Endings of pictures that nothing here reads, and their formats.
const OTHERS: &[(&str, &str)] = &[
    ("avif", "AVIF"),
    ("heic", "HEIC"),
    ("heif", "HEIC"),
    ("jp2", "JPEG 2000"),
    ("jxl", "JPEG XL"),
    ("psd", "Photoshop's format"),
    ("svg", "SVG"),
];

/// Names without a dot that operating systems and their tools hide: of macOS' archives, of Windows, of Synology.
const HIDDEN: &[&str] = &[
    "__macosx",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "$recycle.bin",
    "system volume information",
    "@eadir",
];

/// Whether a file or folder is hidden, by its name. Nobody means it as data: `.DS_Store`, `._x.jpg`, `__MACOSX`, `Thumbs.db`.
pub fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || HIDDEN.contains(&name.to_ascii_lowercase().as_str())
}

/// Whether a file has the ending of a picture, in any case of letters.
pub(crate) fn is_picture(name: &str) -> bool {
    ending(name).is_some_and(|ending| PICTURES.contains(&ending.as_str()))
}

/// Returns the format of a picture that can't be read, by its ending.
pub(crate) fn other_format(name: &str) -> Option<&'static str> {
    let ending = ending(name)?;
    OTHERS.iter().find(|(other, _)| *other == ending).map(|(_, format)| *format)
}

fn ending(name: &str) -> Option<String> {
    name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_and_hidden_names_are_known_in_any_case() {
        for name in ["a.jpg", "A.JPEG", "b.c.Png", "x.webp", "x.GIF", "x.tif", "x.bmp", "x.pgm", ".png"] {
            assert!(is_picture(name), "{name}");
        }
        for name in ["jpg", "a.jpg.txt", "Thumbs.db", "a.heic", "a.", ""] {
            assert!(!is_picture(name), "{name}");
        }
        for name in [".DS_Store", "._x.jpg", "__MACOSX", "THUMBS.DB", "Desktop.ini", ".ipynb_checkpoints"] {
            assert!(is_hidden(name), "{name}");
        }
        for name in ["a.jpg", "_a.jpg", "thumbs", "MACOSX"] {
            assert!(!is_hidden(name), "{name}");
        }
        assert_eq!(other_format("IMG_1.HEIC"), Some("HEIC"));
        assert_eq!(other_format("a.png"), None);
    }
}
