//! One image: decoded, augmented and resized as torchvision's transforms do it with Pillow.

use std::io::Cursor;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{ImageFormat, RgbImage};
use opsml_contract::Transform;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// An 8-bit RGB image, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    /// `3 × width × height` bytes.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// Decodes an image of any colour type. Drops transparency, as Pillow's `convert("RGB")` does.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let image = opsml_pictures::decode(bytes)?;
        Ok(Self { width: image.width(), height: image.height(), rgb: image.into_rgb8().into_raw() })
    }

    /// Resizes to `size` × `size` with Pillow's bilinear filter, whose support grows as it shrinks the image.
    pub fn resize(&self, size: u32) -> Result<Self, String> {
        if (self.width, self.height) == (size, size) {
            return Ok(self.clone());
        }
        let source = ImageRef::new(self.width, self.height, &self.rgb, PixelType::U8x3)
            .map_err(|error| error.to_string())?;
        let mut target = Image::new(size, size, PixelType::U8x3);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        Resizer::new().resize(&source, &mut target, &options).map_err(|error| error.to_string())?;
        Ok(Self { width: size, height: size, rgb: target.into_vec() })
    }

    /// Returns the square in the middle, with sides of `side` pixels or fewer.
    pub fn thumbnail(&self, side: u32) -> Result<Self, String> {
        let square = self.width.min(self.height);
        let middle = self.crop((self.width - square) / 2, (self.height - square) / 2, square, square);
        middle.resize(square.min(side))
    }

    /// Encodes as PNG.
    pub fn png(self) -> Result<Vec<u8>, String> {
        let image = RgbImage::from_raw(self.width, self.height, self.rgb).ok_or("it lacks pixels")?;
        let mut png = Vec::new();
        image.write_to(&mut Cursor::new(&mut png), ImageFormat::Png).map_err(|error| error.to_string())?;
        Ok(png)
    }

    fn crop(&self, left: u32, top: u32, width: u32, height: u32) -> Self {
        let row = |y: u32| {
            let start = 3 * (y as usize * self.width as usize + left as usize);
            &self.rgb[start..start + 3 * width as usize]
        };
        Self { width, height, rgb: (top..top + height).flat_map(row).copied().collect() }
    }

    fn flip(&mut self) {
        for row in self.rgb.chunks_exact_mut(3 * self.width as usize) {
            let (pixels, _) = row.as_chunks_mut::<3>();
            pixels.reverse();
        }
    }

    /// Returns a training image, augmented, with `size` × `size` pixels.
    pub fn augment(&self, transform: Transform, size: u32, random: &mut StdRng) -> Result<Self, String> {
        let mut picture = match transform {
            Transform::RandomResizedCrop => {
                let (left, top, width, height) = random_resized_crop(self.width, self.height, random);
                self.crop(left, top, width, height).resize(size)?
            }
            Transform::Flip | Transform::Resize => self.resize(size)?,
        };
        if transform != Transform::Resize && random.random_bool(0.5) {
            picture.flip();
        }
        Ok(picture)
    }
}

/// Returns the left, top, width and height of a random crop, as torchvision's `RandomResizedCrop.get_params` with scale
/// (0.08, 1) and ratio (3/4, 4/3).
fn random_resized_crop(width: u32, height: u32, random: &mut StdRng) -> (u32, u32, u32, u32) {
    let (w, h) = (f64::from(width), f64::from(height));
    let (low, high) = (3.0_f64 / 4.0, 4.0_f64 / 3.0);
    for _ in 0..10 {
        let area = w * h * random.random_range(0.08..1.0);
        let ratio = random.random_range(low.ln()..high.ln()).exp();
        let crop_w = (area * ratio).sqrt().round() as u32;
        let crop_h = (area / ratio).sqrt().round() as u32;
        if (1..=width).contains(&crop_w) && (1..=height).contains(&crop_h) {
            let top = random.random_range(0..=height - crop_h);
            let left = random.random_range(0..=width - crop_w);
            return (left, top, crop_w, crop_h);
        }
    }
    // A very long image: the largest crop in the centre with an allowed ratio.
    let (crop_w, crop_h) = match w / h {
        ratio if ratio < low => (width, ((w / low).round() as u32).clamp(1, height)),
        ratio if ratio > high => (((h * high).round() as u32).clamp(1, width), height),
        _ => (width, height),
    };
    ((width - crop_w) / 2, (height - crop_h) / 2, crop_w, crop_h)
}

/// Returns the random numbers for a purpose, an epoch and an image. They don't depend on earlier ones, so a resumed job has
/// the same as an uninterrupted one, with any number of threads.
pub fn random_for(seed: u64, purpose: u64, epoch: u32, index: usize) -> StdRng {
    let mut key = [0; 32];
    for (part, value) in key.chunks_exact_mut(8).zip([seed, purpose, u64::from(epoch), index as u64]) {
        part.copy_from_slice(&value.to_le_bytes());
    }
    StdRng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(width: u32, height: u32) -> Picture {
        let rgb = (0..3 * width * height).map(|i| (i * 7 % 251) as u8).collect();
        Picture { width, height, rgb }
    }

    #[test]
    fn crops_stay_inside_whatever_the_shape() {
        for (width, height) in [(1, 1), (1, 500), (500, 1), (2, 3), (640, 480)] {
            for index in 0..200 {
                let (left, top, w, h) = random_resized_crop(width, height, &mut random_for(1, 2, 3, index));
                assert!(w >= 1 && h >= 1 && left + w <= width && top + h <= height);
            }
        }
    }

    #[test]
    fn every_transform_gives_the_size_asked_for() {
        for transform in [Transform::RandomResizedCrop, Transform::Flip, Transform::Resize] {
            let made = gradient(37, 21).augment(transform, 32, &mut random_for(1, 2, 3, 4)).unwrap();
            assert_eq!((made.width, made.height, made.rgb.len()), (32, 32, 3 * 32 * 32));
        }
    }

    #[test]
    fn a_thumbnail_is_the_middle_and_no_larger_than_the_image() {
        for (width, height, side) in [(37, 21, 16), (21, 37, 16), (5, 9, 5), (1, 1, 1)] {
            let small = gradient(width, height).thumbnail(16).unwrap();
            assert_eq!((small.width, small.height), (side, side));
            assert_eq!(Picture::decode(&small.clone().png().unwrap()).unwrap(), small);
        }
        assert_eq!(gradient(9, 3).thumbnail(3).unwrap().rgb[..3], gradient(9, 3).rgb[9..12]);
    }

    #[test]
    fn flipping_twice_changes_nothing() {
        let mut picture = gradient(5, 4);
        picture.flip();
        assert_ne!(picture, gradient(5, 4));
        picture.flip();
        assert_eq!(picture, gradient(5, 4));
    }
}
