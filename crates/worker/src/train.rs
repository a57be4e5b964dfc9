//! `opsml-worker train`: one SageMaker training job on one instance.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use opsml_contract::{
    EpochMetrics, FineTune, Hyperparameters, MetricLine, ModelManifest, SetupMetrics, TRAINING_CHANNEL,
    TestMetrics, WEIGHTS_CHANNEL,
};
use tch::{Kind, Tensor};

use crate::checkpoint::Checkpoints;
use crate::container::{Container, create_folder, write_bytes};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::loader::{CACHE_BYTES, Split};
use crate::optimizer::Optimizer;
use crate::resnet::{Mode, ResNet};
use crate::weights;

/// Mean loss an image, and the share of images that were classified rightly.
#[derive(Default)]
struct Score {
    loss: f64,
    right: f64,
    images: f64,
}

/// Runs the job that `container` describes, up to its model folder. Resumes from the newest checkpoint of the same
/// job. Ends with [`Error::Stopped`] at the next batch once `stop` is set.
pub fn train(container: &Container, stop: &AtomicBool) -> Result<()> {
    let started = Instant::now();
    let hyperparameters = container.hyperparameters()?;
    container.check_single_instance()?;
    let folder = container.channel(TRAINING_CHANNEL)?.ok_or_else(|| {
        Error::new(format!(
            "the job has no channel {TRAINING_CHANNEL:?}: give it one with train/, valid/ and test/"
        ))
    })?;
    let mut dataset = Dataset::open(&folder)?;
    check_batches(&hyperparameters, dataset.train.len())?;

    let (size, mut cache) = (hyperparameters.image_size, CACHE_BYTES);
    let mut open = |samples, transform| Split::open(samples, transform, size, &mut cache);
    // The smaller splits first: what fits is decoded here and now, so a broken image ends the job at once.
    let test = open(std::mem::take(&mut dataset.test), None)?;
    let valid = open(std::mem::take(&mut dataset.valid), None)?;
    let train = open(std::mem::take(&mut dataset.train), Some(hyperparameters.transform))?;

    // libtorch takes any 64 bits.
    tch::manual_seed(hyperparameters.seed.cast_signed());
    let model = ResNet::new(&ModelManifest {
        arch: hyperparameters.arch,
        head_hidden: hyperparameters.head_hidden,
        image_size: size,
        classes: dataset.classes.clone(),
    })?;
    let pretrained = load_weights(container, &hyperparameters, &model)?;
    let head_only = hyperparameters.fine_tune == FineTune::Head;
    if head_only {
        model.freeze_backbone();
    }
    let batches = train_batches(&(0..train.len()).collect::<Vec<_>>(), &hyperparameters).len() as u64;
    let planned = batches * u64::from(hyperparameters.epochs);
    let mut optimizer = Optimizer::new(&hyperparameters, planned, model.parameters(head_only))?;
    let checkpoints = Checkpoints::open(container.checkpoints(), &hyperparameters, &dataset, pretrained)?;
    let (resumed_epochs, mut metrics) = checkpoints.resume(&model, &mut optimizer, say)?;
    metrics.retain(|line| !matches!(line, MetricLine::Setup(_)));
    let setup = MetricLine::Setup(SetupMetrics {
        classes: dataset.classes.clone(),
        train_images: train.len() as u64,
        valid_images: valid.len() as u64,
        test_images: test.len() as u64,
        resumed_epochs,
        seconds: started.elapsed().as_secs_f64(),
    });
    say(&setup.to_string());
    metrics.insert(0, setup);
    write_metrics(container, &metrics)?;

    for epoch in resumed_epochs + 1..=hyperparameters.epochs {
        let began = Instant::now();
        let learnt = train_epoch(&model, &mut optimizer, &train, &hyperparameters, epoch, stop)?;
        let seconds = began.elapsed().as_secs_f64();
        let checked = evaluate(&model, &valid, &hyperparameters, stop)?;
        let line = MetricLine::Epoch(EpochMetrics {
            epoch,
            train_loss: learnt.loss(),
            train_accuracy: learnt.accuracy(),
            valid_loss: checked.loss(),
            valid_accuracy: checked.accuracy(),
            seconds,
            images_per_second: train.len() as f64 / seconds,
        });
        metrics.push(line.clone());
        checkpoints.save(epoch, &model, &optimizer, &metrics)?;
        // Told once the epoch can't be lost any more.
        say(&line.to_string());
        write_metrics(container, &metrics)?;
    }

    let began = Instant::now();
    let tested = evaluate(&model, &test, &hyperparameters, stop)?;
    let line = MetricLine::Test(TestMetrics {
        test_loss: tested.loss(),
        test_accuracy: tested.accuracy(),
        seconds: began.elapsed().as_secs_f64(),
    });
    say(&line.to_string());
    metrics.push(line);
    write_metrics(container, &metrics)?;
    weights::save_model(&container.model(), &model)?;
    say(&format!("model saved to {}", container.model().display()));
    Ok(())
}

/// In training, batch norm needs two values a channel; at 32 pixels the last stage of a ResNet has one an image.
fn check_batches(hyperparameters: &Hyperparameters, images: usize) -> Result<()> {
    if hyperparameters.fine_tune == FineTune::Full && (hyperparameters.batch_size < 2 || images < 2) {
        return Err(Error::new(
            "full fine-tuning needs 2 images a batch or more, for batch normalisation: raise batch_size, add images to train/, or set fine_tune to head",
        ));
    }
    Ok(())
}

