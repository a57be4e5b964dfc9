//! The life of an instance: it boots, and runs until its user, a spot interruption, the instance itself or the server's
//! stop ends it.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant as Clock, sleep_until, timeout};

use super::expire::forget_terminated;
use super::host::{self, Folder, Power, Started};
use super::instance::{self, Instance};
use super::knobs::Knobs;
use super::metadata::{Listener, Metadata};
use super::service::{Ec2, Machine};
use super::spot;
use super::state::{End, Reason, Shutdown, State};
use crate::call::AwsError;
use crate::support::lock::locked;
use crate::support::{process, sandbox};

/// The longest delay of a shutdown, in seconds. Longer ones are shortened to it.
const FAR: u64 = 10 * 365 * 86_400;

/// How long a stopping server waits for instances that are ending.
const ENDING: Duration = Duration::from_secs(10);

/// Boots an instance whose record exists and is pending.
pub fn boot(ec2: &Arc<Ec2>, id: &str) {
    let (orders, received) = unbounded_channel();
    let mut machines = locked(&ec2.machines);
    let task = tokio::spawn(live(ec2.clone(), id.to_owned(), received));
    machines.insert(id.to_owned(), Machine { orders, task });
}

/// Ends an instance whose record already says that it is ending.
pub fn end(ec2: &Arc<Ec2>, id: &str, how: End) {
    let machines = locked(&ec2.machines);
    match machines.get(id) {
        // If the instance is just ending by itself, it doesn't read the order, but ends as its record says.
        Some(machine) => drop(machine.orders.send(how)),
        None => drop(tokio::spawn(finish(ec2.clone(), id.to_owned(), how))),
    }
}

/// Ends, at the server's start, the instances that ran under the last server. Their processes may still run.
pub fn recover(ec2: &Arc<Ec2>) -> Result<(), AwsError> {
    let cloud = &ec2.cloud;
    let mut known = Vec::new();
    for Instance { id, state, .. } in instance::all(cloud)? {
        match state {
            State::Terminated => continue,
            State::Stopped => {}
            state => {
                let lost = (state != State::ShuttingDown).then_some(Reason::Internal);
                instance::enter(cloud, &id, State::ShuttingDown, lost, |_| Ok(true))?;
                end(ec2, &id, End::Terminate(Reason::Internal));
            }
        }
        known.push(id);
    }
    // The other folders belong to instances that were never recorded, or that are terminated.
    for entry in std::fs::read_dir(cloud.settings.dir.join("ec2")).into_iter().flatten().flatten() {
        if let Some(id) = entry.file_name().to_str().filter(|id| !known.iter().any(|known| known == id)) {
            let folder = Folder::of(&cloud.settings.dir, id);
            tokio::spawn(async move {
                kill(&folder).await;
                remove(&folder).await;
            });
        }
    }
    forget_terminated(cloud)
}

