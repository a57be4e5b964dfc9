//! One picture: its file, its size, its pixels. Its content decides the format, not its name.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use opsml_contract::image_type;

/// The largest file, in bytes.
pub const MAX_FILE: u64 = 64 << 20;
/// The most pixels of a picture. A small file can declare gigabytes.
pub const MAX_PIXELS: u64 = 64_000_000;

/// What an image that is none of `opsml_contract::IMAGE_TYPES` should have been.
const FORMATS: &str = "JPEG, PNG, WebP, GIF, BMP, TIFF, PPM or PGM";

/// Of a file that ends too early.
const CUT_OFF: &str = "it is cut off: its data ends before the picture does";

/// Reads a file of at most [`MAX_FILE`] bytes.
pub fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    // The file's size may change while it is read.
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    match bytes.len() as u64 {
        0..=MAX_FILE => Ok(bytes),
        _ => Err(format!("it has more than {MAX_FILE} bytes, which is the limit: make it smaller")),
    }
}

/// Returns the width and height in a picture's header, in pixels.
pub fn dimensions(bytes: &[u8]) -> Result<(u32, u32), String> {
    Ok(decoder(bytes)?.dimensions())
}

/// Decodes a picture of any colour type; of several frames, the first. As Pillow's `Image.open`, it leaves a picture as it
/// lies, whatever its EXIF rotation; as Pillow, it refuses one that ends too early.
pub fn decode(bytes: &[u8]) -> Result<DynamicImage, String> {
    DynamicImage::from_decoder(decoder(bytes)?).map_err(|error| plain(&error))
}

/// Returns what decodes a picture, unless its header declares too many pixels.
fn decoder(bytes: &[u8]) -> Result<impl ImageDecoder + '_, String> {
    let decoder = reader(bytes)?.into_decoder().map_err(|error| plain(&error))?;
    let (width, height) = decoder.dimensions();
    match u64::from(width) * u64::from(height) {
        0 => Err("it has no pixels".to_owned()),
        1..=MAX_PIXELS => Ok(decoder),
        _ => Err(format!(
            "it is {width}×{height} pixels, and {MAX_PIXELS} in all is the limit: make it smaller"
        )),
    }
}

fn reader(bytes: &[u8]) -> Result<ImageReader<Cursor<&[u8]>>, String> {
    if bytes.is_empty() {
        return Err("it is empty: the file has 0 bytes".to_owned());
    }
    let Some(format) = image_type(bytes).and_then(ImageFormat::from_mime_type) else {
        let what = other_content(bytes).map_or_else(String::new, |what| format!("{what} and "));
        return Err(format!("it is {what}not {FORMATS}: convert it, or remove it"));
    };
    if format == ImageFormat::Jpeg && !is_whole_jpeg(bytes) {
        return Err(CUT_OFF.to_owned());
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    // No format takes more than 16 bytes a pixel, in its buffers and the result.
    limits.max_alloc = Some(16 * MAX_PIXELS);
    reader.limits(limits);
    Ok(reader)
}

/// Says what a file is that people take for a picture.
fn other_content(bytes: &[u8]) -> Option<&'static str> {
    let start = bytes.trim_ascii_start();
    match bytes {
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', ..] => Some("AVIF"),
        [_, _, _, _, b'f', b't', b'y', b'p', b'h' | b'm', ..] => Some("HEIC"),
        [0, 5, 0x16, 7, ..] => Some("metadata of macOS"),
        _ if start.starts_with(b"<") => Some("HTML, XML or SVG"),
        _ => None,
    }
}

/// Returns an error of the decoder in one line.
fn plain(error: &ImageError) -> String {
    match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => CUT_OFF.to_owned(),
        error => error.to_string().split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// Whether a JPEG has the marker of its end. The decoder would fill up what is missing with grey. After a scan's header,
/// 0xff is data only before 0 and before the markers of a restart; other segments say how long they are.
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0xff)) {
        at += found;
        match bytes.get(at + 1) {
            None => return false,
            Some(0xd9) => return true,
            // A byte that fills up before a marker.
            Some(0xff) => at += 1,
            Some(0 | 1 | 0xd0..=0xd8) => at += 2,
            Some(_) => match bytes.get(at + 2..at + 4) {
                Some(length) => at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => return false,
            },
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use opsml_contract::IMAGE_TYPES;

    use super::*;

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let pixel = |x: u32, y: u32| image::Rgb([(x * 7) as u8, (y * 5) as u8, ((x * y) % 251) as u8]);
        let picture = DynamicImage::from(image::RgbImage::from_fn(48, 32, pixel));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn every_format_is_read_whole_and_refused_in_part() {
        for content in IMAGE_TYPES {
            let bytes = encoded(ImageFormat::from_mime_type(content).unwrap());
            assert_eq!(image_type(&bytes), Some(content));
            let picture = decode(&bytes).unwrap_or_else(|error| panic!("{content}: {error}"));
            assert_eq!((picture.width(), picture.height()), (48, 32), "{content}");
            for kept in [bytes.len() / 2, bytes.len() - bytes.len() / 10] {
                assert!(decode(&bytes[..kept]).is_err(), "{content}: {kept} of {} bytes", bytes.len());
            }
        }
    }

    #[test]
    fn what_is_no_picture_is_named() {
        for (bytes, why) in [
            (&b""[..], "0 bytes"),
            (b"\n<!DOCTYPE html>", "HTML"),
            (b"\0\0\0\x18ftypheic", "HEIC"),
            (b"\0\0\0\x18ftypavif", "AVIF"),
            (b"\0\x05\x16\x07\0\x02", "macOS"),
            (b"notes", "not JPEG, PNG, WebP"),
            (b"\x89PNG\r\n\x1a\n", "cut off"),
        ] {
            let said = decode(bytes).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn a_picture_that_declares_too_much_is_refused_by_its_header() {
        let mut bytes = encoded(ImageFormat::Bmp);
        bytes[18..22].copy_from_slice(&60_000_u32.to_le_bytes());
        bytes[22..26].copy_from_slice(&60_000_u32.to_le_bytes());
        let said = decode(&bytes).unwrap_err();
        assert!(said.contains("60000×60000 pixels"), "{said}");
    }
}
