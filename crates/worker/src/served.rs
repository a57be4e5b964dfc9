//! What an endpoint serves: a model of the worker's own training, or a TorchScript module of a script of one's own.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use opsml_contract::{Device as Asked, MODEL_MANIFEST, MODULE_INPUT, ModuleInput, worded};
use opsml_pictures::Picture;
use tch::{CModule, Device, Kind, Tensor, no_grad};

use crate::device::{chosen, on};
use crate::error::{AtPath, Error, Result};
use crate::precision::{self, has_bf16};
use crate::resnet::ResNet;
use crate::state_dict::MAX_FILE;
use crate::still::Still;
use crate::weights;

/// What would be served, for the message of what can't be.
const NEEDED: &str = "opsml-worker serves a TorchScript module, which torch.jit.script(model).save(\"model.pth\") or torch.jit.trace \
writes, or what it trained itself; for another model, deploy with an image that runs your own inference.py, such as AWS's \
pytorch-inference";

/// A model that turns one image into logits.
pub enum Served {
    Own { model: ResNet, still: Still },
    Module { module: CModule, device: Device, input: ModuleInput, path: PathBuf },
}

impl Served {
    /// Loads the model of a folder: with `classes.json` the worker's own, or the one TorchScript module, a file whose name
    /// ends in `.pth`, `.pt` or `.ts`. A module answers one black image, so that one that can't ends here. Both are on the GPU
    /// if there is one.
    ///
    /// # Errors
    /// The file that can't be served, what it is and what is needed.
    pub fn load(folder: &Path) -> Result<Self> {
        let device = chosen(Asked::Auto)?;
        if folder.join(MODEL_MANIFEST).is_file() {
            return Self::own(weights::load_model(folder, device)?);
        }
        let path = module_file(folder)?;
        let input = module_input(&path.with_file_name(MODULE_INPUT))?;
        is_module(&path)?;
        // It may have been saved on another device.
        let mut module = CModule::load_on_device(&path, device).map_err(|error| {
            unserved(&path, &format!("can't be loaded: {}", first_line(&error.to_string())))
        })?;
        module.f_set_eval()?;
        let size = input.image_size;
        let served = Self::Module { module, device, input, path };
        served.answers(&[Picture { width: size, height: size, rgb: vec![0; 3 * (size * size) as usize] }])?;
        Ok(served)
    }

    /// Serves in bfloat16 where the job has computed in it and found that it agrees, if this processor has it. No time is taken
    /// here: two times would differ, and an endpoint that is started again must answer what it answered.
    fn own(model: ResNet) -> Result<Self> {
        let kind = match model.manifest().agrees_in_bf16 && has_bf16(model.device()) {
            true => Kind::BFloat16,
            false => Kind::Float,
        };
        eprintln!("precision: {}", precision::name(kind));
        Ok(Self::Own { still: model.still(kind)?, model })
    }

    /// The width and height of the images that it takes.
    pub fn image_size(&self) -> u32 {
        match self {
            Self::Own { model, .. } => model.manifest().image_size,
            Self::Module { input, .. } => input.image_size,
        }
    }

    /// Returns the logits of each of some images of that size. If the images can't be computed together, each is alone.
    pub fn logits(&self, pictures: &[Picture]) -> Vec<Result<Vec<f64>>> {
        match self.answers(pictures) {
            Ok(all) => all.into_iter().map(Ok).collect(),
            Err(error) if pictures.len() == 1 => vec![Err(error)],
            Err(_) => pictures.iter().flat_map(|one| self.logits(std::slice::from_ref(one))).collect(),
        }
    }

    fn answers(&self, pictures: &[Picture]) -> Result<Vec<Vec<f64>>> {
        let side = i64::from(self.image_size());
        let rgb: Vec<&[u8]> = pictures.iter().map(|picture| &picture.rgb[..]).collect();
        let images =
            Tensor::f_from_data_size(&rgb.concat(), &[pictures.len() as i64, side, side, 3], Kind::Uint8)?
                .f_to_kind(Kind::Float)?
                .f_div_scalar_(255.0)?
                .f_permute([0, 3, 1, 2])?;
        let logits = match self {
            Self::Own { model, still } => no_grad(|| model.head(&still.features(&images)?))?,
            Self::Module { module, device, input, path } => {
                // Not every module takes several images.
                let each = (0..pictures.len() as i64).map(|place| {
                    answer(module, *device, input, path, &images.f_narrow(0, place, 1)?)?
                        .f_reshape([1, -1])
                        .map_err(Error::from)
                });
                Tensor::f_cat(&each.collect::<Result<Vec<_>>>()?, 0)?
            }
        };
        let logits = logits.f_to_kind(Kind::Double)?.f_contiguous()?;
        let mut values = vec![0.0; logits.numel()];
        let count = values.len();
        logits.f_copy_data(&mut values, count)?;
        Ok(values.chunks(count / pictures.len().max(1)).map(<[f64]>::to_vec).collect())
    }
}

