//! Instance types by what they are for: which there are, and what a wrong one most likely means.

use aws_sdk_ec2::types::InstanceType as Ec2Type;
use aws_sdk_sagemaker::types::{InstanceType, ProductionVariantInstanceType, TrainingInstanceType};

use crate::diagnostic::{Unknown, closest};

/// What an instance type is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Training,
    Endpoint,
    Notebook,
    Ec2,
}

/// The families whose processors work fully only for a time.
const BURSTABLE: &[&str] = &["ml.t2.", "ml.t3.", "ml.t4g."];

impl Purpose {
    const ALL: [Self; 4] = [Self::Training, Self::Endpoint, Self::Notebook, Self::Ec2];

    /// The name in schemas.
    fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Endpoint => "endpoints",
            Self::Notebook => "notebooks",
            Self::Ec2 => "EC2",
        }
    }

    /// Returns AWS's list of the types.
    fn types(self) -> &'static [&'static str] {
        match self {
            Self::Training => TrainingInstanceType::values(),
            Self::Endpoint => ProductionVariantInstanceType::values(),
            Self::Notebook => InstanceType::values(),
            Self::Ec2 => Ec2Type::values(),
        }
    }

    fn refuses(self, given: &str) -> String {
        match self {
            Self::Training => format!("SageMaker trains on no `{given}`"),
            Self::Endpoint => format!("no endpoint runs on `{given}`"),
            Self::Notebook => format!("no notebook instance runs on `{given}`"),
            Self::Ec2 => format!("EC2 has no instance type `{given}` that is known"),
        }
    }
}

/// Returns what is wrong with an instance type. `purpose` is the schema's word for what it is for.
pub fn instance_problem(purpose: &str, given: &str) -> Option<Unknown> {
    let purpose = Purpose::ALL.into_iter().find(|one| one.name() == purpose)?;
    let types = purpose.types();
    if types.contains(&given) {
        return None;
    }
    let meant = meant(given, types);
    let is_of = |one: &Purpose| one.types().contains(&given);
    let others: Vec<&str> = Purpose::ALL.into_iter().filter(is_of).map(Purpose::name).collect();
    let is_spelt_otherwise = meant.as_deref().is_some_and(|meant| bare(meant) == bare(given));
    if others.is_empty() || is_spelt_otherwise {
        let unknown = Unknown::new(purpose.refuses(given), meant);
        let unknown = match (purpose, given.starts_with("ml."), is_spelt_otherwise) {
            (Purpose::Ec2, true, true) => {
                unknown.hint("EC2's types have no `ml.`, which SageMaker's begin with")
            }
            (Purpose::Ec2, ..) => return Some(unknown),
            (_, false, true) => unknown.hint("SageMaker's instance types begin with `ml.`, in small letters"),
            _ if unknown.meant.is_some() => unknown,
            _ => sizes(given, types).into_iter().fold(unknown, Unknown::hint),
        };
        return Some(unknown.wrong());
    }
    let message = format!("{}: it is for {}", purpose.refuses(given), others.join(" and "));
    Some(Unknown::new(message, None::<String>).wrong().hint(format!("for example `{}`", like(given, types))))
}

/// Whether the processors of a type work fully only for a time.
pub(super) fn is_burstable(name: &str) -> bool {
    BURSTABLE.iter().any(|family| name.starts_with(family))
}

/// Returns a type that isn't burstable in the size of another one, or `ml.m5.large`.
pub(super) fn steady(name: &str) -> String {
    like(name, ProductionVariantInstanceType::values())
}

fn like(name: &str, types: &[&str]) -> String {
    let size = name.rsplit('.').next().unwrap_or_default();
    let same = ["m5", "ml.m5"].map(|family| format!("{family}.{size}"));
    let found = same.into_iter().find(|one| types.contains(&one.as_str()));
    found
        .unwrap_or_else(|| if types.contains(&"m5.large") { "m5.large".into() } else { "ml.m5.large".into() })
}

/// Returns a type's name without `ml.`, in small letters and with points alone.
fn bare(name: &str) -> String {
    let small = name.trim().to_ascii_lowercase().replace(['_', ' ', '/'], ".");
    small.strip_prefix("ml.").or(small.strip_prefix("ml-")).unwrap_or(&small).to_owned()
}

