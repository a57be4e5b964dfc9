//! The prices of AWS's price list, cached beside the journal for a day.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;

use super::output;
use super::session::{self, Checked};
use crate::action::price_list;
use crate::aws::Aws;
use crate::failure::Failure;
use crate::price::{self, CurrentPrices};

/// Matches the name of an instance type: `ml.m5.xlarge` or `t3.micro`.
const TYPE: &str = r"\b(?:ml\.)?[a-z]{1,4}[0-9][a-z0-9-]*\.(?:nano|micro|small|medium|large|[0-9]*xlarge)\b";
/// The most types to ask for: each costs a call.
const MAX_TYPES: usize = 50;

/// Asks AWS's price list for the instance types of a runbook, once a day. If it fails, the table's prices are used.
pub async fn refresh(checked: &Checked, file: &Path, aws: &Aws) {
    let wanted = types(&format!("{} {:?}", checked.runbook.source.text, checked.params));
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let path = path(file, &aws.region);
    let fresh =
        |list: &CurrentPrices| list.date == today && wanted.iter().all(|name| list.hourly.contains_key(name));
    if let Some(cached) = cached(&path).filter(fresh) {
        return price::prefer(cached);
    }
    let listed = price_list(aws, &wanted).await.and_then(|hourly| {
        let list = CurrentPrices { date: today, region: aws.region.clone(), hourly };
        let text = serde_json::to_string(&list).map_err(Failure::bug)?;
        std::fs::write(&path, text).map_err(|error| Failure::file(&path, error))?;
        Ok(list)
    });
    match listed {
        Ok(list) => price::prefer(list),
        Err(failure) => output::complain(format_args!(
            "AWS's price list is not available; the prices are those of {}: {failure}",
            price::source()
        )),
    }
}

/// Prefers the cached prices to the table's, without a call.
pub fn prefer_cached(file: &Path, region: &str) {
    cached(&path(file, region)).into_iter().for_each(price::prefer);
}

fn path(file: &Path, region: &str) -> PathBuf {
    session::state_folder(file).join(format!("prices-{region}.json"))
}

/// Returns the cached prices, if the file exists and can be read.
fn cached(path: &Path) -> Option<CurrentPrices> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn types(text: &str) -> Vec<String> {
    let Ok(pattern) = Regex::new(TYPE) else { return Vec::new() };
    let found: BTreeSet<&str> = pattern.find_iter(text).map(|found| found.as_str()).collect();
    found.into_iter().take(MAX_TYPES).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_types_are_found_anywhere() {
        let text = "a: ml.m5.xlarge, [\"t3.micro\", 'ml.g4dn.12xlarge'] see report.large and ml.m5.xlarge; v1.5.large";
        assert_eq!(types(text), ["ml.g4dn.12xlarge", "ml.m5.xlarge", "t3.micro"]);
    }
}
