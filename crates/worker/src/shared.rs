//! Features that jobs share through S3: what one has computed of some images, another with the same images and the same
//! backbone reads, and need not decode them.
//!
//! Nothing is locked. Two jobs that need the same features at the same time both compute them, and write the same object. No
//! job fails because of what is or isn't there: it computes what it can't read.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use opsml_contract::{FineTune, Hyperparameters, Precision, bucket_and_prefix};
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

use crate::dataset::Sample;
use crate::error::{Error, Result};
use crate::precision;
use crate::resnet::ResNet;
use crate::s3::{Failure, Folder};
use crate::state_dict::{self, Array};

/// Is raised when features are computed or written otherwise than before.
const FORMAT: u32 = 1;
/// The name of the tensor in an object, and of its [`About`] as JSON in the header.
const NAME: &str = "features";
const ABOUT: &str = "opsml";
/// The most bytes of an object's header.
const HEADER: u64 = 16 << 10;

/// The features that a job shares with others, if it does.
pub struct Shared {
    place: Option<Place>,
    say: fn(&str),
}

/// Where they are.
struct Place {
    folder: Folder,
    /// SHA-256 (hex) over the backbone's weights.
    backbone: String,
    /// Features of an image.
    width: usize,
    image_size: u32,
    /// What was looked for and not used yet, by the name of its object.
    found: RefCell<HashMap<String, Option<Tensor>>>,
    /// Whether it can be reached. If not, it isn't tried again: each try could take minutes.
    reachable: Cell<bool>,
    /// Whether it was said that S3 refuses to read. Another object may be there all the same.
    refused: Cell<bool>,
    /// Whether writing hasn't failed yet.
    writable: Cell<bool>,
}

/// Features that another job has computed.
pub struct Known {
    /// Images × width, float32.
    pub values: Tensor,
    /// Where they were read, as a URI.
    pub source: String,
}

/// What an object says of itself.
#[derive(Serialize, Deserialize)]
struct About {
    /// Its name.
    name: String,
    /// SHA-256 (hex) over the bytes of its values.
    sha256: String,
}

/// All that features depend on.
#[derive(Serialize)]
struct Key<'a> {
    format: u32,
    worker: &'a str,
    backbone: &'a str,
    image_size: u32,
    /// What was asked for: of `auto`, a probe has found that the numbers are good enough.
    asked: Precision,
    computed: &'a str,
    /// SHA-256 (hex) over the images' names and contents, in their order.
    images: String,
}

impl Shared {
    /// Returns the features that a job with a frozen backbone shares at the place that its hyperparameters name. `say` logs
    /// what is read, what isn't, and why.
    ///
    /// # Errors
    /// libtorch's.
    pub fn of(hyperparameters: &Hyperparameters, model: &ResNet, say: fn(&str)) -> Result<Self> {
        let nowhere = Self { place: None, say };
        let Some((bucket, prefix)) = hyperparameters.features.as_deref().and_then(bucket_and_prefix) else {
            return Ok(nowhere);
        };
        if hyperparameters.fine_tune == FineTune::Full {
            say("no features are shared: the backbone learns, so each step has others");
            return Ok(nowhere);
        }
        let folder = match Folder::new(bucket, prefix) {
            Ok(folder) => folder,
            Err(why) => {
                say(&format!("no features are shared: {why}"));
                return Ok(nowhere);
            }
        };
        let place = Place {
            folder,
            backbone: model.backbone_digest()?,
            width: usize::try_from(model.width()).unwrap_or_default(),
            image_size: hyperparameters.image_size,
            found: RefCell::default(),
            reachable: Cell::new(true),
            refused: Cell::new(false),
            writable: Cell::new(true),
        };
        Ok(Self { place: Some(place), say })
    }

    /// Returns the numbers that a probe has chosen for the features of some images which are there. `has_bf16`: whether this
    /// job can compute in bfloat16.
    pub fn chosen(&self, samples: &[Sample], has_bf16: bool) -> Option<Kind> {
        let kinds = [Kind::BFloat16, Kind::Float].into_iter();
        let mut kinds = kinds.filter(|kind| *kind == Kind::Float || has_bf16);
        kinds.find(|kind| self.find(samples, Precision::Auto, *kind))
    }

    /// Whether the features of some images are there, computed in `kind` by a job that was `asked` for a precision.
    pub fn find(&self, samples: &[Sample], asked: Precision, kind: Kind) -> bool {
        let Some(place) = self.place.as_ref().filter(|_| !samples.is_empty()) else { return false };
        let name = place.name(samples, asked, kind);
        let mut found = place.found.borrow_mut();
        found.entry(name).or_insert_with_key(|name| self.read(place, name, samples.len())).is_some()
    }

    /// Returns the features that [`Self::find`] finds.
    pub fn take(&self, samples: &[Sample], asked: Precision, kind: Kind) -> Option<Known> {
        let place = self.place.as_ref().filter(|_| self.find(samples, asked, kind))?;
        let name = place.name(samples, asked, kind);
        let values = place.found.borrow_mut().remove(&name).flatten()?;
        Some(Known { values, source: place.folder.uri(&name) })
    }

    /// Leaves the features of some images (images × width) for other jobs.
    pub fn put(&self, samples: &[Sample], asked: Precision, kind: Kind, values: &Tensor) {
        let Some(place) = self.place.as_ref().filter(|place| !samples.is_empty() && place.writable.get())
        else {
            return;
        };
        let name = place.name(samples, asked, kind);
        let (count, uri) = (samples.len(), place.folder.uri(&name));
        let written = encode(values, &name)
            .map_err(|error| error.to_string())
            .and_then(|content| place.folder.put(&name, &content).map_err(|why| why.to_string()));
        match written {
            Ok(()) => {
                (self.say)(&format!("the features of {} were computed, and left at {uri}", images(count)))
            }
            Err(why) => {
                place.writable.set(false);
                (self.say)(&format!(
                    "the features of {} were computed, and can't be left at {uri}: {why}",
                    images(count)
                ));
            }
        }
    }

