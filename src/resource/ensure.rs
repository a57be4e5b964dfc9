//! Creates resources: describe, intent, create or adopt, wait, outcome. Each is committed before the next begins, so a
//! crash at any point loses no resource and creates none twice.
//!
//! An intent is committed only for a name that was free. So a resource under the name of an intent was created by an
//! interrupted attempt, and is adopted. A resource without an intent is this stack's only if its tags say so. If nobody
//! knows whether a create call arrived, the intent stays, and the next attempt makes the same call under the same name.

use rand::RngExt;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::any::AnyResource;
use super::ownership::Ownership;
use super::traits::{EVENT_TAG, Live, Naming, SLOT_TAG, SPEC_TAG, STACK_TAG, STEP_TAG, Status, Tags};
use crate::attachment;
use crate::aws::Aws;
use crate::failure::{Failure, Outcome};
use crate::journal::{Event, Lifetime, ResourceId, ResourceStatus, SharedJournal};

/// How many times a resource that is to be updated or deleted is described: on AWS for more than an hour.
const MAX_POLLS: u32 = 250;

/// What a step needs to create resources: the clients, the journal, and its name and options.
pub struct StepSession<'a> {
    pub aws: &'a Aws,
    pub journal: &'a SharedJournal,
    pub step: String,
    /// The prefix of generated names: the runbook's stem and the step's id.
    pub base: String,
    /// The user's own tags.
    pub tags: Tags,
    /// Update or replace the resources even if nothing has changed.
    pub force: bool,
    /// The resources that were changed outside of opsml, and that the user wants restored.
    pub restore: Vec<ResourceId>,
    /// The resources that this attempt has ensured. The step's other resources are left from an earlier form of it.
    pub ensured: Vec<ResourceId>,
}

/// A resource that is ready.
#[derive(Clone, Debug)]
pub struct ReadyResource {
    pub name: String,
    pub facts: Map<String, Value>,
}

