//! The control loop: at the end of each period it writes the metrics, evaluates the alarms, and scales as target
//! tracking or the steps of a policy decide.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::activity::{self, Cause};
use super::adjust::adjust;
use super::key::Key;
use super::policy::Policy;
use super::service::Scaling;
use super::track::{Direction, Settings, Standing, decide, limited};
use crate::call::AwsError;
use crate::cloudwatch::Triggered;
use crate::support::clock::now_ms;

/// Starts the loop.
pub fn start(service: &Arc<Scaling>) {
    let period = service.cloud.settings.faster_ms(60_000);
    service.keep_control(tokio::spawn(run(Arc::downgrade(service), period)));
}

async fn run(service: Weak<Scaling>, period: i64) {
    loop {
        let rest = period - now_ms().rem_euclid(period);
        tokio::time::sleep(Duration::from_millis(rest.unsigned_abs())).await;
        let Some(service) = service.upgrade() else { return };
        // The clock may have been set, or a turn may have taken longer than a period: the last period that has ended
        // counts.
        let now = now_ms();
        // What fails, as on a full disk, is done at the end of the next period.
        let _ = turn(&service, now - now.rem_euclid(period), period);
    }
}

/// Does the loop's work at the end of a period.
fn turn(service: &Arc<Scaling>, end_ms: i64, period: i64) -> Result<(), AwsError> {
    for key in service.targets()?.iter().filter_map(|(resource, _)| Key::parse(resource)) {
        report_idle(service, &key, end_ms - period, end_ms)?;
        adjust(service, &key)?;
    }
    service.scaled()?.report_usage()?;
    let triggered = service.alarms.evaluate(end_ms)?;
    triggered.iter().try_for_each(|triggered| act(service, triggered))
}

/// Writes metrics of zero for a variant that had no request in a period, so that it can be scaled in. A function without
/// requests has no data, as on AWS.
fn report_idle(service: &Scaling, key: &Key, start_ms: i64, end_ms: i64) -> Result<(), AwsError> {
    let Key::Variant { endpoint, variant } = key else { return Ok(()) };
    if service.capacity(key)?.is_some() && !service.alarms.has_data(&key.metric(), start_ms, end_ms)? {
        service.scaled()?.report_idle(endpoint, variant, start_ms);
    }
    Ok(())
}

/// Scales by a policy whose alarm is in ALARM.
fn act(service: &Arc<Scaling>, triggered: &Triggered) -> Result<(), AwsError> {
    let policies = service.policies()?;
    let Some(policy) = policies.into_iter().find(|policy| policy.arn == triggered.action) else {
        return Ok(());
    };
    let Some(key) = Key::parse(&policy.resource) else { return Ok(()) };
    let Some(target) = service.target(&key)? else { return Ok(()) };
    // An endpoint that is Updating is being changed already, by an activity or by a user.
    let Some(capacity) = service.capacity(&key)?.filter(|capacity| capacity.settled) else {
        return Ok(());
    };
    let current = capacity.desired;
    let standing = Standing { current, min: target.min, max: target.max, now_ms: now_ms() };
    let Some((direction, to)) = decided(service, &policy, standing, triggered)? else { return Ok(()) };
    let suspended = match direction {
        Direction::Out => target.suspended.dynamic_scaling_out_suspended,
        Direction::In => target.suspended.dynamic_scaling_in_suspended,
    };
    if suspended {
        return Ok(());
    }
    let words = format!("monitor alarm {} in state ALARM triggered policy {}", triggered.alarm, policy.name);
    activity::begin(service, &key, current, to, Cause { words, policy: Some(policy.id()) })
}

/// Returns the capacity that a policy sets, and whether that adds or removes. None: it sets none.
fn decided(
    service: &Scaling,
    policy: &Policy,
    standing: Standing,
    triggered: &Triggered,
) -> Result<Option<(Direction, u64)>, AwsError> {
    let (settings, memory) = (faster(service, policy), &policy.memory);
    let Some(steps) = policy.steps()? else {
        let is_high = policy.high.as_ref() == Some(&triggered.alarm);
        let direction = if is_high { Direction::Out } else { Direction::In };
        let to = decide(&settings, memory, standing, direction, triggered.value);
        return Ok(to.map(|to| (direction, to)));
    };
    let Some(wanted) = steps.wanted(standing.current, triggered.value - triggered.threshold) else {
        return Ok(None);
    };
    let direction = if wanted > standing.current { Direction::Out } else { Direction::In };
    Ok(limited(&settings, memory, standing, direction, wanted).map(|to| (direction, to)))
}

/// Returns a policy's settings with the cooldowns shortened by the control loop's speedup.
fn faster(service: &Scaling, policy: &Policy) -> Settings {
    let settings = policy.settings();
    Settings {
        out_cooldown_ms: service.cloud.settings.faster_ms(settings.out_cooldown_ms),
        in_cooldown_ms: service.cloud.settings.faster_ms(settings.in_cooldown_ms),
        ..settings
    }
}
