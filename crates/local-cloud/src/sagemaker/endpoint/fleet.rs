//! The instances of a deployment. They are added and drained one by one, chosen for requests by load, and retired
//! together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::instance::{Busy, Instance};
use super::program::Served;
use super::record::Variant;
use super::worker::Worker;
use crate::authority::Session;
use crate::folder::private_dir;
use crate::sagemaker::image::Image;
use crate::sagemaker::platform::Platform;
use crate::sagemaker::resource::text;
use crate::sagemaker::transfer::{S3Uri, disk};
use crate::support::lock::locked;
use crate::support::{archive, process};

/// The greatest number of requests that an instance works on. Further requests wait for a place. A model server handles
/// few at once anyway, and a request that waits here can still be sent to an instance that is added.
const PLACES: usize = 32;
/// The greatest number of requests that wait for a place. Further requests are refused. Each waiting request uses one
/// of the server's connections, of which enough must stay free for other calls.
const QUEUE: usize = 256;
/// How long an instance that gets no more requests may work on those that it has: the limit of a request, and a little
/// more.
pub const DRAIN: Duration = Duration::from_secs(65);

/// The fleet of a production variant.
#[derive(Debug)]
pub struct Fleet {
    pub variant: String,
    /// CloudWatch Logs' group of its instances.
    pub log_group: String,
    platform: Arc<Platform>,
    served: Served,
    settings: Variant,
    /// The deployment's number.
    number: i64,
    folder: PathBuf,
    members: Mutex<Members>,
    /// Notified when a place becomes free, or when the fleet is retired.
    freed: Arc<Notify>,
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct Members {
    /// The instances, in the order in which they began to serve.
    all: Vec<Member>,
    /// The number of instances that were started so far.
    started: u64,
    retired: bool,
}

#[derive(Debug)]
struct Member {
    instance: Arc<Instance>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Why no instance was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpicked {
    /// The fleet was retired. Another one may have replaced it.
    Retired,
    /// No instance serves.
    NotReady,
    /// Too many requests are waiting already.
    Full,
}

impl Fleet {
    /// Downloads the model with its role's permissions, and starts `count` instances.
    ///
    /// # Errors
    /// The endpoint's FailureReason. Then no process is left.
    pub async fn start(
        platform: &Arc<Platform>,
        endpoint: &str,
        parent: &Path,
        number: i64,
        settings: Variant,
        count: usize,
    ) -> Result<Arc<Self>, String> {
        let program = Image::to_serve(&platform.cloud.settings, text(&settings.container, "Image"))?;
        let session = platform.assume(&settings.role).map_err(|error| error.message)?;
        let folder = parent.join(format!("{number}-{}", settings.name()));
        let prepared = async {
            prepare(platform, &session, &settings, &folder).await?;
            Served::prepare(program, &folder).await
        };
        let served = match prepared.await {
            Ok(served) => served,
            Err(reason) => {
                let _ = std::fs::remove_dir_all(&folder);
                return Err(reason);
            }
        };
        let fleet = Arc::new(Self {
            variant: settings.name().to_owned(),
            log_group: format!("/aws/sagemaker/Endpoints/{endpoint}"),
            platform: Arc::clone(platform),
            served,
            settings,
            number,
            folder,
            members: Mutex::default(),
            freed: Arc::default(),
            waiting: AtomicUsize::new(0),
        });
        if let Err(reason) = fleet.grow(count).await {
            fleet.retire(Duration::ZERO).await;
            return Err(reason);
        }
        Ok(fleet)
    }

    /// Returns the number of instances.
    pub fn count(&self) -> usize {
        locked(&self.members).all.len()
    }

    /// Returns the processes of the serving instances. Each is the leader of its group.
    pub fn leaders(&self) -> Vec<u32> {
        let members = locked(&self.members);
        let serving = members.all.iter().filter(|member| member.instance.serves());
        serving.map(|member| member.instance.leader()).collect()
    }

    /// Returns the serving instance with the fewest requests. If none has a free place, it waits.
    ///
    /// # Errors
    /// Why no instance was chosen.
    pub async fn pick(&self) -> Result<Busy, Unpicked> {
        let mut waiting = None;
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Notifications from now on aren't missed.
            freed.as_mut().enable();
            if let Some(busy) = self.choose()? {
                return Ok(busy);
            }
            if waiting.is_none() {
                waiting = Some(Waiting::begin(&self.waiting).ok_or(Unpicked::Full)?);
            }
            freed.await;
        }
    }

    /// Returns the serving instance with the fewest requests. None: no serving instance has a free place.
    fn choose(&self) -> Result<Option<Busy>, Unpicked> {
        let members = locked(&self.members);
        if members.retired {
            return Err(Unpicked::Retired);
        }
        let instances = members.all.iter().map(|member| &member.instance);
        let serving: Vec<&Arc<Instance>> = instances.filter(|instance| instance.serves()).collect();
        let least = serving.iter().min_by_key(|instance| instance.outstanding());
        let instance = least.ok_or(Unpicked::NotReady)?;
        Ok((instance.outstanding() < PLACES).then(|| instance.take(serving.len())))
    }

