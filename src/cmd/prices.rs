//! Prices that AWS tells, kept beside the journal for the day.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;

use super::session::{self, Checked};
use crate::action::price_list;
use crate::aws::Aws;
use crate::failure::Failure;
use crate::price::{self, Told};

/// Names that look like an instance type's, `ml.m5.xlarge` or `t3.micro`.
const TYPE: &str = r"\b(?:ml\.)?[a-z]{1,4}[0-9][a-z0-9-]*\.(?:nano|micro|small|medium|large|[0-9]*xlarge)\b";
/// Types that are asked for at most: each is a call.
const MOST: usize = 50;

/// Asks AWS what the instance types of a runbook cost, once a day. Where it doesn't say, the table's prices hold.
pub async fn refresh(checked: &Checked, file: &Path, aws: &Aws) {
    let wanted = types(&format!("{} {:?}", checked.runbook.source.text, checked.params));
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let path = path(file, &aws.region);
    let fresh = |told: &Told| told.date == today && wanted.iter().all(|name| told.hourly.contains_key(name));
    if let Some(kept) = kept(&path).filter(fresh) {
        return price::prefer(kept);
    }
    let asked = price_list(aws, &wanted).await.and_then(|hourly| {
        let told = Told { date: today, region: aws.region.clone(), hourly };
        let text = serde_json::to_string(&told).map_err(Failure::journal)?;
        std::fs::write(&path, text).map_err(|error| Failure::file(&path, error))?;
        Ok(told)
    });
    match asked {
        Ok(told) => price::prefer(told),
        Err(failure) => {
            eprintln!("AWS doesn't tell its prices, so those of {} hold: {failure}", price::source())
        }
    }
}

/// Puts the prices that an earlier run was told before the table's. It calls nothing.
pub fn prefer_kept(file: &Path, region: &str) {
    kept(&path(file, region)).into_iter().for_each(price::prefer);
}

fn path(file: &Path, region: &str) -> PathBuf {
    session::state_folder(file).join(format!("prices-{region}.json"))
}

/// What can't be read is as good as not there: it is asked for again.
fn kept(path: &Path) -> Option<Told> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn types(text: &str) -> Vec<String> {
    let Ok(pattern) = Regex::new(TYPE) else { return Vec::new() };
    let found: BTreeSet<&str> = pattern.find_iter(text).map(|found| found.as_str()).collect();
    found.into_iter().take(MOST).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_types_are_found_wherever_they_stand() {
        let text = "a: ml.m5.xlarge, [\"t3.micro\", 'ml.g4dn.12xlarge'] see report.large and ml.m5.xlarge; v1.5.large";
        assert_eq!(types(text), ["ml.g4dn.12xlarge", "ml.m5.xlarge", "t3.micro"]);
    }
}