/// Returns the type that a wrong name most likely means: the same one spelt as it must be, or else another size of the same family, or
/// else the one that is closest.
fn meant(given: &str, types: &[&'static str]) -> Option<String> {
    let bare = bare(given);
    let prefix = if types.iter().any(|name| name.starts_with("ml.")) { "ml." } else { "" };
    let whole = format!("{prefix}{bare}");
    // `m5-xlarge` and `m5xlarge`.
    let pointless = |name: &str| name.replace(['.', '-'], "");
    let same = types.iter().find(|name| **name == whole || pointless(name) == pointless(&whole));
    let family = family(&whole);
    let of_family =
        || types.iter().copied().filter(|name| name.starts_with(&family) && family.len() > prefix.len() + 1);
    let found = same.copied().or_else(|| closest(&whole, of_family())).or_else(|| {
        // Where the family has no such size, another family's is no better guess.
        of_family().next().is_none().then(|| closest(&whole, types.iter().copied()))?
    });
    found.map(str::to_owned)
}

/// Returns the type of a list, of SageMaker's and EC2's types, that a wrong name most likely means.
pub(super) fn closest_type(given: &str, types: &[&'static str]) -> Option<String> {
    let lower = given.trim().to_ascii_lowercase();
    let (ours, ec2): (Vec<&'static str>, Vec<&'static str>) =
        types.iter().copied().partition(|name| name.starts_with("ml."));
    meant(given, if lower.starts_with("ml") { &ours } else { &ec2 })
}

/// Returns `ml.m5.` of `ml.m5.large`.
fn family(name: &str) -> String {
    name.rfind('.').map(|at| name[..=at].to_owned()).unwrap_or_default()
}

/// Returns the sizes of a type's family.
fn sizes(given: &str, types: &[&str]) -> Option<String> {
    let family = family(&format!("ml.{}", bare(given)));
    let sizes: Vec<&str> = types.iter().filter_map(|name| name.strip_prefix(&family)).collect();
    let name = family.trim_end_matches('.');
    (!sizes.is_empty() && name != "ml").then(|| format!("{name} comes as {}", sizes.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_type_is_told_what_it_means() {
        for (purpose, given, meant) in [
            ("training", "m5.xlarge", Some("ml.m5.xlarge")),
            ("training", "ML.M5.XLARGE", Some("ml.m5.xlarge")),
            ("training", "M5.XLarge", Some("ml.m5.xlarge")),
            ("training", "ml-m5-xlarge", Some("ml.m5.xlarge")),
            ("training", "ml.m5.xlagre", Some("ml.m5.xlarge")),
            ("endpoints", "c5.large", Some("ml.c5.large")),
            ("notebooks", "t3.medium", Some("ml.t3.medium")),
            ("EC2", "ml.m5.large", Some("m5.large")),
            ("EC2", "T3.micro", Some("t3.micro")),
            ("training", "ml.m5.enormous", None),
            ("training", "gpu", None),
        ] {
            let found = instance_problem(purpose, given).unwrap_or_else(|| panic!("{given} is known"));
            assert_eq!(found.meant.as_deref(), meant, "{purpose} {given}");
            assert!(found.is_wrong || purpose == "EC2", "{found:?}");
        }
        let unknown = instance_problem("training", "ml.m5.enormous").unwrap();
        assert!(unknown.hints[0].starts_with("ml.m5 comes as "), "{unknown:?}");
        for (purpose, given) in
            [("training", "ml.m5.large"), ("notebooks", "ml.t3.medium"), ("EC2", "t3.micro")]
        {
            assert_eq!(instance_problem(purpose, given), None);
        }
    }

    #[test]
    fn a_type_that_is_for_something_else_says_for_what() {
        let t2 = instance_problem("training", "ml.t2.medium").unwrap();
        assert_eq!(t2.message, "SageMaker trains on no `ml.t2.medium`: it is for endpoints and notebooks");
        assert_eq!(t2.hints, ["for example `ml.m5.large`"]);
        let t2 = instance_problem("training", "ml.t2.xlarge").unwrap();
        assert_eq!(t2.hints, ["for example `ml.m5.xlarge`"]);
        assert!(is_burstable("ml.t2.medium") && !is_burstable("ml.trn1.2xlarge"));
    }
}