    /// Starts or drains instances until there are `count`. Each gets requests as soon as it is healthy.
    ///
    /// # Errors
    /// Why an instance failed to start. Then there are as many instances as before.
    pub async fn scale(&self, count: usize) -> Result<(), String> {
        let now = self.count();
        if count >= now {
            return self.grow(count - now).await;
        }
        let out = locked(&self.members).all.split_off(count);
        drain(out, DRAIN).await;
        Ok(())
    }

    async fn grow(&self, count: usize) -> Result<(), String> {
        // Credentials expire, so these instances get new ones.
        let session = self.platform.assume(&self.settings.role).map_err(|error| error.message)?;
        let outcomes = join_all((0..count).map(|_| self.add(session.clone()))).await;
        let (mut added, mut failure) = (Vec::new(), None);
        for outcome in outcomes {
            match outcome {
                Ok(instance) => added.push(instance),
                Err(reason) => failure = Some(reason),
            }
        }
        let Some(reason) = failure else { return Ok(()) };
        let is_new = |member: &mut Member| added.iter().any(|new| Arc::ptr_eq(new, &member.instance));
        let out = locked(&self.members).all.extract_if(.., is_new).collect();
        drain(out, DRAIN).await;
        Err(reason)
    }

    /// Starts an instance, which gets requests once it is healthy.
    async fn add(&self, session: Session) -> Result<Arc<Instance>, String> {
        let number = {
            let mut members = locked(&self.members);
            members.started += 1;
            members.started - 1
        };
        let instance = Arc::new(Instance::new(Arc::clone(&self.freed)));
        let (stop, stopped) = watch::channel(false);
        let worker = Worker {
            platform: Arc::clone(&self.platform),
            session,
            served: self.served.clone(),
            settings: self.settings.clone(),
            folder: self.folder.clone(),
            own: self.folder.join("instances").join(number.to_string()),
            log_group: self.log_group.clone(),
            log_stream: format!("{}/i-{:08x}{number:04x}", self.variant, self.number & 0xffff_ffff),
            instance: Arc::clone(&instance),
            stop: stopped,
        };
        let (started, start) = oneshot::channel();
        let task = tokio::spawn(worker.run(started));
        start.await.unwrap_or_else(|_| Err("the instance ended while it started".to_owned()))?;
        let member = Member { instance: Arc::clone(&instance), stop, task };
        let retired = {
            let mut members = locked(&self.members);
            if members.retired {
                Some(member)
            } else {
                members.all.push(member);
                None
            }
        };
        if let Some(member) = retired {
            drain(vec![member], Duration::ZERO).await;
            return Err("the endpoint was taken out of service".to_owned());
        }
        self.freed.notify_waiters();
        Ok(instance)
    }

    /// Sends no more requests to any instance, waits for their requests for at most `patience`, and removes their
    /// folder.
    pub async fn retire(&self, patience: Duration) {
        let out = {
            let mut members = locked(&self.members);
            members.retired = true;
            std::mem::take(&mut members.all)
        };
        // Waiting requests look for the fleet that has replaced this one.
        self.freed.notify_waiters();
        drain(out, patience).await;
        process::end(None, &self.folder).await;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Ends instances that get no more requests, once they have answered those that they have.
async fn drain(out: Vec<Member>, patience: Duration) {
    let drains = out.into_iter().map(|Member { instance, stop, task }| async move {
        let _ = timeout(patience, instance.drained()).await;
        let _ = stop.send(true);
        // An error is ignored: a task that panicked has dropped its child, which kills it.
        let _ = task.await;
    });
    join_all(drains).await;
}

/// A request that waits for a place.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    /// Counts one more waiting request. None: there are too many.
    fn begin(count: &'a AtomicUsize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < QUEUE).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Creates the folder, and unpacks the archive of ModelDataUrl into its `model/`.
async fn prepare(
    platform: &Platform,
    session: &Session,
    settings: &Variant,
    folder: &Path,
) -> Result<(), String> {
    let (model, packed) = (folder.join("model"), folder.join("model.tar.gz"));
    for folder in [&model, &folder.join("home")] {
        private_dir(folder).map_err(|error| disk(&error).message)?;
    }
    let Some(url) = settings.container["ModelDataUrl"].as_str() else { return Ok(()) };
    let uri = S3Uri::parse(url).map_err(|error| error.message)?;
    let fetched = platform.objects.get_to_file(&session.caller, &uri.bucket, &uri.key, &packed).await;
    fetched.map_err(|error| {
        let why = error.message;
        match error.code.as_str() {
            "NoSuchKey" | "NoSuchBucket" => format!("Could not find model data at {url}. ({why})"),
            _ => format!(
                "Failed to download model data from URL \"{url}\". Please ensure that the role \"{}\" has the \
                 s3:GetObject permission on it. ({why})",
                settings.role
            ),
        }
    })?;
    let unpacked = tokio::task::spawn_blocking(move || {
        archive::unpack_tar(&packed, &model)?;
        std::fs::remove_file(&packed)
    });
    unpacked
        .await
        .map_err(std::io::Error::other)
        .and_then(|done| done)
        .map_err(|error| format!("Failed to extract model data archive from URL \"{url}\": {error}"))
}
