//! `opsml-worker train`: an instance of a SageMaker training job with one or several instances.

use std::io::Write;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Instant;

use opsml_contract::{
    EpochMetrics, FineTune, Hyperparameters, MetricLine, ModelManifest, SetupMetrics, TRAINING_CHANNEL,
    TestMetrics, WEIGHTS_CHANNEL,
};
use tch::{Kind, Tensor, no_grad};

use crate::backbone::{Backbone, Held, are_same, choose};
use crate::checkpoint::{Checkpoints, Job};
use crate::container::{Container, create_folder, write_bytes};
use crate::dataset::{Dataset, Sample};
use crate::device::on;
use crate::error::{Error, Result};
use crate::instances::Instances;
use crate::loader::{CACHE_BYTES, Split};
use crate::optimizer::Optimizer;
use crate::precision;
use crate::resnet::{ResNet, cross_entropy};
use crate::shared::Shared;
use crate::{device, features, tested, weights};

/// Sums over images: of the loss, and of the images that were classified correctly.
#[derive(Default)]
struct Score {
    loss: f64,
    right: f64,
    images: f64,
}

/// Runs the job that `container` describes, up to its model folder. Resumes from the newest checkpoint of the same
/// job. Ends with [`Error::Stopped`] at the next batch once `stop` is set.
///
/// Several instances all learn the same weights, and only the first one writes checkpoints, metrics and the model. If one
/// fails, the job ends on all.
pub fn train(container: &Container, stop: &AtomicBool) -> Result<()> {
    let started = Instant::now();
    let hyperparameters = container.hyperparameters()?;
    let device = device::chosen(hyperparameters.device)?;
    let instances = Instances::join(container, stop)?;
    let folder = container.channel(TRAINING_CHANNEL)?.ok_or_else(|| {
        Error::new(format!(
            "the job has no channel {TRAINING_CHANNEL:?}: give it one with train/, valid/ and test/"
        ))
    })?;
    let mut dataset = Dataset::open(&folder)?;
    if let (Some(passed_over), true) = (&dataset.passed_over, instances.is_first()) {
        say(passed_over);
    }
    let images = [&dataset.train, &dataset.valid, &dataset.test].map(Vec::len);
    let to_test = dataset.test.clone();
    let share = images[0].div_ceil(instances.count());
    check_batches(&hyperparameters, share)?;

    let test = instances.part(std::mem::take(&mut dataset.test));
    let valid = instances.part(std::mem::take(&mut dataset.valid));
    let train = std::mem::take(&mut dataset.train);

    // libtorch takes any 64 bits.
    tch::manual_seed(hyperparameters.seed.cast_signed());
    let manifest = ModelManifest {
        arch: hyperparameters.arch,
        head_hidden: hyperparameters.head_hidden,
        image_size: hyperparameters.image_size,
        classes: dataset.classes.clone(),
        agrees_in_bf16: false,
    };
    let model = ResNet::new(&manifest, device)?;
    let pretrained = load_weights(container, &hyperparameters, &model)?;
    let head_only = hyperparameters.fine_tune == FineTune::Head;
    if head_only {
        model.freeze_backbone();
    }
    let job = Job::new(&hyperparameters, &dataset, pretrained, instances.count());
    instances.check_same_job(&job.digest()?)?;
    let batches = train_batches(&(0..share).collect::<Vec<_>>(), &hyperparameters).len() as u64;
    let planned = batches * u64::from(hyperparameters.epochs);
    let mut optimizer = Optimizer::new(&hyperparameters, planned, model.parameters(head_only))?;
    let mut record = match instances.is_first() {
        true => Some(Record::open(container, job)?),
        false => None,
    };
    let resumed = record.as_mut().map_or(Ok(0), |record| record.resume(&model, &mut optimizer))?;
    let [resumed] = instances.of_first([i64::from(resumed)])?;
    let resumed_epochs = u32::try_from(resumed).map_err(|error| Error::new(error.to_string()))?;
    instances.follow_first(&model.tensors())?;
    optimizer.follow_first(&instances)?;
    if instances.count() > 1 {
        say(&format!(
            "{instances}: {share} of {} training images, {} of {} to validate with, {} of {} to test with",
            images[0],
            valid.len(),
            images[1],
            test.len(),
            images[2]
        ));
    }
    let begun = record.as_ref().and_then(Record::precision);
    let shared = Shared::of(&hyperparameters, &model, say)?;
    let (size, mut cache) = (hyperparameters.image_size, CACHE_BYTES);
    let probed = (
        &Split::unread(train.clone(), Some(hyperparameters.transform), size),
        &Split::unread(valid.clone(), None, size),
    );
    let choice = choose(&hyperparameters, begun, &model, probed, &shared, &instances)?;
    if instances.is_first() {
        say(&choice.to_string());
    }
    // The smaller splits are first. Images that fit into memory are decoded here, so a broken one ends the job at once.
    let mut open = |samples: Vec<Sample>, transform, are_same| {
        if are_same && shared.find(&samples, hyperparameters.precision, choice.kind) {
            return Ok(Split::unread(samples, transform, size));
        }
        Split::open(samples, transform, size, &mut cache)
    };
    let (test, valid) = (open(test, None, true)?, open(valid, None, true)?);
    let are_same = are_same(&hyperparameters, train.len(), &model, &instances);
    let train = open(train, Some(hyperparameters.transform), are_same)?;
    let backbone = Backbone::of(&hyperparameters, &model, choice.kind, &train, &shared, &instances)?;
    let valid = Held::of(&valid, &backbone, &shared, &hyperparameters, &instances)?;
    if let Some(record) = &mut record {
        let [train_images, valid_images, test_images] = images.map(|count| count as u64);
        record.begin(SetupMetrics {
            classes: dataset.classes.clone(),
            train_images,
            valid_images,
            test_images,
            resumed_epochs,
            device: device::name(device).to_owned(),
            precision: choice.name().to_owned(),
            features: backbone.how_often(),
            seconds: started.elapsed().as_secs_f64(),
        })?;
    }

    for epoch in resumed_epochs + 1..=hyperparameters.epochs {
        let began = Instant::now();
        let what = (&train, &backbone, choice.kind);
        let learnt = train_epoch(&model, &mut optimizer, what, &hyperparameters, epoch, &instances)?;
        let seconds = began.elapsed().as_secs_f64();
        // DistributedDataParallel does this before each batch; in training nothing is computed from them.
        instances.follow_first(&model.buffers())?;
        let checked = evaluate(&model, &valid, choice.kind, &hyperparameters, &instances, |_| Ok(()))?;
        let line = EpochMetrics {
            epoch,
            train_loss: learnt.loss(),
            train_accuracy: learnt.accuracy(),
            valid_loss: checked.loss(),
            valid_accuracy: checked.accuracy(),
            seconds,
            images_per_second: images[0] as f64 / seconds,
        };
        if let Some(record) = &mut record {
            record.epoch(line, &model, &optimizer)?;
        }
    }

    let began = Instant::now();
    let mut answers = Vec::new();
    let test = Held::of(&test, &backbone, &shared, &hyperparameters, &instances)?;
    let tested = evaluate(&model, &test, choice.kind, &hyperparameters, &instances, |logits| {
        answers.extend(tested::answers(logits)?);
        Ok(())
    })?;
    let answers = tested::of_all(&answers, to_test.len(), &instances)?;
    if let Some(record) = &mut record {
        record.add(MetricLine::Test(TestMetrics {
            test_loss: tested.loss(),
            test_accuracy: tested.accuracy(),
            seconds: began.elapsed().as_secs_f64(),
        }))?;
        tested::write(&container.tested(), &folder, &dataset.classes, &to_test, &answers)?;
        let agrees = choice.kind == Kind::BFloat16
            && precision::agrees(&model, |kind| {
                features::of_first(valid.split, precision::AGREED, kind, &model, &shared)
            })?;
        weights::save_model(&container.model(), &model, agrees)?;
        say(&format!("model saved to {}", container.model().display()));
    }
    // No instance may succeed before the model is saved.
    instances.leave()
}

