//! The life of an instance: booted, told to end by its user, its market, itself or the cloud, and ended for good.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant as Clock, sleep_until, timeout};

use super::host::{self, Folder, Power, Started};
use super::instance::{self, Instance, Reason, Shutdown, State};
use super::knobs::Knobs;
use super::metadata::{Listener, Metadata};
use super::{locked, spot};
use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::sagemaker::process;

/// A shutdown that is further away never comes.
const FAR: u64 = 10 * 365 * 86_400;

/// How long the server's stop waits for instances that are ending.
const ENDING: Duration = Duration::from_secs(10);

/// How an instance that runs is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Terminate(Reason),
    Stop(Reason),
}

/// The handle of an instance that runs.
#[derive(Debug)]
pub struct Machine {
    orders: UnboundedSender<End>,
    task: JoinHandle<()>,
}

/// Boots an instance whose record is there, pending. The map is locked by the caller's thread only for a moment.
pub fn boot(cloud: &Arc<Cloud>, id: &str) {
    let (orders, received) = unbounded_channel();
    let mut machines = locked(&cloud.ec2.machines);
    let task = tokio::spawn(live(cloud.clone(), id.to_owned(), received));
    machines.insert(id.to_owned(), Machine { orders, task });
}

/// Ends an instance whose record says already that it ends.
pub fn end(cloud: &Arc<Cloud>, id: &str, how: End) {
    let machines = locked(&cloud.ec2.machines);
    match machines.get(id) {
        // One that is about to end by itself takes its end from its record.
        Some(machine) => drop(machine.orders.send(how)),
        None => drop(tokio::spawn(finish(cloud.clone(), id.to_owned(), how))),
    }
}

/// At the server's start: what should run has lost its host, and perhaps not its processes.
pub async fn recover(cloud: &Arc<Cloud>) -> Result<(), AwsError> {
    let mut known = Vec::new();
    for Instance { id, state, .. } in instance::all(cloud)? {
        match state {
            State::Terminated => continue,
            State::Stopped => {}
            state => {
                let lost = (state != State::ShuttingDown).then_some(Reason::Internal);
                instance::enter(cloud, &id, State::ShuttingDown, lost, |_| Ok(true))?;
                end(cloud, &id, End::Terminate(Reason::Internal));
            }
        }
        known.push(id);
    }
    // Folders whose records did not come to be, or are terminated already.
    for entry in std::fs::read_dir(cloud.settings.dir.join("ec2")).into_iter().flatten().flatten() {
        if let Some(id) = entry.file_name().to_str().filter(|id| !known.iter().any(|known| known == id)) {
            let folder = Folder::of(&cloud.settings.dir, id);
            tokio::spawn(async move {
                kill(&folder).await;
                remove(&folder).await;
            });
        }
    }
    instance::forget_terminated(cloud)
}

