//! Small pictures for the report: one alone, or a sheet of many as one file.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat, RgbImage};

use crate::failure::{Failure, Outcome};

/// The longest side of a picture that stands alone.
const ALONE: u32 = 320;
/// The sides of a square in a sheet.
const LEAST: u32 = 24;
const MOST: u32 = 84;
/// A PNG of more bytes becomes a JPEG.
const MAX_PNG: usize = 192 << 10;
const JPEG_QUALITY: u8 = 85;

/// A picture file, and its width and height in pixels.
pub struct Drawn {
    pub bytes: Vec<u8>,
    pub size: (u32, u32),
}

/// Returns a picture, scaled down if it is large.
pub fn alone(picture: &DynamicImage) -> Outcome<Drawn> {
    let (width, height) = (picture.width(), picture.height());
    let small = match width.max(height) > ALONE {
        true => picture.thumbnail(ALONE, ALONE),
        false => picture.clone(),
    };
    encoded(&small.into_rgb8())
}

/// Squares beside each other: cells in rows of `columns`, each with a strip of up to `strip` pictures, of which the middle
/// is shown. `None` if there is no picture.
pub fn sheet(cells: &[Vec<DynamicImage>], strip: usize, columns: usize) -> Option<Outcome<Drawn>> {
    let sides = cells.iter().flatten().map(|picture| picture.width().min(picture.height()));
    let side = sides.max()?.clamp(LEAST, MOST);
    let (across, down) = (strip * columns, cells.len().div_ceil(columns));
    // Both are small: a cell is a class, or a mistake of a short list.
    let (width, height) = (side * across as u32, side * down as u32);
    let mut sheet = RgbImage::from_pixel(width, height, image::Rgb([255; 3]));
    for (at, pictures) in cells.iter().enumerate() {
        for (along, picture) in pictures.iter().take(strip).enumerate() {
            let square = picture.resize_to_fill(side, side, FilterType::Triangle).into_rgb8();
            let (x, y) = ((at % columns) * strip + along, at / columns);
            image::imageops::replace(
                &mut sheet,
                &square,
                x as i64 * i64::from(side),
                y as i64 * i64::from(side),
            );
        }
    }
    Some(encoded(&sheet))
}

/// Encodes as PNG, which is exact, or as JPEG if that would be large.
fn encoded(picture: &RgbImage) -> Outcome<Drawn> {
    let failed = |error: image::ImageError| Failure::new("BadPicture", error.to_string());
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).map_err(failed)?;
    if bytes.len() > MAX_PNG {
        bytes.clear();
        picture
            .write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))
            .map_err(failed)?;
    }
    Ok(Drawn { bytes, size: picture.dimensions() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of one shade; noise would not compress.
    fn shade(width: u32, height: u32, shade: u8) -> DynamicImage {
        DynamicImage::ImageRgb8(RgbImage::from_pixel(width, height, image::Rgb([shade; 3])))
    }

    #[test]
    fn every_picture_has_its_square() {
        let cells =
            vec![vec![shade(30, 60, 10), shade(50, 30, 20)], vec![shade(1, 1, 30)], vec![shade(8, 8, 40)]];
        let sheet = sheet(&cells, 2, 2).unwrap().unwrap();
        assert_eq!(sheet.size, (120, 60), "two rows of two cells of two squares of 30");
        let read = image::load_from_memory(&sheet.bytes).unwrap().into_rgb8();
        let at = |x: u32, y: u32| read.get_pixel(x * 30 + 15, y * 30 + 15).0[0];
        assert_eq!([at(0, 0), at(1, 0), at(2, 0), at(3, 0), at(0, 1)], [10, 20, 30, 255, 40]);
    }

    #[test]
    fn a_large_picture_is_small_enough_for_a_report() {
        let noise = RgbImage::from_fn(900, 700, |x, y| {
            let mixed = x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503);
            image::Rgb([mixed as u8, (mixed >> 8) as u8, (mixed >> 16) as u8])
        });
        let noise = DynamicImage::ImageRgb8(noise);
        let one = alone(&noise).unwrap();
        assert_eq!(one.size, (320, 249));
        let many = sheet(&vec![vec![noise]; 140], 1, 12).unwrap().unwrap();
        assert_eq!(many.size, (12 * MOST, 12 * MOST));
        for drawn in [one, many] {
            assert!(drawn.bytes.len() < 1 << 20, "{}", drawn.bytes.len());
            image::load_from_memory(&drawn.bytes).unwrap();
        }
        assert!(sheet(&[], 1, 1).is_none());
    }
}
