//! The instances of one deployment: added and drained one by one, chosen by load, retired together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Deployment;
use super::worker::Worker;
use crate::cloud::Cloud;
use crate::iam::Session;
use crate::s3::Objects;
use crate::sagemaker::image::Image;
use crate::sagemaker::resource::{assume, text};
use crate::sagemaker::transfer::S3Uri;
use crate::sagemaker::{archive, locked, process};

/// Requests that one instance has under way at most; the next ones wait for a place. A model server takes few at once
/// anyway, and what waits here can still go to an instance that is being added.
pub const PLACES: usize = 32;
/// Requests that wait for a place at most; the next ones are refused.
pub const QUEUE: usize = 512;
/// How long an instance that was taken out may work on what it has: a request's limit, and a little.
pub const DRAIN: Duration = Duration::from_secs(65);

/// The fleet of a production variant.
#[derive(Debug)]
pub struct Fleet {
    pub variant: String,
    /// CloudWatch Logs' group of its instances.
    pub log_group: String,
    cloud: Arc<Cloud>,
    program: PathBuf,
    deployment: Deployment,
    folder: PathBuf,
    members: Mutex<Members>,
    /// A place has become free, or there will be none.
    freed: Arc<Notify>,
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct Members {
    /// In the order in which they came to serve.
    all: Vec<Member>,
    /// Instances that there have been.
    started: u64,
    retired: bool,
}

#[derive(Debug)]
struct Member {
    instance: Arc<Instance>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// One instance of the fleet, for the router.
#[derive(Debug)]
pub struct Instance {
    /// 0 while it does not serve.
    port: AtomicU16,
    /// The process, and its group; 0 while there is none.
    leader: AtomicU32,
    outstanding: watch::Sender<usize>,
    freed: Arc<Notify>,
}

impl Instance {
    pub fn serves_at(&self, port: u16, leader: u32) {
        self.leader.store(leader, Ordering::Relaxed);
        self.port.store(port, Ordering::Relaxed);
        self.freed.notify_waiters();
    }

