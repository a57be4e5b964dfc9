//! What the resources of a stack have cost, and what they cost now: by the journal's times and the price table.

use serde::Serialize;

use crate::failure::Outcome;
use crate::journal::{ResourceId, ResourceRow, ResourceStatus, State};
use crate::price;
use crate::resource::{AnyResource, Bills};

/// The cost of a resource that bills by the hour. On AWS, storage, requests and transfer come on top.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    pub step: String,
    #[serde(flatten)]
    pub id: ResourceId,
    pub instance_type: String,
    pub instance_count: i32,
    /// Of each instance.
    pub seconds: f64,
    /// US dollars so far. `None` if the price of the instance type is unknown.
    pub usd: Option<f64>,
    /// US dollars an hour from now on, until `down` or the end of the job.
    pub hourly: Option<f64>,
    /// Whether it bills now.
    pub bills: bool,
}

/// Returns the cost of each resource that had billed by a time, in the order in which they were made. `now` is in
/// milliseconds since 1970; what happened later changes nothing.
pub fn costs(state: &State, now: i64) -> Outcome<Vec<Cost>> {
    let mut costs = Vec::new();
    for (id, row) in state.resources.past().chain(state.resources.iter()) {
        if row.created <= now
            && let Some(bills) = AnyResource::read(&id.kind, &row.spec)?.bills(&row.facts)
        {
            costs.push(cost(id, row, bills, (done_at(row, state), now)));
        }
    }
    Ok(costs)
}

/// Returns when the step ended well in which a resource was made. A job that had to fail has ended by then, and is never ready.
fn done_at(row: &ResourceRow, state: &State) -> Option<i64> {
    let attempts = state.steps.get(&row.step)?.attempts.iter();
    let mut ended = attempts.filter(|attempt| attempt.done && attempt.started <= row.created);
    ended.find_map(|attempt| attempt.ended.filter(|ended| *ended >= row.created))
}

fn cost(id: &ResourceId, row: &ResourceRow, bills: Bills, (done, now): (Option<i64>, i64)) -> Cost {
    // Of an intent, nobody knows whether there is a resource behind it.
    let by_now = |at: &i64| *at <= now;
    let deleted = row.deleted.filter(by_now);
    let ready = row.ready.or(done).filter(by_now).filter(|_| !bills.until_deleted);
    let runs = row.status != ResourceStatus::Intended && deleted.is_none() && ready.is_none();
    let lived = (ready.or(deleted).unwrap_or(now) - row.created).max(0) as f64 / 1000.0;
    let seconds = if row.status == ResourceStatus::Intended { 0.0 } else { bills.seconds.unwrap_or(lived) };
    let hourly = price::hourly(&bills.instance_type).map(|hourly| hourly * f64::from(bills.instance_count));
    Cost {
        step: row.step.clone(),
        id: id.clone(),
        instance_type: bills.instance_type,
        instance_count: bills.instance_count,
        seconds,
        usd: hourly.map(|hourly| hourly * seconds / 3600.0),
        hourly: hourly.filter(|_| runs),
        bills: runs,
    }
}

/// Returns the sum so far, and the sum an hour from now on, in US dollars, of the resources whose price is known.
pub fn sums(costs: &[Cost]) -> (f64, f64) {
    let sum =
        |amount: fn(&Cost) -> Option<f64>| costs.iter().filter_map(amount).fold(0.0, |all, one| all + one);
    (sum(|cost| cost.usd), sum(|cost| cost.hourly))
}