/// Loads the `weights` channel where there is one; gives its SHA-256.
fn load_weights(
    container: &Container,
    hyperparameters: &Hyperparameters,
    model: &ResNet,
) -> Result<Option<String>> {
    let wanted = hyperparameters.weights_sha256.as_deref();
    let Some(folder) = container.channel(WEIGHTS_CHANNEL)? else {
        return match wanted {
            Some(_) => Err(Error::new(format!(
                "weights_sha256 is given, and the job has no channel {WEIGHTS_CHANNEL:?}"
            ))),
            None => {
                if hyperparameters.fine_tune == FineTune::Head {
                    say(
                        "fine_tune is head, and no weights were given: the backbone is frozen as random weights",
                    );
                }
                Ok(None)
            }
        };
    };
    let pretrained = weights::read_channel(&folder, wanted)?;
    let head_loaded = model.load(&pretrained.state, true)?;
    let head =
        if head_loaded { "head included" } else { "but for the head, whose shape differs: it starts afresh" };
    say(&format!(
        "weights loaded from {} (SHA-256 {}), {head}",
        pretrained.path.display(),
        pretrained.sha256
    ));
    Ok(Some(pretrained.sha256))
}

/// Cuts an epoch's order into batches.
fn train_batches<'a>(order: &'a [usize], hyperparameters: &Hyperparameters) -> Vec<&'a [usize]> {
    let mut batches: Vec<&[usize]> = order.chunks(hyperparameters.batch_size as usize).collect();
    if let [.., before, last] = &mut batches[..]
        && last.len() == 1
    {
        // Batch norm can't learn from a single image: it joins the batch before it.
        *before = &order[order.len() - 1 - before.len()..];
        batches.pop();
    }
    batches
}

fn train_epoch(
    model: &ResNet,
    optimizer: &mut Optimizer,
    split: &Split,
    hyperparameters: &Hyperparameters,
    epoch: u32,
    stop: &AtomicBool,
) -> Result<Score> {
    let mode = match hyperparameters.fine_tune {
        FineTune::Full => Mode::Train,
        FineTune::Head => Mode::TrainHead,
    };
    let order = split.shuffled(hyperparameters.seed, epoch);
    let batches = train_batches(&order, hyperparameters);
    let mut score = Score::default();
    thread::scope(|scope| {
        for batch in split.batches(scope, &batches, hyperparameters.seed, epoch) {
            let batch = batch?;
            let logits = model.forward(&batch.images, mode)?;
            let loss = cross_entropy(&logits, &batch.labels)?;
            let value = score.add(&logits, &batch.labels, &loss)?;
            if !value.is_finite() {
                return Err(Error::new(format!(
                    "the training loss became {value} in epoch {epoch}: lower learning_rate (it is {})",
                    hyperparameters.learning_rate
                )));
            }
            optimizer.backward_step(&loss)?;
            check(stop)?;
        }
        Ok(score)
    })
}

fn evaluate(
    model: &ResNet,
    split: &Split,
    hyperparameters: &Hyperparameters,
    stop: &AtomicBool,
) -> Result<Score> {
    let order: Vec<usize> = (0..split.len()).collect();
    let batches: Vec<&[usize]> = order.chunks(hyperparameters.batch_size as usize).collect();
    let mut score = Score::default();
    thread::scope(|scope| {
        for batch in split.batches(scope, &batches, hyperparameters.seed, 0) {
            let batch = batch?;
            let logits = model.forward(&batch.images, Mode::Eval)?;
            score.add(&logits, &batch.labels, &cross_entropy(&logits, &batch.labels)?)?;
            check(stop)?;
        }
        if !score.loss().is_finite() {
            return Err(Error::new(format!(
                "the loss on held-out images became {}: lower learning_rate (it is {})",
                score.loss(),
                hyperparameters.learning_rate
            )));
        }
        Ok(score)
    })
}

fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    Ok(logits.f_cross_entropy_loss(labels, None::<&Tensor>, tch::Reduction::Mean, -100, 0.0)?)
}

fn check(stop: &AtomicBool) -> Result<()> {
    if stop.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
}

impl Score {
    /// Adds a batch; gives its mean loss.
    fn add(&mut self, logits: &Tensor, labels: &Tensor, loss: &Tensor) -> Result<f64> {
        let images = labels.numel() as f64;
        let loss = loss.f_double_value(&[])?;
        self.loss += loss * images;
        self.right +=
            logits.f_argmax(-1, false)?.f_eq_tensor(labels)?.f_sum(Kind::Int64)?.f_int64_value(&[])? as f64;
        self.images += images;
        Ok(loss)
    }

    fn loss(&self) -> f64 {
        self.loss / self.images
    }

    fn accuracy(&self) -> f64 {
        self.right / self.images
    }
}

fn write_metrics(container: &Container, metrics: &[MetricLine]) -> Result<()> {
    let path = container.metrics();
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    let mut lines = String::new();
    for line in metrics {
        lines += &serde_json::to_string(line).map_err(|error| Error::new(error.to_string()))?;
        lines.push('\n');
    }
    write_bytes(&path, lines.as_bytes())
}

/// A line of the job's log. A log that nobody reads any more is no reason to stop training.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
