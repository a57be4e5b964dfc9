//! Drawings as SVG, the same for all formats: plain elements, text as text, and a style of classes.
//!
//! - `draw`: a drawing of any kind, with its title and description
//! - `plot`, `bars`, `matrix`, `sheet`: each kind
//! - `axis`: from values to places, and the ticks
//! - `legend`: which line is which, and the labels of marks
//! - `canvas`: elements, escaped; the style; how wide a text is

mod axis;
mod bars;
mod canvas;
mod draw;
mod legend;
mod matrix;
mod plot;
mod sheet;

pub use canvas::Bytes;
pub use draw::svg;