/// Returns what a module answers to an image with values from 0 to 1: one row of logits.
fn answer(
    module: &CModule,
    device: Device,
    input: &ModuleInput,
    path: &Path,
    image: &Tensor,
) -> Result<Tensor> {
    let channels = |values: &[f64; 3]| -> Result<Tensor> {
        Ok(Tensor::f_from_slice(values)?.f_to_kind(Kind::Float)?.f_view([1, 3, 1, 1])?)
    };
    let normal = image.f_sub(&channels(&input.mean)?)?.f_div(&channels(&input.std)?)?.f_contiguous()?;
    let normal = on(device, &normal)?;
    let answered = tch::no_grad(|| module.forward_ts(&[normal]));
    let side = input.image_size;
    let logits = answered.map_err(|error| {
        let why = first_line(&error.to_string());
        Error::new(format!(
            "{} does not answer an image of 1 × 3 × {side} × {side} with a tensor: {why}. {MODULE_INPUT} beside it may say another \"image_size\"",
            path.display()
        ))
    })?;
    let shape = logits.size();
    let classes = match shape[..] {
        [1, classes] | [classes] if classes > 0 => classes,
        _ => {
            return Err(Error::new(format!(
                "{} answers an image with a tensor of the shape {shape:?}, and not with one row of logits",
                path.display()
            )));
        }
    };
    match input.classes.len() {
        0 => Ok(logits),
        named if named as i64 == classes => Ok(logits),
        named => Err(Error::new(format!(
            "{} answers {classes} logits, and {MODULE_INPUT} beside it names {named} classes",
            path.display()
        ))),
    }
}

/// Returns the only file of a folder that may be a module.
fn module_file(folder: &Path) -> Result<PathBuf> {
    // There is no folder where there is no model.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let all: Vec<String> = files.iter().map(name).collect();
    let is_candidate = |path: &PathBuf| {
        path.extension().is_some_and(|ending| ["pth", "pt", "ts"].iter().any(|it| ending == *it))
    };
    let mut candidates: Vec<PathBuf> = files.into_iter().filter(is_candidate).collect();
    if candidates.len() > 1 {
        // Beside checkpoints, the model has the name that AWS's containers expect.
        candidates.retain(|path| path.file_stem().is_some_and(|stem| stem == "model"));
    }
    <[PathBuf; 1]>::try_from(candidates).map(|[path]| path).map_err(|_| {
        let found = if all.is_empty() { "no file".to_owned() } else { all.join(", ") };
        Error::new(format!(
            "model.tar.gz has {found}, and neither {MODEL_MANIFEST} nor one model.pth, model.pt or model.ts: {NEEDED}"
        ))
    })
}

fn module_input(path: &Path) -> Result<ModuleInput> {
    let input: ModuleInput = match File::open(path) {
        Ok(file) => {
            serde_json::from_reader(BufReader::new(file)).map_err(|error| worded(&error)).at("read", path)?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => ModuleInput::default(),
        Err(error) => return Err(error).at("read", path),
    };
    let usable = |value: &f64| value.is_finite() && *value != 0.0;
    if !(1..=4096).contains(&input.image_size) || !input.std.iter().all(usable) {
        let message = format!("{}: image_size is from 1 to 4096, and no std is 0", path.display());
        return Err(Error::new(message));
    }
    Ok(input)
}

/// Refuses a file that is no TorchScript module, and says what it is. A module is a zip with code and constants; what
/// `torch.save` writes is a zip without.
fn is_module(path: &Path) -> Result<()> {
    let bytes = fs::metadata(path).at("read", path)?.len();
    if bytes > MAX_FILE {
        return Err(unserved(path, &format!("has {bytes} bytes, and {MAX_FILE} is the limit")));
    }
    let file = File::open(path).at("open", path)?;
    let Ok(zip) = zip::ZipArchive::new(BufReader::new(file)) else {
        return Err(unserved(path, &format!("is no file of PyTorch's, or an old one ({bytes} bytes)")));
    };
    // All files are in one folder, which is named as the module was.
    let has = |name: &str| {
        let mut inside = zip.file_names().flatten();
        inside.any(|entry| entry.split_once('/').is_some_and(|(_, inside)| inside == name))
    };
    match (has("constants.pkl"), has("data.pkl")) {
        (true, _) => Ok(()),
        (_, true) => Err(unserved(
            path,
            "is what torch.save writes, weights or an object, which names no network to run",
        )),
        _ => Err(unserved(path, "is a zip, and none of PyTorch's")),
    }
}

fn unserved(path: &Path, what: &str) -> Error {
    Error::new(format!("{} {what}: {NEEDED}", path.display()))
}

/// Returns the reason that libtorch gives, without its stack.
fn first_line(text: &str) -> String {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().chars().take(300).collect()
}