/// Ends all instances, at the server's stop.
pub async fn end_all(ec2: &Ec2) {
    let machines: Vec<Machine> = locked(&ec2.machines).drain().map(|(_, machine)| machine).collect();
    for machine in machines {
        let _ = machine.orders.send(End::Terminate(Reason::Internal));
        let _ = machine.task.await;
    }
    // Some instances had begun to end before. The next start ends those that take too long.
    let deadline = Clock::now() + ENDING;
    let ends = |each: &Instance| matches!(each.state, State::ShuttingDown | State::Stopping);
    while instance::all(&ec2.cloud).is_ok_and(|all| all.iter().any(ends)) && Clock::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn live(ec2: Arc<Ec2>, id: String, mut orders: UnboundedReceiver<End>) {
    let how = match Host::boot(&ec2, &id).await {
        Ok(mut host) => host.run(&mut orders).await,
        // The disk is full, the machine can start no more processes, or the state file can't be used.
        Err(why) => {
            if Folder::of(&ec2.cloud.settings.dir, &id).say(&format!("[local cloud] {why}")).is_err() {
                eprintln!("{id} doesn't boot: {why}");
            }
            End::Terminate(Reason::Internal)
        }
    };
    locked(&ec2.machines).remove(&id);
    finish(ec2, id, how).await;
}

/// A booted instance.
struct Host {
    ec2: Arc<Ec2>,
    instance: Instance,
    folder: Folder,
    isolated: bool,
    metadata: Arc<Metadata>,
    listener: Listener,
    power: Power,
    first: Started,
}

/// A shutdown that the instance has scheduled: what it will do, and when.
#[derive(Clone, Copy)]
struct Scheduled {
    at: Clock,
    reboot: bool,
}

impl Host {
    async fn boot(ec2: &Arc<Ec2>, id: &str) -> Result<Self, String> {
        let cloud = &ec2.cloud;
        let message = |error: AwsError| error.message;
        let disk = |error: std::io::Error| error.to_string();
        let instance = instance::get(cloud, id).map_err(message)?;
        let folder = Folder::of(&cloud.settings.dir, id);
        // Scripts in user data run only at the first boot.
        let fresh = !folder.root().exists();
        if fresh {
            folder.create(cloud.settings.tools.as_deref()).map_err(disk)?;
        }
        let isolated = match Knobs::read(&cloud.store).map_err(message)?.namespaces {
            true => sandbox::available(sandbox::Kind::Machine).await,
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
        let metadata = Metadata::new(ec2.clone(), instance.clone());
        let listener = metadata.listen().await.map_err(disk)?;
        let power = folder.power().map_err(disk)?;
        let script = if fresh { folder.unpack(instance.user_data.as_deref()).map_err(disk)? } else { None };
        let process = host::boot(cloud, &folder, listener.port, isolated, script.as_deref()).map_err(disk)?;
        let pending = |instance: &Instance| Ok(instance.state == State::Pending);
        instance::enter(cloud, id, State::Running, None, pending).map_err(message)?;
        Ok(Self { ec2: ec2.clone(), instance, folder, isolated, metadata, listener, power, first: process })
    }

    /// Waits until the instance must end, and returns how. Its processes may still run then.
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

    /// Follows a line: `off SECONDS`, `reboot SECONDS` and `cancel` come from the replacements of shutdown, `interrupt`
    /// from [`interrupt_spot`](super::knobs::interrupt_spot).
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
                let seconds =
                    Knobs::read(&self.ec2.cloud.store).unwrap_or_default().spot_notice_seconds.min(FAR);
                *interruption = Some(after(seconds));
                let seconds = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or_default());
                self.metadata.give_notice(Timestamp::now() + seconds);
                if let Some(request) = &self.instance.spot {
                    // If this can't be written, the instance still gets its notice.
                    let _ = spot::marked(&self.ec2.cloud, request);
                }
            }
            _ => {}
        }
    }

    /// Returns how the instance's own shutdown ends it. A spot instance is terminated, since it can't be started again.
    fn own_end(&self) -> End {
        match self.instance.on_shutdown {
            Shutdown::Stop if self.instance.spot.is_none() => End::Stop(Reason::Itself),
            _ => End::Terminate(Reason::Itself),
        }
    }

    async fn reboot(&mut self) -> std::io::Result<()> {
        process::end(self.first.child.id(), self.folder.root()).await;
        let _ = self.first.child.wait().await;
        self.first = host::boot(&self.ec2.cloud, &self.folder, self.listener.port, self.isolated, None)?;
        Ok(())
    }
}

impl Drop for Host {
    /// Kills the process group at once. Processes that left the group are found later by their folder.
    fn drop(&mut self) {
        if let Some(leader) = self.first.child.id() {
            process::signal_group(leader, rustix::process::Signal::KILL);
        }
    }
}

/// Kills an instance's processes, and ends it as its record says: a stop may have become a termination meanwhile.
async fn finish(ec2: Arc<Ec2>, id: String, how: End) {
    let cloud = &ec2.cloud;
    let folder = Folder::of(&cloud.settings.dir, &id);
    // If the state file can't be written, the record stays, and the next start ends the instance again.
    if let End::Stop(reason) = how {
        let began = instance::enter(cloud, &id, State::Stopping, Some(reason), |it| {
            Ok(matches!(it.state, State::Pending | State::Running))
        });
        process::end(None, folder.root()).await;
        if !matches!(began, Ok(State::ShuttingDown)) {
            let stopped =
                instance::enter(cloud, &id, State::Stopped, None, |it| Ok(it.state == State::Stopping));
            if !matches!(stopped, Ok(State::ShuttingDown)) {
                return;
            }
        }
    }
    let reason = match how {
        End::Terminate(reason) | End::Stop(reason) => reason,
    };
    let _ = instance::enter(cloud, &id, State::ShuttingDown, Some(reason), |it| {
        Ok(!matches!(it.state, State::ShuttingDown | State::Terminated))
    });
    kill(&folder).await;
    if let Ok(console) = folder.console() {
        let _ = instance::keep_console(cloud, &id, &console);
    }
    remove(&folder).await;
    let _ = spot::ended(cloud, &id);
    let _ = instance::enter(cloud, &id, State::Terminated, None, |it| Ok(!it.state.is_terminated()));
}

/// Kills every process of an instance.
async fn kill(folder: &Folder) {
    // A process in an uninterruptible system call may survive several attempts.
    for _ in 0..12 {
        process::end(None, folder.root()).await;
        if process::owned_by(folder.root()).is_empty() {
            break;
        }
    }
}

/// Deletes an instance's folder. If that fails, the next start tries again.
async fn remove(folder: &Folder) {
    let root = folder.root().to_owned();
    let removing = tokio::task::spawn_blocking(move || {
        if std::fs::remove_dir_all(&root).is_err() {
            // The instance may have made folders unwritable.
            let _ = std::process::Command::new("chmod").args(["-R", "u+rwX"]).arg(&root).output();
            let _ = std::fs::remove_dir_all(&root);
        }
    });
    let _ = timeout(Duration::from_secs(60), removing).await;
}