/// Returns a line for each resource that bills now.
pub fn billing(costs: &[Cost]) -> Vec<String> {
    let live = costs.iter().filter(|cost| cost.bills);
    live.map(|cost| match cost.hourly {
        Some(hourly) => format!(
            "{} bills {hourly:.3} USD an hour on AWS ({} × {})",
            cost.id, cost.instance_count, cost.instance_type
        ),
        None => {
            format!("{} bills by the hour on AWS ({} × {})", cost.id, cost.instance_count, cost.instance_type)
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::journal::{Event, Lifetime, Record};
    use crate::resource::{Endpoint, TrainingJob};

    const HOUR: i64 = 3_600_000;

    #[derive(Default)]
    struct Stack {
        state: State,
        seq: u64,
    }

    impl Stack {
        fn at(&mut self, at: i64, event: Event) {
            self.seq += 1;
            self.state.apply(Record { seq: self.seq, at, event }).unwrap();
        }

        fn make(&mut self, at: i64, id: &ResourceId, spec: Value, facts: Value) {
            let (step, slot) = (id.kind.clone(), id.kind.clone());
            let (lifetime, attached_to) = (Lifetime::Stack, None);
            self.at(at, Event::Intended { id: id.clone(), step, slot, spec, lifetime, attached_to });
            self.at(at, Event::Created { id: id.clone(), adopted: false });
            let facts: Map<String, Value> = facts.as_object().cloned().unwrap_or_default();
            self.at(at + HOUR / 2, Event::Ready { id: id.clone(), facts });
        }
    }

    #[test]
    fn a_job_that_had_to_fail_bills_until_its_step_has_ended() {
        let mut stack = Stack::default();
        let text = || "s".to_owned();
        stack.at(0, Event::Opened { stack: text(), target: text(), account: text(), region: text() });
        stack.at(0, Event::RunStarted { run: 1, params: Map::new(), version: text() });
        let (step, kind, reason) = ("training-job".to_owned(), "train".to_owned(), text());
        stack
            .at(0, Event::StepStarted { step, kind, inputs: Value::Null, files: Default::default(), reason });
        let job =
            TrainingJob { instance_type: "ml.m5.xlarge".into(), instance_count: 1, ..TrainingJob::default() };
        let id = ResourceId { kind: "training-job".into(), name: "x".into() };
        let (step, spec) = (id.kind.clone(), serde_json::to_value(&job).unwrap());
        let (slot, lifetime, attached_to) = (text(), Lifetime::Stack, None);
        stack.at(0, Event::Intended { id: id.clone(), step, slot, spec, lifetime, attached_to });
        stack.at(0, Event::Created { id: id.clone(), adopted: false });
        let bills = |stack: &Stack| costs(&stack.state, 4 * HOUR).unwrap().remove(0);
        assert!(bills(&stack).bills, "nobody knows whether it has ended");
        let (step, outputs, figures) = (id.kind.clone(), Value::Null, Vec::new());
        stack.at(HOUR, Event::StepDone { step, outputs, summary: text(), figures });
        let cost = bills(&stack);
        assert_eq!((cost.bills, cost.seconds, cost.hourly), (false, 3600.0, None));
    }

    #[test]
    fn each_resource_costs_as_long_as_it_bills_in_all_runs_together() {
        let mut stack = Stack::default();
        let text = || "s".to_owned();
        stack.at(0, Event::Opened { stack: text(), target: text(), account: text(), region: text() });
        let endpoint =
            Endpoint { instance_type: "ml.m5.large".into(), instance_count: 2, ..Endpoint::default() };
        let job =
            TrainingJob { instance_type: "ml.m5.xlarge".into(), instance_count: 1, ..TrainingJob::default() };
        let id = |kind: &str| ResourceId { kind: kind.into(), name: "x".into() };
        let (endpoint_spec, job_spec) = (json!(endpoint), json!(job));
        // The endpoint is made twice under one name, and lives for an hour each time.
        for at in [0, 2 * HOUR] {
            stack.make(at, &id("endpoint"), endpoint_spec.clone(), json!({}));
            stack.at(at + HOUR, Event::Deleted { id: id("endpoint") });
        }
        stack.make(4 * HOUR, &id("endpoint"), endpoint_spec, json!({}));
        stack.make(4 * HOUR, &id("training-job"), job_spec, json!({"billable_seconds": 360}));
        let costs = costs(&stack.state, 5 * HOUR).unwrap();
        let (large, xlarge) = (price::hourly("ml.m5.large").unwrap(), price::hourly("ml.m5.xlarge").unwrap());
        let (spent, hourly) = sums(&costs);
        assert!((spent - (3.0 * 2.0 * large + 0.1 * xlarge)).abs() < 1e-9, "{spent}: {costs:#?}");
        assert!((hourly - 2.0 * large).abs() < 1e-9, "{hourly}: a job that is done bills no more");
        assert_eq!(billing(&costs).len(), 1);
        // A stack that has made nothing has spent nothing, and not -0.
        assert_eq!(format!("{:.2}", sums(&[]).0), "0.00");
    }
}
