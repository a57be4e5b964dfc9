//! The audit: every check, one subject after the other.

use super::finding::{Asked, Audited, Finding};
use super::{account, functions, network, principals, storage};
use crate::aws::Aws;
use crate::failure::Outcome;

/// Looks at the account, or at what is asked for of it; the worst findings come first.
pub async fn audit(aws: &Aws, asked: &Asked) -> Outcome<Audited> {
    let mut audited = Audited::default();
    if asked.only.is_none() {
        account::root(aws, &mut audited).await?;
        account::keys(aws, asked, &mut audited).await?;
    }
    principals::principals(aws, asked, &mut audited).await?;
    network::groups(aws, asked, &mut audited).await?;
    storage::buckets(aws, asked, &mut audited).await?;
    functions::functions(aws, asked, &mut audited).await?;
    audited.findings.sort_by(|a, b| {
        let by = |finding: &Finding| (finding.check.clone(), finding.resource.clone());
        b.severity.cmp(&a.severity).then_with(|| by(a).cmp(&by(b)))
    });
    Ok(audited)
}
