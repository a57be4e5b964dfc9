//! A decoded picture, resized as torchvision's transforms do it with Pillow.

use std::cell::RefCell;
use std::io::Cursor;

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::{ImageFormat, RgbImage};

use crate::read::decode;

thread_local! {
    /// It keeps its buffers, which are as large as a picture.
    static RESIZER: RefCell<Resizer> = RefCell::default();
}

/// An 8-bit RGB image, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    /// `3 × width × height` bytes.
    pub rgb: Vec<u8>,
}

/// What a network sees of a picture: a part of it in pixels, perhaps mirrored.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
    pub mirrored: bool,
}

impl Picture {
    /// Decodes an image of any colour type. Drops transparency, as Pillow's `convert("RGB")` does.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let image = decode(bytes)?;
        Ok(Self { width: image.width(), height: image.height(), rgb: image.into_rgb8().into_raw() })
    }

    /// Resizes to `size` × `size` with Pillow's bilinear filter, whose support grows as it shrinks the image.
    pub fn resize(&self, size: u32) -> Result<Self, String> {
        self.show(self.whole(), size)
    }

    /// The view of the whole picture.
    pub fn whole(&self) -> View {
        View { left: 0, top: 0, width: self.width, height: self.height, mirrored: false }
    }

    fn show(&self, view: View, size: u32) -> Result<Self, String> {
        let mut shown = Self { width: size, height: size, rgb: vec![0; 3 * (size * size) as usize] };
        self.show_in(view, size, &mut shown.rgb)?;
        Ok(shown)
    }

    /// Writes a view, resized to `size` × `size`, into `out`, which has `3 × size × size` bytes. The filter sees no pixel outside
    /// of the view, as with Pillow's `crop` before its `resize`.
    ///
    /// # Errors
    /// The view isn't inside the picture, or `out` has another size.
    pub fn show_in(&self, view: View, size: u32, out: &mut [u8]) -> Result<(), String> {
        let wrong = |error: &dyn std::fmt::Display| error.to_string();
        let whole = TypedImageRef::<U8x3>::from_buffer(self.width, self.height, &self.rgb);
        let whole = whole.map_err(|error| wrong(&error))?;
        let part = TypedCroppedImage::from_ref(&whole, view.left, view.top, view.width, view.height);
        let part = part.map_err(|error| wrong(&error))?;
        let target = TypedImage::<U8x3>::from_buffer(size, size, out);
        let mut target = target.map_err(|error| wrong(&error))?;
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let resized = RESIZER.with_borrow_mut(|resizer| resizer.resize_typed(&part, &mut target, &options));
        resized.map_err(|error| wrong(&error))?;
        if view.mirrored {
            for row in out.chunks_exact_mut(3 * size as usize) {
                let (pixels, _) = row.as_chunks_mut::<3>();
                pixels.reverse();
            }
        }
        Ok(())
    }

    /// Returns the square in the middle, with sides of `side` pixels or fewer.
    pub fn thumbnail(&self, side: u32) -> Result<Self, String> {
        let square = self.width.min(self.height);
        let (left, top) = ((self.width - square) / 2, (self.height - square) / 2);
        self.show(View { left, top, width: square, height: square, mirrored: false }, square.min(side))
    }

    /// Encodes as PNG.
    pub fn png(self) -> Result<Vec<u8>, String> {
        let image = RgbImage::from_raw(self.width, self.height, self.rgb).ok_or("it lacks pixels")?;
        let mut png = Vec::new();
        image.write_to(&mut Cursor::new(&mut png), ImageFormat::Png).map_err(|error| error.to_string())?;
        Ok(png)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(width: u32, height: u32) -> Picture {
        let rgb = (0..3 * width * height).map(|i| (i * 7 % 251) as u8).collect();
        Picture { width, height, rgb }
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
    fn a_view_is_the_part_that_it_names_and_mirrored_if_it_says_so() {
        let picture = gradient(5, 4);
        let view = View { left: 1, top: 2, width: 2, height: 2, mirrored: false };
        let (pixels, _) = picture.rgb.as_chunks::<3>();
        let shown = |view| picture.show(view, 2).unwrap().rgb;
        assert_eq!(shown(view), [pixels[11], pixels[12], pixels[16], pixels[17]].concat());
        let mirrored = View { mirrored: true, ..view };
        assert_eq!(shown(mirrored), [pixels[12], pixels[11], pixels[17], pixels[16]].concat());
        assert!(picture.show(View { left: 4, ..view }, 2).is_err());
        assert!(picture.show_in(view, 2, &mut [0; 11]).is_err());
    }
}
