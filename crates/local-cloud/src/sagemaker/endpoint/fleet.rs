//! The instances of one deployment: started together, chosen by load, retired together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Deployment;
use super::worker::Worker;
use crate::cloud::Cloud;
use crate::iam::Session;
use crate::s3::Objects;
use crate::sagemaker::image::Image;
use crate::sagemaker::resource::{assume, text};
use crate::sagemaker::transfer::S3Uri;
use crate::sagemaker::{archive, locked, process};

/// The fleet of a production variant.
#[derive(Debug)]
pub struct Fleet {
    pub variant: String,
    /// CloudWatch Logs' group of its instances.
    pub log_group: String,
    folder: PathBuf,
    instances: Vec<Arc<Instance>>,
    stop: watch::Sender<bool>,
    tasks: std::sync::Mutex<Vec<JoinHandle<()>>>,
}

/// One instance of the fleet, for the router.
#[derive(Debug, Default)]
pub struct Instance {
    /// 0 while it does not serve.
    port: AtomicU16,
    outstanding: AtomicUsize,
}

impl Instance {
    pub fn serves_at(&self, port: u16) {
        self.port.store(port, Ordering::Relaxed);
    }
}

/// An instance while it works on a request.
#[derive(Debug)]
pub struct Busy {
    instance: Arc<Instance>,
    pub port: u16,
}

impl Busy {
    /// Nothing listens there any more: no further request goes to it until it is started again.
    pub fn is_dead(&self) {
        // Only if it hasn't been started again, at another port.
        let _ = self.instance.port.compare_exchange(self.port, 0, Ordering::Relaxed, Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.instance.outstanding.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Fleet {
    /// Fetches the model as its role, and starts the instances.
    ///
    /// # Errors
    /// The endpoint's FailureReason; nothing is left running.
    pub async fn start(
        cloud: &Arc<Cloud>,
        endpoint: &str,
        parent: &Path,
        deployment: Deployment,
    ) -> Result<Arc<Self>, String> {
        let program = Image::to_serve(cloud, text(&deployment.container, "Image"))?;
        let session = assume(cloud, &deployment.role, "SageMaker").map_err(|error| error.message)?;
        let folder = parent.join(deployment.number.to_string());
        let prepared = prepare(cloud, &session, &deployment, &folder).await;
        if let Err(reason) = prepared {
            let _ = std::fs::remove_dir_all(&folder);
            return Err(reason);
        }
        let count = deployment.variant["InitialInstanceCount"].as_u64().unwrap_or(1);
        let (stop, stopped) = watch::channel(false);
        let log_group = format!("/aws/sagemaker/Endpoints/{endpoint}");
        let variant = text(&deployment.variant, "VariantName").to_owned();
        let (mut instances, mut tasks, mut starts) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..count {
            let instance = Arc::new(Instance::default());
            let worker = Worker {
                cloud: Arc::clone(cloud),
                session: session.clone(),
                program: program.clone(),
                deployment: deployment.clone(),
                folder: folder.clone(),
                log_group: log_group.clone(),
                log_stream: format!("{variant}/i-{:08x}{number:04x}", deployment.number & 0xffff_ffff),
                instance: Arc::clone(&instance),
                stop: stopped.clone(),
            };
            let (started, start) = tokio::sync::oneshot::channel();
            tasks.push(tokio::spawn(worker.run(started)));
            instances.push(instance);
            starts.push(start);
        }
        let tasks = std::sync::Mutex::new(tasks);
        let fleet = Arc::new(Self { variant, log_group, folder, instances, stop, tasks });
        for start in starts {
            let outcome =
                start.await.unwrap_or_else(|_| Err("the instance ended while it started".to_owned()));
            if let Err(reason) = outcome {
                fleet.retire().await;
                return Err(reason);
            }
        }
        Ok(fleet)
    }

    /// The instance that serves and has the fewest requests under way.
    pub fn pick(&self) -> Option<Busy> {
        let serving = self.instances.iter().filter_map(|instance| {
            let port = instance.port.load(Ordering::Relaxed);
            (port != 0).then_some((instance, port))
        });
        let (instance, port) =
            serving.min_by_key(|(instance, _)| instance.outstanding.load(Ordering::Relaxed))?;
        instance.outstanding.fetch_add(1, Ordering::Relaxed);
        Some(Busy { instance: Arc::clone(instance), port })
    }

    /// Drains the instances (SIGTERM, then SIGKILL after 30 s) and removes their folder.
    pub async fn retire(&self) {
        let _ = self.stop.send(true);
        let tasks: Vec<_> = locked(&self.tasks).drain(..).collect();
        for task in tasks {
            // A task that panicked has dropped its child, which is killed with it.
            let _ = task.await;
        }
        process::end(None, &self.folder).await;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Makes the folder, with `model/` from ModelDataUrl.
async fn prepare(
    cloud: &Arc<Cloud>,
    session: &Session,
    deployment: &Deployment,
    folder: &Path,
) -> Result<(), String> {
    let (model, packed) = (folder.join("model"), folder.join("model.tar.gz"));
    let disk = |error: std::io::Error| format!("the local cloud could not use its disk: {error}");
    std::fs::create_dir_all(&model).map_err(disk)?;
    std::fs::create_dir_all(folder.join("home")).map_err(disk)?;
    let Some(url) = deployment.container["ModelDataUrl"].as_str() else { return Ok(()) };
    let uri = S3Uri::parse(url).map_err(|error| error.message)?;
    let objects = Objects::new(cloud);
    objects.get_to_file(&session.caller, &uri.bucket, &uri.key, &packed).await.map_err(|error| {
        let why = error.message;
        match error.code.as_str() {
            "NoSuchKey" | "NoSuchBucket" => format!("Could not find model data at {url}. ({why})"),
            _ => format!(
                "Failed to download model data from URL \"{url}\". Please ensure that the role \"{}\" has the \
                 s3:GetObject permission on it. ({why})",
                deployment.role
            ),
        }
    })?;
    let unpacked = tokio::task::spawn_blocking(move || {
        archive::unpack(&packed, &model)?;
        std::fs::remove_file(&packed)
    });
    unpacked
        .await
        .map_err(std::io::Error::other)
        .and_then(|done| done)
        .map_err(|error| format!("Failed to extract model data archive from URL \"{url}\": {error}"))
}