/// At the server's stop.
pub async fn end_all(cloud: &Arc<Cloud>) {
    let machines: Vec<Machine> = locked(&cloud.ec2.machines).drain().map(|(_, machine)| machine).collect();
    for machine in machines {
        let _ = machine.orders.send(End::Terminate(Reason::Internal));
        let _ = machine.task.await;
    }
    // Those whose end had begun before; what does not end now the next start ends.
    let deadline = Clock::now() + ENDING;
    let ends = |each: &Instance| matches!(each.state, State::ShuttingDown | State::Stopping);
    while instance::all(cloud).is_ok_and(|all| all.iter().any(ends)) && Clock::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn live(cloud: Arc<Cloud>, id: String, mut orders: UnboundedReceiver<End>) {
    let how = match Host::boot(&cloud, &id).await {
        Ok(mut host) => host.run(&mut orders).await,
        // The disk is full, the machine has no more processes, or the state file cannot be used.
        Err(why) => {
            if Folder::of(&cloud.settings.dir, &id).say(&format!("[local cloud] {why}")).is_err() {
                eprintln!("{id} doesn't boot: {why}");
            }
            End::Terminate(Reason::Internal)
        }
    };
    locked(&cloud.ec2.machines).remove(&id);
    finish(cloud, id, how).await;
}

/// A booted instance.
struct Host {
    cloud: Arc<Cloud>,
    instance: Instance,
    folder: Folder,
    isolated: bool,
    metadata: Arc<Metadata>,
    listener: Listener,
    power: Power,
    first: Started,
}

/// What the instance's own shutdown will do, and when.
#[derive(Clone, Copy)]
struct Scheduled {
    at: Clock,
    reboot: bool,
}

impl Host {
    async fn boot(cloud: &Arc<Cloud>, id: &str) -> Result<Self, String> {
        let told = |error: AwsError| error.message;
        let disk = |error: std::io::Error| error.to_string();
        let instance = instance::get(cloud, id).map_err(told)?;
        let folder = Folder::of(&cloud.settings.dir, id);
        // Scripts in user data run once in an instance's life.
        let fresh = !folder.root().exists();
        if fresh {
            folder.create(cloud.settings.tools.as_deref()).map_err(disk)?;
        }
        let isolated = match Knobs::read(&cloud.store).map_err(told)?.namespaces {
            true => cloud.ec2.namespaces.get_or_init(host::namespaces).await.clone(),
            false => Err("they are turned off".to_owned()),
        };
        let how = match &isolated {
            Ok(()) => "in user, pid and mount namespaces of its own".to_owned(),
            Err(why) => format!("without namespaces of its own ({why})"),
        };
        folder
            .say(&format!("[local cloud] {id} is a group of processes on this machine, {how}"))
            .map_err(disk)?;
        let isolated = isolated.is_ok();
        let metadata = Metadata::new(cloud.clone(), instance.clone());
        let listener = metadata.listen().await.map_err(disk)?;
        let power = folder.power().map_err(disk)?;
        let script = if fresh { folder.unpack(instance.user_data.as_deref()).map_err(disk)? } else { None };
        let process = host::boot(cloud, &folder, listener.port, isolated, script.as_deref()).map_err(disk)?;
        let pending = |instance: &Instance| Ok(instance.state == State::Pending);
        instance::enter(cloud, id, State::Running, None, pending).map_err(told)?;
        Ok(Self {
            cloud: cloud.clone(),
            instance,
            folder,
            isolated,
            metadata,
            listener,
            power,
            first: process,
        })
    }

    /// Until the instance is to end; its processes may still run then.
    async fn run(&mut self, orders: &mut UnboundedReceiver<End>) -> End {
        let mut scheduled: Option<Scheduled> = None;
        let mut interruption: Option<Clock> = None;
        let never = Clock::now() + Duration::from_secs(FAR);
        loop {
            let (at, interrupted) = (scheduled.map_or(never, |it| it.at), interruption.unwrap_or(never));
            tokio::select! {
                order = orders.recv() => return order.unwrap_or(End::Terminate(Reason::Internal)),
                _ = self.first.child.wait() => return End::Terminate(Reason::Internal),
                line = self.power.line() => match line {
                    Ok(line) => self.obey(&line, &mut scheduled, &mut interruption),
                    Err(_) => return End::Terminate(Reason::Internal),
                },
                () = sleep_until(at), if scheduled.is_some() => {
                    if !scheduled.take().is_some_and(|it| it.reboot) {
                        return self.own_end();
                    }
                    if self.reboot().await.is_err() {
                        return End::Terminate(Reason::Internal);
                    }
                }
                () = sleep_until(interrupted), if interruption.is_some() => {
                    return End::Terminate(Reason::Spot);
                }
            }
        }
    }

    /// `off SECONDS`, `reboot SECONDS`, `cancel` from the shadows of shutdown, `interrupt` from the market.
    fn obey(&self, line: &str, scheduled: &mut Option<Scheduled>, interruption: &mut Option<Clock>) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let after = |seconds: u64| Clock::now() + Duration::from_secs(seconds.min(FAR));
        match word {
            "off" | "reboot" => {
                if let Ok(seconds) = rest.trim().parse() {
                    *scheduled = Some(Scheduled { at: after(seconds), reboot: word == "reboot" });
                }
            }
            "cancel" => *scheduled = None,
            "interrupt" if self.instance.spot.is_some() && interruption.is_none() => {
                let seconds = Knobs::read(&self.cloud.store).unwrap_or_default().spot_notice_seconds.min(FAR);
                *interruption = Some(after(seconds));
                let seconds = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or_default());
                self.metadata.give_notice(Timestamp::now() + seconds);
                if let Some(request) = &self.instance.spot {
                    // If it cannot be kept, the instance has its notice all the same.
                    let _ = spot::marked(&self.cloud, request);
                }
            }
            _ => {}
        }
    }

    /// What its own shutdown makes of it. An instance of a one-time spot request cannot be started again.
    fn own_end(&self) -> End {
        match self.instance.on_shutdown {
            Shutdown::Stop if self.instance.spot.is_none() => End::Stop(Reason::Itself),
            _ => End::Terminate(Reason::Itself),
        }
    }

    async fn reboot(&mut self) -> std::io::Result<()> {
        process::end(self.first.child.id(), self.folder.root()).await;
        let _ = self.first.child.wait().await;
        self.first = host::boot(&self.cloud, &self.folder, self.listener.port, self.isolated, None)?;
        Ok(())
    }
}