/// The job's checkpoints, metrics and log lines. Only the first instance writes them.
struct Record<'a> {
    container: &'a Container,
    checkpoints: Checkpoints,
    metrics: Vec<MetricLine>,
}

impl<'a> Record<'a> {
    fn open(container: &'a Container, job: Job) -> Result<Self> {
        Ok(Self {
            container,
            checkpoints: Checkpoints::open(container.checkpoints(), job)?,
            metrics: Vec::new(),
        })
    }

    /// Returns how many epochs the checkpoint has.
    fn resume(&mut self, model: &ResNet, optimizer: &mut Optimizer) -> Result<u32> {
        let (epochs, metrics) = self.checkpoints.resume(model, optimizer, say)?;
        self.metrics = metrics;
        Ok(epochs)
    }

    /// Returns the numbers in which the job was begun, if it is resumed.
    fn precision(&self) -> Option<Kind> {
        self.metrics.iter().find_map(|line| match line {
            MetricLine::Setup(setup) => precision::kind(&setup.precision),
            _ => None,
        })
    }

    fn begin(&mut self, setup: SetupMetrics) -> Result<()> {
        self.metrics.retain(|line| !matches!(line, MetricLine::Setup(_)));
        let line = MetricLine::Setup(setup);
        say(&line.to_string());
        self.metrics.insert(0, line);
        self.write()
    }

    fn epoch(&mut self, metrics: EpochMetrics, model: &ResNet, optimizer: &Optimizer) -> Result<()> {
        let (epoch, line) = (metrics.epoch, MetricLine::Epoch(metrics));
        self.metrics.push(line.clone());
        self.checkpoints.save(epoch, model, optimizer, &self.metrics)?;
        // The epoch is reported after its checkpoint is saved.
        say(&line.to_string());
        self.write()
    }

    fn add(&mut self, line: MetricLine) -> Result<()> {
        say(&line.to_string());
        self.metrics.push(line);
        self.write()
    }

