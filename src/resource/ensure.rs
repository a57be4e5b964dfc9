//! The one way to make a resource: describe, intent, create or adopt, wait, outcome. Each is committed before the
//! next begins, so a crash at any point loses nothing and makes nothing twice.
//!
//! An intent is committed only for a name that was free, so what is found under the name of a journaled intent is
//! what an interrupted attempt made: it is adopted. Found without an intent, it is ours only if its tags say so.

use rand::RngExt;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::any::AnyResource;
use super::ownership::{self, Ownership};
use super::traits::{Live, Naming, Resource, Status, Tags};
use crate::attachment;
use crate::aws::Aws;
use crate::failure::{Failure, Outcome};
use crate::journal::{Event, Journal, Lifetime, ResourceId, ResourceStatus};

/// What a step works with: the cloud, the journal, and who it is.
pub struct StepSession<'a> {
    pub aws: &'a Aws,
    pub journal: &'a mut Journal,
    pub step: String,
    /// The runbook's stem and the step's id: what generated names begin with.
    pub base: String,
    /// The user's own tags.
    pub tags: Tags,
    /// Make what can only be made anew once more, and set what can be set, though nothing has changed.
    pub force: bool,
    /// Turns true when the user wants to stop: no wait goes on then.
    pub interrupted: watch::Receiver<bool>,
    /// What this attempt has ensured. What else the step owns is left from an earlier form of it.
    pub ensured: Vec<ResourceId>,
}

/// A resource that is ready.
#[derive(Clone, Debug)]
pub struct ReadyResource {
    pub name: String,
    pub facts: Map<String, Value>,
}

