//! `choose_instance`: chooses the cheapest instance type that is large enough, and shows the candidates.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::context::{Context, Done};
use super::instance_type::closest_type;
use super::kind::{Kind, Problem};
use crate::diagnostic::counted;
use crate::failure::{Failure, Outcome};
use crate::journal::Figure;
use crate::price::{self, Instance};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChooseInstance {
    /// The instance types to choose from: SageMaker's, `ml.…`, or EC2's.
    #[schemars(length(min = 1, max = 100), extend("x-instances" = "any"))]
    pub candidates: Vec<String>,
    /// The fewest vCPUs.
    #[serde(default)]
    pub vcpus: u32,
    /// The least memory, in GiB.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub memory_gib: f64,
    /// The fewest GPUs.
    #[serde(default)]
    pub gpus: u32,
    /// The highest price of an hour, in US dollars.
    #[schemars(range(min = 0.0))]
    pub max_hourly: Option<f64>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The instance type that was chosen.
    pub instance_type: String,
    /// US dollars an hour.
    pub hourly: f64,
    /// Why it was chosen, as a sentence.
    pub why: String,
    /// The candidates, cheapest first.
    pub candidates: Vec<Candidate>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Candidate {
    pub instance_type: String,
    pub vcpus: u32,
    pub memory_gib: f64,
    pub gpus: u32,
    /// US dollars an hour.
    pub hourly: f64,
    /// The date of the price.
    pub price_of: String,
    /// `chosen`, `fits`, or what it lacks.
    pub verdict: String,
}

/// Returns which instance type of the price table an unknown one most likely means, or else which there are.
pub(super) fn priced(name: &str) -> String {
    let known = || price::instances().iter().map(|known| known.name);
    match closest_type(name, &known().collect::<Vec<_>>()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("it knows {}", known().collect::<Vec<_>>().join(", ")),
    }
}

impl Kind for ChooseInstance {
    const NAME: &'static str = "choose_instance";
    const ABOUT: &'static str = "chooses the cheapest of some instance types that meets a need";
    const OWNS: bool = false;
    const ROWS: &'static [&'static str] = &["instance_type", "hourly", "why"];
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        let unknown = self.candidates.iter().enumerate().filter(|(_, name)| price::instance(name).is_none());
        unknown
            .map(|(at, name)| {
                let message = format!("the price table doesn't know the instance type `{name}`");
                Problem::at(format!("candidates.{at}"), message).hint(priced(name))
            })
            .collect()
    }

    async fn run(&self, _context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let mut known: Vec<Instance> =
            self.candidates.iter().filter_map(|name| price::instance(name)).collect();
        // At the same price, prefer more memory. The name makes the choice repeatable.
        known.sort_by(|a, b| {
            let price = a.hourly.partial_cmp(&b.hourly).unwrap_or(Ordering::Equal);
            let memory = b.memory_gib.partial_cmp(&a.memory_gib).unwrap_or(Ordering::Equal);
            price.then(memory).then(a.name.cmp(b.name))
        });
        known.dedup();
        let lacks = |one: &Instance| self.lacks(one);
        let chosen = known.iter().find(|one| lacks(one).is_empty()).ok_or_else(|| {
            let all: Vec<String> =
                known.iter().map(|one| format!("{} has {}", one.name, lacks(one).join(" and "))).collect();
            Failure::new("NoInstanceFits", format!("no candidate meets the need: {}", all.join("; ")))
                .hint("ask for less, or name larger candidates")
        })?;
        let passed_over: Vec<String> = known
            .iter()
            .take_while(|one| one.name != chosen.name)
            .map(|one| format!("{} has {}", one.name, lacks(one).join(" and ")))
            .collect();
        let mut why = format!(
            "{} has {}, {} GiB of memory{} for {} USD an hour, and is the cheapest of {} that meets the need",
            chosen.name,
            counted(chosen.vcpus, "vCPU"),
            chosen.memory_gib,
            match chosen.gpus {
                0 => String::new(),
                gpus => format!(" and {}", counted(gpus, "GPU")),
            },
            chosen.hourly,
            known.len(),
        );
        if !passed_over.is_empty() {
            why += &format!("; {}", passed_over.join("; "));
        }
        let candidates: Vec<Candidate> = known
            .iter()
            .map(|one| Candidate {
                instance_type: one.name.into(),
                vcpus: one.vcpus,
                memory_gib: one.memory_gib,
                gpus: one.gpus,
                hourly: one.hourly,
                price_of: price::date(one.source).into(),
                verdict: match lacks(one) {
                    lacks if !lacks.is_empty() => lacks.join(" and "),
                    _ if one.name == chosen.name => "chosen".into(),
                    _ => "fits".into(),
                },
            })
            .collect();
        let figure = Figure::Table {
            caption: "The candidates, cheapest first".into(),
            columns: ["type", "vCPUs", "GiB", "GPUs", "USD an hour", "price of", "verdict"]
                .map(str::to_owned)
                .into(),
            rows: candidates
                .iter()
                .map(|one| {
                    vec![
                        one.instance_type.clone(),
                        one.vcpus.to_string(),
                        one.memory_gib.to_string(),
                        one.gpus.to_string(),
                        one.hourly.to_string(),
                        one.price_of.clone(),
                        one.verdict.clone(),
                    ]
                })
                .collect(),
        };
        let outputs = Outputs {
            instance_type: chosen.name.into(),
            hourly: chosen.hourly,
            why: why.clone(),
            candidates,
        };
        Ok(Done::new(outputs, why).figures(vec![figure]))
    }
}

impl ChooseInstance {
    /// Returns what the instance has too little of.
    fn lacks(&self, one: &Instance) -> Vec<String> {
        let mut lacks = Vec::new();
        if one.vcpus < self.vcpus {
            lacks.push(format!("only {}", counted(one.vcpus, "vCPU")));
        }
        if one.memory_gib < self.memory_gib {
            lacks.push(format!("only {} GiB", one.memory_gib));
        }
        if one.gpus < self.gpus {
            lacks.push(format!("only {}", counted(one.gpus, "GPU")));
        }
        if self.max_hourly.is_some_and(|most| one.hourly > most) {
            lacks.push(format!("a price of {} USD an hour", one.hourly));
        }
        lacks
    }
}
