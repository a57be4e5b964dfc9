//! Bucket policies through boto3: they are kept or refused, evaluated with the caller's own policies, and public or
//! not.

use super::Server;

const PRELUDE: &str = include_str!("s3_policy/prelude.py");

fn python(code: &str) {
    Server::start().python(&format!("{PRELUDE}{code}"));
}

#[test]
fn bucket_policies_are_kept_and_returned() {
    python(include_str!("s3_policy/kept.py"));
}

#[test]
fn a_buckets_policy_is_judged_with_the_callers_own() {
    python(include_str!("s3_policy/judged.py"));
}

#[test]
fn what_is_public_is_blocked_restricted_or_open() {
    python(include_str!("s3_policy/public.py"));
}

#[test]
fn requests_have_the_condition_keys_that_aws_sets() {
    python(include_str!("s3_policy/context_keys.py"));
}