impl ReadyResource {
    /// A fact as text; empty where there is none.
    pub fn text(&self, fact: &str) -> String {
        self.facts.get(fact).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

impl StepSession<'_> {
    /// The tags that say whose a resource is, with the user's own.
    fn all_tags(&self) -> Tags {
        let mut tags = self.tags.clone();
        tags.insert("opsml:stack".into(), self.journal.state().stack.clone());
        tags.insert("opsml:step".into(), self.step.clone());
        tags
    }

    pub fn commit(&mut self, events: impl IntoIterator<Item = Event>) -> Outcome<()> {
        Ok(self.journal.append(events)?)
    }

    /// Makes sure that the step's slot holds a resource as `wanted`, and waits until it is ready.
    pub async fn ensure<R: Resource>(
        &mut self,
        slot: &str,
        wanted: R,
        lifetime: Lifetime,
    ) -> Outcome<ReadyResource> {
        let id = match self.settle(slot, &wanted).await? {
            Settled::Have(id) => id,
            Settled::Need => {
                if R::SHARES_TAGS {
                    self.require_target_ownership(&wanted).await?;
                }
                let there = self.is_there(&wanted).await?;
                let id = self.intend(slot, &wanted, lifetime)?;
                if there {
                    self.adopt(&id, &wanted).await?
                } else {
                    self.create(&id, &wanted).await?
                }
                id
            }
        };
        self.ensured.push(id.clone());
        let live = self.wait(&id, &wanted).await?;
        self.commit([Event::Ready { id: id.clone(), facts: live.facts.clone() }])?;
        self.refresh_target(&id).await?;
        Ok(ReadyResource { name: id.name, facts: live.facts })
    }

    /// Describes an attachment's target again: what is attached shows in its description, and is no change from outside.
    async fn refresh_target(&mut self, attachment: &ResourceId) -> Outcome<()> {
        let ledger = &self.journal.state().resources;
        let Some((id, row)) = attachment::target_to_refresh(attachment, ledger) else { return Ok(()) };
        let id = id.clone();
        let (target, before) = (AnyResource::read(&id.kind, &row.spec)?, row.facts.clone());
        match target.describe(self.aws, &id.name).await? {
            Some(live) if live.facts != before => self.commit([Event::Ready { id, facts: live.facts }]),
            _ => Ok(()),
        }
    }

    /// Looks at what an earlier attempt left in the slot.
    async fn settle<R: Resource>(&mut self, slot: &str, wanted: &R) -> Outcome<Settled> {
        let Some((id, row)) = self.journal.state().resources.in_slot(&self.step, slot) else {
            return Ok(Settled::Need);
        };
        let (id, row) = (id.clone(), row.clone());
        let old: R = serde_json::from_value(row.spec.clone()).map_err(Failure::journal)?;
        match row.status {
            ResourceStatus::Intended if old.describe(self.aws, &id.name).await?.is_some() => {
                self.require_ownership(&old, &id.name, R::STAGED).await?;
                self.adopt(&id, &old).await?;
            }
            ResourceStatus::Intended => {
                self.commit([Event::Deleted { id }])?;
                return Ok(Settled::Need);
            }
            ResourceStatus::Deleting => {
                self.delete_and_wait(&id).await?;
                return Ok(Settled::Need);
            }
            _ => {}
        }
        let live = old.describe(self.aws, &id.name).await?;
        if live.is_some() {
            self.require_ownership(&old, &id.name, false).await?;
        }
        match live {
            None => {
                self.commit([Event::Deleted { id }])?;
                Ok(Settled::Need)
            }
            Some(live)
                if matches!(live.status, Status::Failed(_) | Status::Ended(_))
                    || ((old != *wanted || self.force) && wanted.replaces(&old)) =>
            {
                // Its logs and reason stay readable until the step has succeeded.
                let fixed = matches!(wanted.naming(), Naming::Fixed(name) if name == id.name);
                match fixed {
                    true => self.delete_and_wait(&id).await?,
                    false => self.commit([Event::Superseded { id }])?,
                }
                Ok(Settled::Need)
            }
            Some(_) if old != *wanted || self.force || row.status == ResourceStatus::Updating => {
                let spec = serde_json::to_value(wanted).map_err(Failure::journal)?;
                self.commit([Event::Updating { id: id.clone(), spec }])?;
                let tags = self.all_tags();
                let Self { aws, journal, step, .. } = self;
                let mut progress = |text: String, part| journal.progress(step, text, part);
                wanted.update(aws, &id.name, &tags, &mut progress).await?;
                Ok(Settled::Have(id))
            }
            Some(_) => Ok(Settled::Have(id)),
        }
    }

    fn intend<R: Resource>(&mut self, slot: &str, wanted: &R, lifetime: Lifetime) -> Outcome<ResourceId> {
        let name = generate(&wanted.naming(), &self.journal.state().stack);
        let id = ResourceId { kind: R::TYPE.into(), name };
        let spec = serde_json::to_value(wanted).map_err(Failure::journal)?;
        let (step, slot) = (self.step.clone(), slot.to_owned());
        let attached_to = wanted.attached_to();
        self.commit([Event::Intended { id: id.clone(), step, slot, spec, lifetime, attached_to }])?;
        Ok(id)
    }

    async fn create<R: Resource>(&mut self, id: &ResourceId, wanted: &R) -> Outcome<()> {
        let tags = self.all_tags();
        let Self { aws, journal, step, .. } = self;
        let mut progress = |text: String, part| journal.progress(step, text, part);
        let Err(failure) = wanted.create(aws, &id.name, &tags, &mut progress).await else {
            return self.commit([Event::Created { id: id.clone(), adopted: false }]);
        };
        // A reply that got lost makes the SDK's own retry find the resource there; and of several calls, the
        // first ones may have got through: then finishing it tells what the matter is.
        match wanted.describe(self.aws, &id.name).await {
            Ok(Some(_)) => {
                self.require_ownership(wanted, &id.name, R::STAGED).await?;
                self.adopt(id, wanted).await
            }
            Ok(None) => {
                self.commit([Event::Deleted { id: id.clone() }])?;
                Err(failure)
            }
            Err(_) => Err(failure),
        }
    }

    /// Takes an existing resource for ours, and finishes it where it may be half-made.
    async fn adopt<R: Resource>(&mut self, id: &ResourceId, wanted: &R) -> Outcome<()> {
        if R::STAGED {
            let tags = self.all_tags();
            let Self { aws, journal, step, .. } = self;
            let mut progress = |text: String, part| journal.progress(step, text, part);
            wanted.update(aws, &id.name, &tags, &mut progress).await?;
        }
        self.commit([Event::Created { id: id.clone(), adopted: true }])
    }

    /// Whether a resource of a fixed name is there and ours by its tags. There and another's is an error. A
    /// generated name is free.
    async fn is_there<R: Resource>(&self, wanted: &R) -> Outcome<bool> {
        let Naming::Fixed(name) = wanted.naming() else { return Ok(false) };
        if wanted.describe(self.aws, &name).await?.is_none() {
            return Ok(false);
        }
        self.require_ownership(wanted, &name, false).await?;
        Ok(true)
    }

    /// Refuses to make a part of what isn't ours, or to set something on it.
    async fn require_target_ownership<R: Resource>(&self, part: &R) -> Outcome<()> {
        let name = match part.naming() {
            Naming::Fixed(name) => name,
            Naming::Stack { base, .. } | Naming::Timestamp { base, .. } => base,
        };
        let tags = part.tags(self.aws, &name).await?;
        match tags.get("opsml:stack") {
            Some(of) if *of == self.journal.state().stack => Ok(()),
            _ => {
                let kind = R::TYPE.replace('-', " ");
                let message = format!("{kind} {name} would change what this runbook did not make");
                Err(Failure::new("NotOurs", message)
                    .hint("what is `existing` is used as it is; a step that makes it may change it"))
            }
        }
    }

    /// Refuses what carries another's tags, or none. Of one that takes several calls to make, the first ones may have
    /// got through before its tags did.
    async fn require_ownership<R: Resource>(&self, one: &R, name: &str, half_made: bool) -> Outcome<()> {
        match ownership::of(one, self.aws, name, &self.journal.state().stack).await? {
            Ownership::Ours => Ok(()),
            Ownership::Unowned if half_made => Ok(()),
            Ownership::Unowned | Ownership::SomebodyElses => {
                let kind = R::TYPE.replace('-', " ");
                let message = format!("{kind} {name} exists already and was not made by this runbook");
                Err(Failure::new("NotOurs", message)
                    .hint("use it as it is with `existing:`, or choose another name"))
            }
        }
    }

    async fn wait<R: Resource>(&mut self, id: &ResourceId, wanted: &R) -> Outcome<Live> {
        let mut asked = 0;
        loop {
            let live = wanted.describe(self.aws, &id.name).await?.ok_or_else(|| {
                Failure::new("Gone", format!("{id} was deleted while it was being waited for"))
            })?;
            match &live.status {
                Status::Ready => return Ok(live),
                Status::Failed(reason) | Status::Ended(reason) => return Err(failed(id, reason)),
                Status::Pending(status) => {
                    let (step, status) = (self.step.clone(), status.clone());
                    self.journal.progress(&step, format!("{id}: {status}"), None);
                }
            }
            self.pause(asked).await?;
            asked += 1;
        }
    }

    /// Waits a little before asking again, unless the user wants to stop.
    async fn pause(&mut self, asked: u32) -> Outcome<()> {
        let interval = self.aws.poll_interval(asked);
        // A sender that is gone will never interrupt.
        let stop = async {
            if self.interrupted.wait_for(|stop| *stop).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = tokio::time::sleep(interval) => Ok(()),
            () = stop => Err(Failure::interrupted("stopped by Ctrl-C; what runs on AWS's side goes on")),
        }
    }

    /// Deletes a resource and waits until Describe finds it no more.
    pub async fn delete_and_wait(&mut self, id: &ResourceId) -> Outcome<()> {
        let Some(row) = self.journal.state().resources.get(id).filter(|row| row.is_live()) else {
            return Ok(());
        };
        let (resource, status) = (AnyResource::read(&id.kind, &row.spec)?, row.status);
        if row.status != ResourceStatus::Deleting {
            self.commit([Event::Deleting { id: id.clone() }])?;
        }
        let step = self.step.clone();
        self.journal.progress(&step, format!("deleting {id}"), None);
        let mut asked = 0;
        while let Some(live) = resource.describe(self.aws, &id.name).await?
            && (asked == 0 || !matches!(live.status, Status::Ended(_)))
        {
            if asked == 0 {
                let stack = self.journal.state().stack.clone();
                // What was ready had our tags.
                let tagged = matches!(status, ResourceStatus::Ready | ResourceStatus::Updating);
                let ownership = resource.ownership(self.aws, &id.name, &stack).await?;
                if ownership == Ownership::SomebodyElses || (ownership == Ownership::Unowned && tagged) {
                    self.journal
                        .note(&step, &format!("{id} is not ours any more by its tags, and is left alone"));
                    break;
                }
                resource.delete(self.aws, &id.name).await?;
            } else {
                self.pause(asked).await?;
            }
            asked += 1;
        }
        self.commit([Event::Deleted { id: id.clone() }])?;
        self.refresh_target(id).await
    }
}

enum Settled {
    Have(ResourceId),
    Need,
}

/// A resource that came to nothing, with the service's code where the reason begins with one.
fn failed(id: &ResourceId, reason: &str) -> Failure {
    // SageMaker's FailureReason: "ClientError: …", "AlgorithmError: …", "AccessDeniedException: …".
    let (code, message) = match reason.split_once(':') {
        Some((code, message)) if !code.is_empty() && code.chars().all(|c| c.is_ascii_alphanumeric()) => {
            (code, message.trim())
        }
        _ => ("Failed", reason),
    };
    Failure::new(code, format!("{id}: {message}"))
}

/// The name that goes into the intent.
fn generate(naming: &Naming, stack: &str) -> String {
    let join = |base: &str, tail: &str, max: usize| {
        let base: String = base
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .collect();
        let room = max.saturating_sub(tail.len() + 1);
        let base = base[..base.len().min(room)].trim_matches('-').to_owned();
        if base.is_empty() { format!("opsml-{tail}") } else { format!("{base}-{tail}") }
    };
    match naming {
        Naming::Fixed(name) => name.clone(),
        Naming::Stack { base, max } => join(base, stack, *max),
        Naming::Timestamp { base, max } => join(
            base,
            &jiff::Zoned::now()
                .with_time_zone(jiff::tz::TimeZone::UTC)
                .strftime("%Y-%m-%d-%H-%M-%S-%3f")
                .to_string(),
            *max,
        ),
    }
}

/// A new stack id: 8 letters and digits that any AWS name may hold.
pub fn new_stack_id() -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    // A name may not begin with a digit everywhere, so the id never does.
    std::iter::once(LETTERS[random.random_range(0..26)] as char)
        .chain((1..8).map(|_| LETTERS[random.random_range(0..LETTERS.len())] as char))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_their_limits() {
        let long = Naming::Timestamp { base: "a_long.Runbook name ".repeat(9), max: 63 };
        let name = generate(&long, "s");
        assert!(name.len() <= 63 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name}");
        assert_eq!(generate(&Naming::Stack { base: "Über".into(), max: 20 }, "abc"), "ber-abc");
    }

    #[test]
    fn a_reason_gives_its_code() {
        let id = ResourceId { kind: "training-job".into(), name: "j".into() };
        assert_eq!(failed(&id, "AlgorithmError: no").code, "AlgorithmError");
        assert_eq!(failed(&id, "no: yes, but: no").code, "no");
        assert_eq!(failed(&id, "no reason").code, "Failed");
    }
}
