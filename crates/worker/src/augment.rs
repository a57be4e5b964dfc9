//! What a training sees of a picture: a random part of it, perhaps mirrored, as torchvision's transforms draw it.

use opsml_contract::Transform;
use opsml_pictures::View;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Draws the view of a picture of `width` × `height` pixels.
pub fn augmented(transform: Transform, width: u32, height: u32, random: &mut StdRng) -> View {
    let mut view = View { left: 0, top: 0, width, height, mirrored: false };
    if transform == Transform::RandomResizedCrop {
        (view.left, view.top, view.width, view.height) = random_resized_crop(width, height, random);
    }
    view.mirrored = transform != Transform::Resize && random.random_bool(0.5);
    view
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
    fn only_what_a_transform_names_is_drawn() {
        let drawn = |transform| {
            (0..50).map(move |index| augmented(transform, 37, 21, &mut random_for(1, 2, 3, index)))
        };
        let is_whole = |view: View| (view.left, view.top, view.width, view.height) == (0, 0, 37, 21);
        assert!(drawn(Transform::Resize).all(|view| is_whole(view) && !view.mirrored));
        assert!(drawn(Transform::Flip).all(is_whole) && drawn(Transform::Flip).any(|view| view.mirrored));
        assert!(drawn(Transform::RandomResizedCrop).any(|view| view.mirrored && !is_whole(view)));
    }
}