    fn write(&self) -> Result<()> {
        let path = self.container.metrics();
        if let Some(folder) = path.parent() {
            create_folder(folder)?;
        }
        let mut lines = String::new();
        for line in &self.metrics {
            lines += &serde_json::to_string(line).map_err(|error| Error::new(error.to_string()))?;
            lines.push('\n');
        }
        write_bytes(&path, lines.as_bytes())
    }
}

/// In training, batch norm needs two values a channel. At 32 pixels the last stage of a ResNet has one for each image.
fn check_batches(hyperparameters: &Hyperparameters, images: usize) -> Result<()> {
    if hyperparameters.fine_tune == FineTune::Full && (hyperparameters.batch_size < 2 || images < 2) {
        return Err(Error::new(
            "full fine-tuning needs 2 images a batch or more, for batch normalisation: raise batch_size, add images to train/, or set fine_tune to head",
        ));
    }
    Ok(())
}

/// Loads the `weights` channel if there is one, and returns its SHA-256.
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
        // Batch norm can't learn from a single image, so it becomes part of the previous batch.
        *before = &order[order.len() - 1 - before.len()..];
        batches.pop();
    }
    batches
}

fn train_epoch(
    model: &ResNet,
    optimizer: &mut Optimizer,
    (split, backbone, kind): (&Split, &Backbone<'_>, Kind),
    hyperparameters: &Hyperparameters,
    epoch: u32,
    instances: &Instances<'_>,
) -> Result<Score> {
    let order = instances.share(&split.shuffled(hyperparameters.seed, epoch));
    let batches = train_batches(&order, hyperparameters);
    let mut score = Score::default();
    let mut learn = |logits: &Tensor, labels: &Tensor| {
        let loss = cross_entropy(logits, labels)?;
        // First, so that a GPU has it to do while the loss is waited for.
        let gradients = optimizer.backward(&loss)?;
        let step = Score::of(logits, labels, &loss)?.over_all(instances)?;
        if !step.loss().is_finite() {
            return Err(Error::new(format!(
                "the training loss became {} in epoch {epoch}: lower learning_rate (it is {})",
                step.loss(),
                hyperparameters.learning_rate
            )));
        }
        score.add(&step);
        instances.average(&gradients)?;
        optimizer.step(&gradients)
    };
    if let Backbone::Known(_, known) = backbone {
        for batch in batches {
            let (features, labels) = known.batch(batch)?;
            learn(&model.head(&features)?, &labels)?;
        }
        return Ok(score);
    }
    thread::scope(|scope| {
        for batch in split.batches(scope, &batches, hyperparameters.seed, epoch) {
            let batch = batch?;
            let logits = match backbone {
                Backbone::Frozen(frozen) => model.head(&frozen.features(&batch.images)?)?,
                Backbone::Learns | Backbone::Known(..) => model.learn(&batch.images, kind)?,
            };
            learn(&logits, &on(model.device(), &batch.labels)?)?;
        }
        Ok::<_, Error>(())
    })?;
    Ok(score)
}

/// Returns the score of all instances, and lets `see` the logits of this one's images, batch by batch in their order.
fn evaluate(
    model: &ResNet,
    held: &Held<'_>,
    kind: Kind,
    hyperparameters: &Hyperparameters,
    instances: &Instances<'_>,
    mut see: impl FnMut(&Tensor) -> Result<()>,
) -> Result<Score> {
    let mut score = Score::default();
    held.batches(model, kind, hyperparameters, |features, labels| {
        let logits = no_grad(|| model.head(features))?;
        score.add(&Score::of(&logits, labels, &cross_entropy(&logits, labels)?)?);
        see(&logits)?;
        Ok(!instances.stopping())
    })?;
    let score = score.over_all(instances)?;
    if !score.loss().is_finite() {
        return Err(Error::new(format!(
            "the loss on held-out images became {}: lower learning_rate (it is {})",
            score.loss(),
            hyperparameters.learning_rate
        )));
    }
    Ok(score)
}

impl Score {
    /// Returns the sums of a batch, whose mean loss is `loss`.
    fn of(logits: &Tensor, labels: &Tensor, loss: &Tensor) -> Result<Self> {
        let right = logits.f_argmax(-1, false)?.f_eq_tensor(labels)?.f_sum(Kind::Int64)?;
        let images = labels.numel() as f64;
        Ok(Self { loss: loss.f_double_value(&[])? * images, right: right.f_int64_value(&[])? as f64, images })
    }

    fn add(&mut self, other: &Self) {
        self.loss += other.loss;
        self.right += other.right;
        self.images += other.images;
    }

    /// Returns the sums over all instances, or [`Error::Stopped`].
    fn over_all(&self, instances: &Instances<'_>) -> Result<Self> {
        let [loss, right, images] = instances.sum([self.loss, self.right, self.images])?;
        Ok(Self { loss, right, images })
    }

    fn loss(&self) -> f64 {
        self.loss / self.images
    }

    fn accuracy(&self) -> f64 {
        self.right / self.images
    }
}

/// Writes a line to the job's log. If the log is closed, the training continues.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
