//! The control loop: at the end of each period it writes the metrics, evaluates the alarms, and lets target tracking act.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::activity::{self, Cause};
use super::now_ms;
use super::policy::{self, Policy};
use super::target::{self, Key, Target};
use super::track::{Direction, Settings, Standing, decide};
use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::cloudwatch::{self, Series, Triggered};
use crate::sagemaker::meter;

/// Between two clean-ups of old data points.
const PRUNE_EVERY_MS: i64 = 60_000;

/// The loop, while it runs.
#[derive(Debug, Default)]
pub struct Control(Mutex<Option<JoinHandle<()>>>);

/// Takes up what the last server left in progress, and starts the loop.
pub fn start(cloud: &Arc<Cloud>) {
    // What cannot be read now answers its error to those who ask for it.
    let _ = activity::recover(cloud);
    let (period, weak) = (cloud.settings.faster_ms(60_000), Arc::downgrade(cloud));
    let task = tokio::spawn(run(weak, period));
    *lock(&cloud.control) = Some(task);
}

/// Ends the loop; what it measured is kept.
pub fn stop(cloud: &Cloud) {
    if let Some(task) = lock(&cloud.control).take() {
        task.abort();
    }
    // A full disk loses the last period's points.
    let _ = cloud.metrics.flush();
}

fn lock(control: &Control) -> std::sync::MutexGuard<'_, Option<JoinHandle<()>>> {
    control.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn run(cloud: Weak<Cloud>, period: i64) {
    let mut pruned_ms = 0;
    loop {
        let now = now_ms();
        let rest = period - now.rem_euclid(period);
        tokio::time::sleep(Duration::from_millis(rest.unsigned_abs())).await;
        let Some(cloud) = cloud.upgrade() else { return };
        // The clock may have been set, or a turn may have taken longer than a period: the last one that is over counts.
        let now = now_ms();
        // A turn that fails, on a full disk, is made up for by the next one.
        let _ = turn(&cloud, now - now.rem_euclid(period), period);
        if (now - pruned_ms).abs() > PRUNE_EVERY_MS {
            let _ = cloud.metrics.prune(now);
            pruned_ms = now;
        }
    }
}

/// At the end of a period.
fn turn(cloud: &Arc<Cloud>, end_ms: i64, period: i64) -> Result<(), AwsError> {
    let targets: Vec<(String, Target)> = cloud.store.list(target::STORE)?;
    for key in targets.iter().filter_map(|(resource, _)| Key::parse(resource)) {
        report_idle(cloud, &key, end_ms, period)?;
        adjust(cloud, &key)?;
    }
    meter::instances(cloud)?;
    cloud.metrics.flush()?;
    cloudwatch::evaluate(cloud, end_ms)?.iter().try_for_each(|triggered| act(cloud, triggered))
}

/// SageMaker tells a target that had no request in a period that it had none.
fn report_idle(cloud: &Cloud, key: &Key, end_ms: i64, period: i64) -> Result<(), AwsError> {
    if key.find(cloud)?.is_none() {
        return Ok(());
    }
    let series = Series {
        namespace: meter::REQUESTS.to_owned(),
        name: "InvocationsPerInstance".to_owned(),
        dimensions: vec![
            ("EndpointName".to_owned(), key.endpoint.clone()),
            ("VariantName".to_owned(), key.variant.clone()),
        ],
        unit: String::new(),
    };
    let start_ms = end_ms - period;
    if cloud.metrics.periods(&series, start_ms, end_ms, period)?.is_empty() {
        meter::idle(cloud, &key.endpoint, &key.variant, start_ms);
    }
    Ok(())
}

/// Brings a target whose range was changed into it, as soon as its endpoint can be updated.
pub fn adjust(cloud: &Arc<Cloud>, key: &Key) -> Result<(), AwsError> {
    let Some(target) = cloud.store.get::<Target>(target::STORE, &key.resource())? else { return Ok(()) };
    let Some(words) = target.adjust else { return Ok(()) };
    let Some(variant) = key.find(cloud)?.filter(|variant| variant.in_service) else { return Ok(()) };
    cloud.store.update(target::STORE, &key.resource(), |target: &mut Target| {
        target.adjust = None;
        Ok(())
    })?;
    let to = variant.desired.clamp(target.min, target.max);
    if to == variant.desired {
        return Ok(());
    }
    activity::begin(cloud, key, variant.desired, to, Cause { words, policy: None })
}

/// An alarm asks a policy to scale.
fn act(cloud: &Arc<Cloud>, triggered: &Triggered) -> Result<(), AwsError> {
    let policies = policy::list(cloud)?;
    let Some(policy) = policies.into_iter().find(|policy| policy.arn == triggered.action) else {
        return Ok(());
    };
    let direction = if policy.high == triggered.alarm { Direction::Out } else { Direction::In };
    let Some(key) = Key::parse(&policy.resource) else { return Ok(()) };
    let Some(target) = cloud.store.get::<Target>(target::STORE, &policy.resource)? else { return Ok(()) };
    let suspended = match direction {
        Direction::Out => target.suspended.dynamic_scaling_out_suspended,
        Direction::In => target.suspended.dynamic_scaling_in_suspended,
    };
    // An endpoint that is Updating has an activity in progress, or another's change.
    let Some(variant) = key.find(cloud)?.filter(|variant| variant.in_service && !suspended) else {
        return Ok(());
    };
    let standing = Standing { current: variant.desired, min: target.min, max: target.max, now_ms: now_ms() };
    let settings = faster(cloud, &policy);
    let Some(to) = decide(&settings, &policy.memory, standing, direction, triggered.value) else {
        return Ok(());
    };
    let words = format!("monitor alarm {} in state ALARM triggered policy {}", triggered.alarm, policy.name);
    activity::begin(cloud, &key, variant.desired, to, Cause { words, policy: Some(policy.id()) })
}

fn faster(cloud: &Cloud, policy: &Policy) -> Settings {
    let settings = policy.settings();
    Settings {
        out_cooldown_ms: cloud.settings.faster_ms(settings.out_cooldown_ms),
        in_cooldown_ms: cloud.settings.faster_ms(settings.in_cooldown_ms),
        ..settings
    }
}