impl Drop for Host {
    /// The group goes at once; those who left it are found by their folder afterwards.
    fn drop(&mut self) {
        if let Some(leader) = self.first.child.id() {
            process::signal_group(leader, rustix::process::Signal::KILL);
        }
    }
}

/// Brings an instance to its end, processes first. What its record says by then counts: a stop may have become a
/// termination.
async fn finish(cloud: Arc<Cloud>, id: String, how: End) {
    let folder = Folder::of(&cloud.settings.dir, &id);
    // A state file that cannot be written leaves the record behind: the next start finds it lost.
    if let End::Stop(reason) = how {
        let began = instance::enter(&cloud, &id, State::Stopping, Some(reason), |it| {
            Ok(matches!(it.state, State::Pending | State::Running))
        });
        process::end(None, folder.root()).await;
        if !matches!(began, Ok(State::ShuttingDown)) {
            let stopped =
                instance::enter(&cloud, &id, State::Stopped, None, |it| Ok(it.state == State::Stopping));
            if !matches!(stopped, Ok(State::ShuttingDown)) {
                return;
            }
        }
    }
    let reason = match how {
        End::Terminate(reason) | End::Stop(reason) => reason,
    };
    let _ = instance::enter(&cloud, &id, State::ShuttingDown, Some(reason), |it| {
        Ok(!matches!(it.state, State::ShuttingDown | State::Terminated))
    });
    kill(&folder).await;
    if let Ok(console) = folder.console() {
        let _ = instance::keep_console(&cloud, &id, &console);
    }
    remove(&folder).await;
    let _ = spot::ended(&cloud, &id);
    let _ = instance::enter(&cloud, &id, State::Terminated, None, |it| Ok(!it.state.is_terminated()));
}

/// Kills every process of an instance.
async fn kill(folder: &Folder) {
    // A process in the kernel's hands may outlast the patience of one try.
    for _ in 0..12 {
        process::end(None, folder.root()).await;
        if process::owned_by(folder.root()).is_empty() {
            break;
        }
    }
}

/// Deletes an instance's folder; the next start tries again where that fails.
async fn remove(folder: &Folder) {
    let root = folder.root().to_owned();
    let removing = tokio::task::spawn_blocking(move || {
        if std::fs::remove_dir_all(&root).is_err() {
            // Folders that the instance made unwritable.
            let _ = std::process::Command::new("chmod").args(["-R", "u+rwX"]).arg(&root).output();
            let _ = std::fs::remove_dir_all(&root);
        }
    });
    let _ = timeout(Duration::from_secs(60), removing).await;
}