    fn read(&self, place: &Place, name: &str, count: usize) -> Option<Tensor> {
        if !place.reachable.get() {
            return None;
        }
        let uri = place.folder.uri(name);
        let limit = place.limit(count);
        let bytes = match place.folder.get(name, limit + 1) {
            Ok(bytes) => bytes?,
            Err(why) => {
                let is_refused = matches!(why, Failure::Refused(_));
                place.reachable.set(is_refused);
                if !(is_refused && place.refused.replace(true)) {
                    (self.say)(&format!("features can't be read from {uri}, so they are computed: {why}"));
                }
                return None;
            }
        };
        let read = match bytes.len() as u64 > limit {
            true => Err(format!("it has more than {limit} bytes")),
            false => decode(&bytes, name, [count, place.width]),
        };
        match read {
            Ok(values) => {
                (self.say)(&format!("the features of {} were read from {uri}", images(count)));
                Some(values)
            }
            Err(why) => {
                (self.say)(&format!("what is at {uri} isn't used, so the features are computed: {why}"));
                None
            }
        }
    }
}

impl Place {
    /// Returns the name of the object with the features of some images.
    fn name(&self, samples: &[Sample], asked: Precision, kind: Kind) -> String {
        let mut images = Sha256::new();
        for sample in samples {
            images.update(&sample.identity);
        }
        let key = Key {
            format: FORMAT,
            worker: env!("CARGO_PKG_VERSION"),
            backbone: &self.backbone,
            image_size: self.image_size,
            asked,
            computed: precision::name(kind),
            images: hex::encode(images.finalize()),
        };
        let key = serde_json::to_vec(&key).unwrap_or_default();
        format!("{}.safetensors", hex::encode(Sha256::digest(key)))
    }

    /// The most bytes of an object with the features of so many images.
    fn limit(&self, count: usize) -> u64 {
        HEADER + (count as u64).saturating_mul(self.width as u64).saturating_mul(4)
    }
}

/// Returns an object's content: a safetensors file that names itself and the SHA-256 of its values.
fn encode(values: &Tensor, name: &str) -> Result<Vec<u8>> {
    let array = Array::from_tensor(&values.f_to_device(Device::Cpu)?)?;
    let about = About { name: name.to_owned(), sha256: hex::encode(Sha256::digest(&array.bytes)) };
    let about = serde_json::to_string(&about).map_err(|error| Error::new(error.to_string()))?;
    let about = HashMap::from([(ABOUT.to_owned(), about)]);
    state_dict::to_safetensors(&vec![(NAME.to_owned(), array)], Some(about))
}

/// Reads an object's content. It may come from anybody who may write there.
fn decode(bytes: &[u8], name: &str, shape: [usize; 2]) -> std::result::Result<Tensor, String> {
    let about = state_dict::safetensors_metadata(bytes)?;
    let about = about.get(ABOUT).and_then(|about| serde_json::from_str::<About>(about).ok());
    let about = about.ok_or("no job of this worker wrote it")?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let view = file.tensor(NAME).map_err(|_| format!("it has no tensor {NAME}"))?;
    if about.name != name {
        return Err("it was written under another name".to_owned());
    }
    if view.dtype() != Dtype::F32 || view.shape() != shape {
        return Err(format!(
            "it has values of type {:?} and shape {:?}, not {:?} and {shape:?}",
            view.dtype(),
            view.shape(),
            Dtype::F32
        ));
    }
    let digest = hex::encode(Sha256::digest(view.data()));
    if about.sha256 != digest {
        return Err("its values aren't those that were written".to_owned());
    }
    let shape = shape.map(|length| length as i64);
    let read = Tensor::f_from_data_size(view.data(), &shape, Kind::Float);
    let values = read.map_err(|error| error.to_string())?;
    let sound = values.f_isfinite().and_then(|finite| finite.f_all()).and_then(|all| all.f_int64_value(&[]));
    match sound {
        Ok(1) => Ok(values),
        _ => Err("it has values that aren't finite".to_owned()),
    }
}

fn images(count: usize) -> String {
    if count == 1 { "1 image".to_owned() } else { format!("{count} images") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_whole_under_this_name_is_read() {
        let values = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]).view([2, 3]);
        let whole = encode(&values, "a").unwrap();
        assert_eq!(decode(&whole, "a", [2, 3]).unwrap(), values);
        let refused = |bytes: &[u8], name, shape, why: &str| {
            let error = decode(bytes, name, shape).unwrap_err();
            assert!(error.contains(why), "{error}");
        };
        refused(&whole, "b", [2, 3], "another name");
        refused(&whole, "a", [3, 2], "shape [2, 3], not F32 and [3, 2]");
        refused(&whole[..whole.len() - 1], "a", [2, 3], "");
        refused(b"", "a", [2, 3], "");
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        refused(&changed, "a", [2, 3], "aren't those that were written");
        let endless = Tensor::from_slice(&[f32::INFINITY]).view([1, 1]);
        refused(&encode(&endless, "a").unwrap(), "a", [1, 1], "aren't finite");
        let whole = encode(&values.to_kind(Kind::Double), "a").unwrap();
        refused(&whole, "a", [2, 3], "type F64");
    }
}
