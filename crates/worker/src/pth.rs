//! PyTorch's own format for a state dict: a zip of one pickle and the raw bytes of each tensor.
//!
//! `torch.load(weights_only=True)` reads the result of [`write`]. [`read`] reads the files of `torch.save` since PyTorch 1.6.
//! It creates only tensors, and checks every number in the file.

use std::collections::HashMap;
use std::io::{Cursor, Read, Seek, Write};
use std::rc::Rc;

use safetensors::Dtype;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::error::{Error, Result};
use crate::pickle::{self, TensorView};
use crate::state_dict::{Array, StateDict};

/// The most bytes of the pickle. That of a ResNet-50 has 40,000.
const MAX_PICKLE: u64 = 16 << 20;

const STORAGES: [(&str, Dtype); 6] = [
    ("FloatStorage", Dtype::F32),
    ("DoubleStorage", Dtype::F64),
    ("HalfStorage", Dtype::F16),
    ("BFloat16Storage", Dtype::BF16),
    ("LongStorage", Dtype::I64),
    ("ByteStorage", Dtype::U8),
];

/// Writes a state dict as `torch.save(model.state_dict(), …)` does.
pub fn write(tensors: &StateDict, file: impl Write + Seek) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| Error::new(format!("can't write the state dict: {error}"));
    let mut zip = ZipWriter::new(file);
    // PyTorch maps storages into memory, so each starts at a multiple of 64.
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored).with_alignment(64);
    let mut entry = |name: &str, bytes: &[u8]| {
        zip.start_file(format!("archive/{name}"), options).map_err(|error| failed(&error))?;
        zip.write_all(bytes).map_err(|error| failed(&error))
    };
    entry("data.pkl", &pickle_of(tensors)?)?;
    entry("byteorder", b"little")?;
    for (index, (_, array)) in tensors.iter().enumerate() {
        entry(&format!("data/{index}"), &array.bytes)?;
    }
    entry("version", b"3\n")?;
    zip.finish().map_err(|error| failed(&error))?;
    Ok(())
}

fn pickle_of(tensors: &StateDict) -> Result<Vec<u8>> {
    const ORDERED_DICT: &[u8] = b"ccollections\nOrderedDict\n)R";
    let mut out = b"\x80\x02".to_vec();
    out.extend(ORDERED_DICT);
    out.push(b'(');
    for (index, (name, array)) in tensors.iter().enumerate() {
        let (class, _) = STORAGES
            .into_iter()
            .find(|(_, dtype)| *dtype == array.dtype)
            .ok_or_else(|| Error::new(format!("{name}: PyTorch has no storage for {:?}", array.dtype)))?;
        text(&mut out, name);
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend(format!("ctorch\n{class}\n").bytes());
        text(&mut out, &index.to_string());
        text(&mut out, "cpu");
        int(&mut out, array.shape.iter().product());
        out.extend(b"tQ");
        int(&mut out, 0);
        ints(&mut out, array.shape.iter().copied());
        ints(&mut out, contiguous_strides(&array.shape));
        // requires_grad=False, backward_hooks=OrderedDict()
        out.push(0x89);
        out.extend(ORDERED_DICT);
        out.extend(b"tR");
    }
    out.extend(b"u.");
    Ok(out)
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    // Names of tensors, storages and devices are short.
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

fn int(out: &mut Vec<u8>, value: usize) {
    // LONG1 with eight bytes.
    out.extend([0x8a, 8]);
    out.extend((value as u64).to_le_bytes());
}

fn ints(out: &mut Vec<u8>, values: impl IntoIterator<Item = usize>) {
    out.push(b'(');
    values.into_iter().for_each(|value| int(out, value));
    out.push(b't');
}

fn contiguous_strides(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect()
}

/// Reads a state dict from the bytes of a `.pth` file; the error completes "can't read FILE: …".
pub fn read(bytes: &[u8]) -> std::result::Result<StateDict, String> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|_| {
        "it isn't a file that PyTorch 1.6 or newer wrote: load it there, and torch.save(model.state_dict(), …) again".to_owned()
    })?;
    let names: Vec<String> = zip.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let data_pkl = names
        .iter()
        .find(|name| name.ends_with("/data.pkl"))
        .ok_or("it has no data.pkl: save model.state_dict() with torch.save")?;
    let root = data_pkl.trim_end_matches("data.pkl");
    if names.iter().any(|name| name.ends_with("/constants.pkl")) {
        return Err("it is a TorchScript archive: save model.state_dict() with torch.save".to_owned());
    }
    let byteorder = format!("{root}byteorder");
    if names.contains(&byteorder) && entry(&mut zip, &byteorder, 16)? != b"little" {
        return Err("it was written on a big-endian machine".to_owned());
    }
    let views = pickle::read_state_dict(&entry(&mut zip, data_pkl, MAX_PICKLE)?)?;

    let mut storages: HashMap<Rc<str>, Vec<u8>> = HashMap::new();
    let mut budget = 2 * bytes.len();
    let mut tensors = StateDict::with_capacity(views.len());
    for (name, view) in views {
        let key = &view.storage.key;
        if !storages.contains_key(key) {
            let values = entry(&mut zip, &format!("{root}data/{key}"), bytes.len() as u64)?;
            storages.insert(key.clone(), values);
        }
        let array = gather(&view, &storages[key], &mut budget).map_err(|error| format!("{name}: {error}"))?;
        tensors.push((name.to_string(), array));
    }
    Ok(tensors)
}