impl ReadyResource {
    /// Returns a fact as text, or an empty text if it is missing.
    pub fn text(&self, fact: &str) -> String {
        self.facts.get(fact).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

impl StepSession<'_> {
    /// Returns the tags of a resource that has an intent: its owner, what a lost journal must know, and the user's own.
    fn all_tags(&self, id: &ResourceId) -> Tags {
        let mut tags = self.tags.clone();
        tags.insert(STACK_TAG.into(), self.journal.state().stack.clone());
        tags.insert(STEP_TAG.into(), self.step.clone());
        if let Some(row) = self.journal.state().resources.get(id) {
            tags.insert(EVENT_TAG.into(), row.event.to_string());
            tags.insert(SLOT_TAG.into(), row.slot.clone());
            tags.insert(SPEC_TAG.into(), digest(&row.spec));
        }
        tags
    }

    pub fn commit(&mut self, events: impl IntoIterator<Item = Event>) -> Outcome<()> {
        Ok(self.journal.append(events)?)
    }

    /// Creates, updates or replaces the resource in the step's slot so that it is as `wanted`, and waits until it is ready.
    pub async fn ensure(
        &mut self,
        slot: &str,
        wanted: &AnyResource,
        lifetime: Lifetime,
    ) -> Outcome<ReadyResource> {
        let id = match self.settle(slot, wanted).await? {
            Settled::Have(id) => id,
            Settled::Intended(id) => {
                self.create(&id, wanted).await?;
                id
            }
            Settled::Need => {
                if wanted.shares_tags() {
                    self.require_target_ownership(wanted).await?;
                }
                let there = self.is_there(wanted).await?;
                let id = self.intend(slot, wanted, lifetime)?;
                if there {
                    self.adopt(&id, wanted).await?
                } else {
                    self.create(&id, wanted).await?
                }
                id
            }
        };
        self.ensured.push(id.clone());
        let live = self.wait(&id, wanted).await?;
        self.commit([Event::Ready { id: id.clone(), facts: live.facts.clone() }])?;
        self.refresh_target(&id).await?;
        Ok(ReadyResource { name: id.name, facts: live.facts })
    }

    /// Describes an attachment's target again, because the attachment changes what Describe returns of it.
    async fn refresh_target(&mut self, attachment: &ResourceId) -> Outcome<()> {
        let target = attachment::target_to_refresh(attachment, &self.journal.state().resources)
            .map(|(id, row)| (id.clone(), row.spec.clone(), row.facts.clone()));
        let Some((id, spec, before)) = target else { return Ok(()) };
        let target = AnyResource::read(&id.kind, &spec)?;
        match target.describe(self.aws, &id.name).await? {
            Some(live) if self.journal.masked(&live.facts)? != before => {
                self.commit([Event::Ready { id, facts: live.facts }])
            }
            _ => Ok(()),
        }
    }

    /// Decides what to do with the resource that an earlier attempt left in the slot.
    async fn settle(&mut self, slot: &str, wanted: &AnyResource) -> Outcome<Settled> {
        let in_slot = self
            .journal
            .state()
            .resources
            .in_slot(&self.step, slot)
            .map(|(id, row)| (id.clone(), row.clone()));
        let Some((id, row)) = in_slot else { return Ok(Settled::Need) };
        let old = AnyResource::read(&id.kind, &row.spec)?;
        // The journal holds the request masked: it is compared, and only `wanted` is sent.
        let spec = self.journal.masked(&wanted.spec()?)?;
        let masked = AnyResource::read(wanted.kind(), &spec)?;
        let recognised = row.recovered.as_ref().is_some_and(|recovered| *recovered == digest(&spec));
        if recognised {
            self.commit([Event::Recognised { id: id.clone(), spec: spec.clone() }])?;
        }
        let old = if recognised { masked.clone() } else { old };
        match row.status {
            ResourceStatus::Intended if old.describe(self.aws, &id.name).await?.is_some() => {
                self.require_ownership(&old, &id.name, wanted.is_staged()).await?;
                match masked != old && masked.replaces(&old) {
                    // It is deleted below, as far as it was created.
                    true => self.commit([Event::Created { id: id.clone(), adopted: true }])?,
                    false => self.adopt(&id, wanted).await?,
                }
            }
            // The call may still arrive. Under the same name, it makes no second resource.
            ResourceStatus::Intended if old == masked => return Ok(Settled::Intended(id)),
            ResourceStatus::Intended => {
                self.commit([Event::Superseded { id }])?;
                return Ok(Settled::Need);
            }
            ResourceStatus::Deleting => {
                self.delete_and_wait(&id).await?;
                return Ok(Settled::Need);
            }
            _ => {}
        }
        let mut live = old.describe(self.aws, &id.name).await?;
        // A half-made one may have no tags yet.
        if live.is_some() && row.status != ResourceStatus::Intended {
            self.require_still_ours(&old, &id).await?;
        }
        let restore = self.restore.contains(&id);
        // What later steps had attached to a recovered resource is unknown: an update takes it off.
        let unsure = row.recovered.is_some() && !masked.replaces(&masked);
        let changed = old != masked || self.force || restore;
        let differs = changed || unsure || row.status == ResourceStatus::Updating;
        // A stand-in does not say how it was named.
        let other = match row.recovered.is_some() && !recognised {
            true => generate(&wanted.naming(), &self.journal.state().stack) != id.name,
            false => masked.replaces(&old),
        };
        let replaced = changed && other;
        if differs && !replaced {
            // AWS refuses to update a resource that it is still creating, updating or deleting.
            live = self.until_settled(&id, live).await?;
        }
        if let Some(live) = &mut live
            && row.status == ResourceStatus::Ready
            && let Some(gone) = live.lost(&row.facts)
        {
            live.status = Status::Failed(format!("{gone} is gone"));
        }
        match live {
            None => {
                self.commit([Event::Deleted { id }])?;
                Ok(Settled::Need)
            }
            Some(Live { status: Status::Failed(reason) | Status::Ended(reason), .. }) => {
                self.journal.note(&self.step, &format!("deleting {id}, which has failed: {reason}"));
                self.delete_and_wait(&id).await?;
                Ok(Settled::Need)
            }
            Some(live) if replaced => {
                // A resource that is ready stays until another one has taken its place, unless that has its name.
                let fixed = matches!(wanted.naming(), Naming::Fixed(name) if name == id.name);
                match fixed || live.status != Status::Ready {
                    true => self.delete_and_wait(&id).await?,
                    false => self.commit([Event::Superseded { id }])?,
                }
                Ok(Settled::Need)
            }
            Some(_) if differs => {
                self.commit([Event::Updating { id: id.clone(), spec }])?;
                let tags = self.all_tags(&id);
                let Self { aws, journal, step, .. } = self;
                let mut progress = |text: String, part| journal.progress(step, text, part);
                wanted.update(aws, &id.name, &tags, &mut progress).await?;
                Ok(Settled::Have(id))
            }
            Some(_) => Ok(Settled::Have(id)),
        }
    }

    /// Waits while a resource is being created, updated or deleted, and returns what Describe says then.
    async fn until_settled(&mut self, id: &ResourceId, mut live: Option<Live>) -> Outcome<Option<Live>> {
        let spec = self.journal.state().resources.get(id).map(|row| row.spec.clone());
        let Some(spec) = spec else { return Ok(live) };
        let resource = AnyResource::read(&id.kind, &spec)?;
        let mut attempt = 0;
        while let Some(Live { status: Status::Pending(status), .. }) = &live {
            if attempt > MAX_POLLS {
                let message = format!("{id} is still {status}: it does not come to rest");
                return Err(Failure::timeout(message));
            }
            let step = self.step.clone();
            self.journal.pending(&step, id, status);
            self.aws.pause(attempt).await?;
            attempt += 1;
            live = resource.describe(self.aws, &id.name).await?;
        }
        Ok(live)
    }

    fn intend(&mut self, slot: &str, wanted: &AnyResource, lifetime: Lifetime) -> Outcome<ResourceId> {
        let name = generate(&wanted.naming(), &self.journal.state().stack);
        let id = ResourceId { kind: wanted.kind().into(), name };
        let spec = wanted.spec()?;
        let (step, slot) = (self.step.clone(), slot.to_owned());
        let attached_to = wanted.attached_to();
        self.commit([Event::Intended { id: id.clone(), step, slot, spec, lifetime, attached_to }])?;
        Ok(id)
    }

    async fn create(&mut self, id: &ResourceId, wanted: &AnyResource) -> Outcome<()> {
        let tags = self.all_tags(id);
        let Self { aws, journal, step, .. } = self;
        let mut progress = |text: String, part| journal.progress(step, text, part);
        let Err(failure) = wanted.create(aws, &id.name, &tags, &mut progress).await else {
            return self.commit([Event::Created { id: id.clone(), adopted: false }]);
        };
        // If a response was lost, the SDK's retry fails because the resource exists. If one of several calls failed,
        // the update repeats it and returns its error.
        match wanted.describe(self.aws, &id.name).await {
            Ok(Some(_)) => {
                self.require_ownership(wanted, &id.name, wanted.is_staged()).await?;
                self.adopt(id, wanted).await
            }
            Ok(None) if !failure.is_unknown() => {
                self.commit([Event::Deleted { id: id.clone() }])?;
                Err(failure)
            }
            // The call may still arrive, so the intent stays.
            Ok(None) | Err(_) => Err(failure),
        }
    }

    /// Adopts an existing resource, and completes it if creating it takes several calls.
    async fn adopt(&mut self, id: &ResourceId, wanted: &AnyResource) -> Outcome<()> {
        if wanted.is_staged() {
            let tags = self.all_tags(id);
            let Self { aws, journal, step, .. } = self;
            let mut progress = |text: String, part| journal.progress(step, text, part);
            wanted.update(aws, &id.name, &tags, &mut progress).await?;
        }
        self.commit([Event::Created { id: id.clone(), adopted: !wanted.is_left_by_another() }])
    }

    /// Whether a resource with a fixed name exists and is this stack's. Returns an error if it has another owner. A
    /// generated name is always free.
    async fn is_there(&self, wanted: &AnyResource) -> Outcome<bool> {
        let (Naming::Fixed(name) | Naming::Unique(name)) = wanted.naming() else { return Ok(false) };
        if wanted.describe(self.aws, &name).await?.is_none() {
            return Ok(false);
        }
        self.require_ownership(wanted, &name, false).await?;
        Ok(true)
    }

    /// Refuses to create a part of, or an attachment to, a resource that is not this stack's.
    async fn require_target_ownership(&self, part: &AnyResource) -> Outcome<()> {
        let name = match part.naming() {
            Naming::Fixed(name) | Naming::Unique(name) => name,
            Naming::Stack { base, .. } | Naming::Timestamp { base, .. } => base,
        };
        let tags = part.tags(self.aws, &name).await?;
        match tags.get(STACK_TAG) {
            Some(of) if *of == self.journal.state().stack => Ok(()),
            _ => {
                let id = ResourceId { kind: part.kind().to_owned(), name };
                let message = format!("{id} would change a resource that this runbook did not create");
                Err(Failure::new("NotOurs", message)
                    .hint("an `existing` resource is never changed: let a step create it"))
            }
        }
    }

    /// Refuses a resource that has another owner's tags, or none. With `half_made` it may have none: a crash may have come
    /// before the call that sets them.
    async fn require_ownership(&self, one: &AnyResource, name: &str, half_made: bool) -> Outcome<()> {
        let stack = self.journal.state().stack.clone();
        match one.ownership(self.aws, name, &stack).await? {
            Ownership::Ours => Ok(()),
            Ownership::Unowned if half_made => Ok(()),
            Ownership::Unowned | Ownership::SomebodyElses => {
                let id = ResourceId { kind: one.kind().to_owned(), name: name.to_owned() };
                let message = format!("{id} exists already and was not made by this runbook");
                Err(Failure::new("NotOurs", message)
                    .hint("use it as it is with `existing:`, or choose another name"))
            }
        }
    }

    /// Refuses a resource that had this stack's tags and has them no longer: another one may have taken its name.
    async fn require_still_ours(&self, one: &AnyResource, id: &ResourceId) -> Outcome<()> {
        let stack = self.journal.state().stack.clone();
        match one.ownership(self.aws, &id.name, &stack).await? {
            Ownership::Ours => Ok(()),
            Ownership::Unowned | Ownership::SomebodyElses => {
                let message =
                    format!("{id} no longer has the tag opsml:stack = {stack}: it may be somebody else's");
                Err(Failure::new("NotOurs", message)
                    .hint("if it is the one that this runbook made, give it this tag again")
                    .hint("if it is not, choose another name in the runbook: it is never written to, tagged or deleted"))
            }
        }
    }

    async fn wait(&mut self, id: &ResourceId, wanted: &AnyResource) -> Outcome<Live> {
        let mut attempt = 0;
        loop {
            let live = wanted.describe(self.aws, &id.name).await?.ok_or_else(|| {
                Failure::new("Gone", format!("{id} was deleted while it was being waited for"))
            })?;
            match &live.status {
                Status::Ready => return Ok(live),
                Status::Failed(reason) | Status::Ended(reason) => {
                    let failure = failed(id, reason);
                    return Err(match wanted.log(&id.name) {
                        Some(_) => failure.hint(format!("`opsml logs RUNBOOK {}` shows its log", self.step)),
                        None => failure,
                    });
                }
                Status::Pending(status) => {
                    let step = self.step.clone();
                    self.journal.pending(&step, id, status);
                }
            }
            self.aws.pause(attempt).await?;
            attempt += 1;
        }
    }

    /// Deletes a resource and waits until Describe no longer finds it.
    pub async fn delete_and_wait(&mut self, id: &ResourceId) -> Outcome<()> {
        let row = self.journal.state().resources.get(id).filter(|row| row.is_live()).cloned();
        let Some(row) = row else { return Ok(()) };
        let (resource, status) = (AnyResource::read(&id.kind, &row.spec)?, row.status);
        if row.status != ResourceStatus::Deleting {
            self.commit([Event::Deleting { id: id.clone() }])?;
        }
        let step = self.step.clone();
        self.journal.progress(&step, format!("deleting {id}"), None);
        if resource.settles_before_delete() {
            let live = resource.describe(self.aws, &id.name).await?;
            self.until_settled(id, live).await?;
        }
        let mut attempt = 0;
        while let Some(live) = resource.describe(self.aws, &id.name).await?
            && (attempt == 0 || !matches!(live.status, Status::Ended(_)))
        {
            if attempt > MAX_POLLS {
                return Err(Failure::timeout(format!("{id} was deleted, and is still there")));
            }
            if attempt == 0 {
                let stack = self.journal.state().stack.clone();
                // A resource that was ready had this stack's tags.
                let tagged = matches!(status, ResourceStatus::Ready | ResourceStatus::Updating);
                let ownership = resource.ownership(self.aws, &id.name, &stack).await?;
                if ownership == Ownership::SomebodyElses || (ownership == Ownership::Unowned && tagged) {
                    self.journal.note(
                        &step,
                        &format!("{id} no longer has the tags of this stack, and is not deleted"),
                    );
                    break;
                }
                resource.delete(self.aws, &id.name).await?;
            } else {
                self.aws.pause(attempt).await?;
            }
            attempt += 1;
        }
        // An earlier attempt may have ended after the resource was gone, and before what it leaves behind was: its log.
        if attempt == 0 && status == ResourceStatus::Deleting && resource.leaves() {
            resource.delete(self.aws, &id.name).await?;
        }
        self.commit([Event::Deleted { id: id.clone() }])?;
        self.refresh_target(id).await
    }
}

enum Settled {
    Have(ResourceId),
    /// Its create call is not known to have arrived, and is made again.
    Intended(ResourceId),
    Need,
}

/// Returns the failure of a resource, with the service's code if the reason begins with one.
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

/// Returns the digest of a request. Where the journal is lost, it shows whether a step still wants the same.
pub fn digest(spec: &Value) -> String {
    hex::encode(Sha256::digest(spec.to_string()))[..16].to_owned()
}

/// Returns the name for the intent.
fn generate(naming: &Naming, stack: &str) -> String {
    let join = |base: &str, tail: &str, max: usize| {
        let base: String = base
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .collect();
        let longest = max.saturating_sub(tail.len() + 1);
        let base = base[..base.len().min(longest)].trim_matches('-').to_owned();
        if base.is_empty() { format!("opsml-{tail}") } else { format!("{base}-{tail}") }
    };
    match naming {
        Naming::Fixed(name) | Naming::Unique(name) => name.clone(),
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

/// Returns a new stack id: 8 letters and digits, which are allowed in every AWS name.
pub fn new_stack_id() -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    // Some AWS names must not begin with a digit.
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
