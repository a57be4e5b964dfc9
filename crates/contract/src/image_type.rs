//! The formats of images that are read, by their first bytes.

/// The content types of the formats that `dataset` accepts, that the worker trains on and that its endpoints answer.
pub const IMAGE_TYPES: [&str; 7] = [
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/gif",
    "image/bmp",
    "image/tiff",
    "image/x-portable-anymap",
];

/// Returns an image's content type, which is one of [`IMAGE_TYPES`]. Whether all of it can be decoded is another question.
pub fn image_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        // The size of its second header, which no text has.
        [b'B', b'M', _, _, _, _, _, _, _, _, _, _, _, _, _, 0, 0, 0, ..] => Some("image/bmp"),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some("image/tiff"),
        [b'P', b'1'..=b'7', b' ' | b'\t' | b'\r' | b'\n', ..] => Some("image/x-portable-anymap"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_the_format() {
        let bmp = [&b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0"[..], &[40, 0, 0, 0]].concat();
        for (bytes, wanted) in [
            (&b"\xff\xd8\xff\xe0"[..], Some("image/jpeg")),
            (b"\x89PNG\r\n\x1a\n", Some("image/png")),
            (b"RIFF\x24\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"GIF89a", Some("image/gif")),
            (&bmp, Some("image/bmp")),
            (b"MM\0*\0\0\0\x08", Some("image/tiff")),
            (b"P6\n2 2\n255\n", Some("image/x-portable-anymap")),
            (b"BMW is a make of cars", None),
            (b"P2P", None),
            (b"", None),
        ] {
            assert_eq!(image_type(bytes), wanted, "{bytes:?}");
            assert!(wanted.is_none_or(|wanted| IMAGE_TYPES.contains(&wanted)));
        }
    }
}