fn entry(
    zip: &mut ZipArchive<Cursor<&[u8]>>,
    name: &str,
    limit: u64,
) -> std::result::Result<Vec<u8>, String> {
    let file = zip.by_name(name).map_err(|error| format!("{name}: {error}"))?;
    // PyTorch never compresses, so a member cannot be larger than the file.
    if file.compression() != CompressionMethod::Stored || file.size() > limit {
        return Err(format!("{name} is compressed or too large: PyTorch doesn't write such files"));
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(|error| format!("{name}: {error}"))?;
    Ok(bytes)
}

/// Copies a view's values from its storage. `budget` limits the bytes of all views, because a hostile file could have a
/// million views of one storage.
fn gather(view: &TensorView, storage: &[u8], budget: &mut usize) -> std::result::Result<Array, String> {
    const OUTSIDE: &str = "it lies outside its storage";
    let (_, dtype) = STORAGES
        .into_iter()
        .find(|(class, _)| *class == &*view.storage.class)
        .ok_or_else(|| format!("a {} isn't supported: save as float32", view.storage.class))?;
    let width = dtype.bitsize() / 8;
    if view.shape.len() != view.strides.len() || view.shape.len() > 8 {
        return Err("its shape and strides don't fit".to_owned());
    }
    let sizes = |values: &[u64]| -> Option<Vec<usize>> {
        values.iter().map(|value| usize::try_from(*value).ok()).collect()
    };
    let (shape, strides) = (sizes(&view.shape).ok_or(OUTSIDE)?, sizes(&view.strides).ok_or(OUTSIDE)?);
    let count = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size)).ok_or(OUTSIDE)?;
    let length = count.checked_mul(width).ok_or(OUTSIDE)?;
    *budget = budget.checked_sub(length).ok_or("it shows the same values too often")?;
    if count == 0 {
        return Ok(Array { dtype, shape, bytes: Vec::new() });
    }
    let offset = usize::try_from(view.offset).map_err(|_| OUTSIDE)?;
    let last = shape.iter().zip(&strides).try_fold(offset, |at, (size, stride)| {
        (size - 1).checked_mul(*stride).and_then(|step| at.checked_add(step))
    });
    let elements = storage.len() / width;
    if last.is_none_or(|last| last >= elements) || view.storage.elements != elements as u64 {
        return Err(OUTSIDE.to_owned());
    }
    let bytes = if strides == contiguous_strides(&shape) {
        storage[offset * width..(offset + count) * width].to_vec()
    } else {
        let mut bytes = Vec::with_capacity(length);
        let mut index = vec![0; shape.len()];
        for _ in 0..count {
            let at = offset + index.iter().zip(&strides).map(|(i, stride)| i * stride).sum::<usize>();
            bytes.extend_from_slice(&storage[at * width..(at + 1) * width]);
            // Advances the index, last dimension first.
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        bytes
    };
    Ok(Array { dtype, shape, bytes })
}