    fn serves(&self) -> bool {
        self.port.load(Ordering::Relaxed) != 0
    }
}

/// An instance while it works on a request.
#[derive(Debug)]
pub struct Busy {
    instance: Arc<Instance>,
    pub port: u16,
    /// How many instances served when this one was chosen, itself included.
    pub serving: usize,
}

impl Busy {
    /// Nothing listens there any more: no further request goes to it until it is started again.
    pub fn is_dead(&self) {
        // Only if it hasn't been started again, at another port.
        let _ = self.instance.port.compare_exchange(self.port, 0, Ordering::Relaxed, Ordering::Relaxed);
        self.instance.freed.notify_waiters();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.instance.outstanding.send_modify(|outstanding| *outstanding -= 1);
        self.instance.freed.notify_one();
    }
}

/// Why no instance was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpicked {
    /// Another fleet has taken this one's place, or none.
    Retired,
    /// No instance serves.
    NotReady,
    /// As many requests wait already as may.
    Full,
}

impl Fleet {
    /// Fetches the model as its role, and starts so many instances.
    ///
    /// # Errors
    /// The endpoint's FailureReason; nothing is left running.
    pub async fn start(
        cloud: &Arc<Cloud>,
        endpoint: &str,
        parent: &Path,
        deployment: Deployment,
        count: usize,
    ) -> Result<Arc<Self>, String> {
        let program = Image::to_serve(cloud, text(&deployment.container, "Image"))?;
        let session = assume(cloud, &deployment.role, "SageMaker").map_err(|error| error.message)?;
        let folder = parent.join(deployment.number.to_string());
        let prepared = prepare(cloud, &session, &deployment, &folder).await;
        if let Err(reason) = prepared {
            let _ = std::fs::remove_dir_all(&folder);
            return Err(reason);
        }
        let fleet = Arc::new(Self {
            variant: text(&deployment.variant, "VariantName").to_owned(),
            log_group: format!("/aws/sagemaker/Endpoints/{endpoint}"),
            cloud: Arc::clone(cloud),
            program,
            deployment,
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

    /// How many instances there are.
    pub fn count(&self) -> usize {
        locked(&self.members).all.len()
    }

    /// The processes of the instances that serve, each the leader of its group.
    pub fn leaders(&self) -> Vec<u32> {
        let members = locked(&self.members);
        let serving = members.all.iter().filter(|member| member.instance.serves());
        serving.map(|member| member.instance.leader.load(Ordering::Relaxed)).collect()
    }

    /// The instance that serves and has the fewest requests under way; waits for one that has a place.
    pub async fn pick(&self) -> Result<Busy, Unpicked> {
        let mut waiting = None;
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // From here on no notice is missed.
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

    /// None: those that serve have no place.
    fn choose(&self) -> Result<Option<Busy>, Unpicked> {
        let members = locked(&self.members);
        if members.retired {
            return Err(Unpicked::Retired);
        }
        let instances = members.all.iter().map(|member| &member.instance);
        let serving: Vec<&Arc<Instance>> = instances.filter(|instance| instance.serves()).collect();
        let least = serving.iter().min_by_key(|instance| *instance.outstanding.borrow());
        let instance = least.ok_or(Unpicked::NotReady)?;
        if *instance.outstanding.borrow() >= PLACES {
            return Ok(None);
        }
        instance.outstanding.send_modify(|outstanding| *outstanding += 1);
        let port = instance.port.load(Ordering::Relaxed);
        Ok(Some(Busy { instance: Arc::clone(instance), port, serving: serving.len() }))
    }

    /// Starts or drains instances until there are so many. Each takes requests as soon as it is healthy.
    ///
    /// # Errors
    /// Why an instance did not come up; there are as many as before.
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
        // Credentials end, so each time asks for its own.
        let session =
            assume(&self.cloud, &self.deployment.role, "SageMaker").map_err(|error| error.message)?;
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

    /// Starts an instance, and lets it take requests once it is healthy.
    async fn add(&self, session: Session) -> Result<Arc<Instance>, String> {
        let number = {
            let mut members = locked(&self.members);
            members.started += 1;
            members.started - 1
        };
        let instance = Arc::new(Instance {
            port: AtomicU16::new(0),
            leader: AtomicU32::new(0),
            outstanding: watch::Sender::new(0),
            freed: Arc::clone(&self.freed),
        });
        let (stop, stopped) = watch::channel(false);
        let worker = Worker {
            cloud: Arc::clone(&self.cloud),
            session,
            program: self.program.clone(),
            deployment: self.deployment.clone(),
            folder: self.folder.clone(),
            log_group: self.log_group.clone(),
            log_stream: format!(
                "{}/i-{:08x}{number:04x}",
                self.variant,
                self.deployment.number & 0xffff_ffff
            ),
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

    /// Takes all instances out, lets them work on what they have for so long, and removes their folder.
    pub async fn retire(&self, patience: Duration) {
        let out = {
            let mut members = locked(&self.members);
            members.retired = true;
            std::mem::take(&mut members.all)
        };
        // Who waits here looks for the fleet that has come.
        self.freed.notify_waiters();
        drain(out, patience).await;
        process::end(None, &self.folder).await;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Ends instances that get no new request any more, once they have answered those under way (SIGTERM, then SIGKILL
/// after 30 s).
async fn drain(out: Vec<Member>, patience: Duration) {
    let drains = out.into_iter().map(|Member { instance, stop, task }| async move {
        let mut outstanding = instance.outstanding.subscribe();
        let _ = timeout(patience, outstanding.wait_for(|outstanding| *outstanding == 0)).await;
        let _ = stop.send(true);
        // A task that panicked has dropped its child, which is killed with it.
        let _ = task.await;
    });
    join_all(drains).await;
}

/// A request that waits for a place.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    /// None: there are too many.
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
