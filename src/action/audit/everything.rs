//! The audit: every check, one subject after the other.

use super::finding::{Audited, Finding, Options};
use super::{account, functions, network, principals, storage};
use crate::aws::Aws;
use crate::failure::Outcome;

/// Audits the account, or a part of it. Returns the worst findings first.
pub async fn audit(aws: &Aws, options: &Options) -> Outcome<Audited> {
    let mut audited = Audited::default();
    if options.only.is_none() {
        account::root(aws, &mut audited).await?;
        account::keys(aws, options, &mut audited).await?;
    }
    principals::principals(aws, options, &mut audited).await?;
    network::groups(aws, options, &mut audited).await?;
    storage::buckets(aws, options, &mut audited).await?;
    functions::functions(aws, options, &mut audited).await?;
    audited.findings.sort_by(|a, b| {
        let by = |finding: &Finding| (finding.check.clone(), finding.resource.clone());
        b.severity.cmp(&a.severity).then_with(|| by(a).cmp(&by(b)))
    });
    Ok(audited)
}
