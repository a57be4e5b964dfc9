//! `audit` reports what is insecure until it is repaired, and reports what it isn't allowed to look at.

use serde_json::Value;

use crate::env::Env;

const RUNBOOK: &str = r#"---
title: Audit
params:
  scope: {default: account}
  days: {default: 90}
---
```opsml bucket
bucket: {}
```

```opsml role
role:
  name: dogs
  managed_policies: [AmazonSageMakerFullAccess]
```

```opsml audit
audit:
  scope: "{{ params.scope }}"
  unused_days: "{{ params.days }}"
  ignore:
    - {check: root-mfa, reason: the local cloud's root never signs in}
    - {check: full-admin, resource: "arn:aws:iam::*:user/opsml", reason: it is the one who runs this}
needs: [bucket, role]
expect:
  - counts.critical + counts.high == 0
  - not_checked == 0
```
"#;

fn findings(env: &Env) -> Vec<String> {
    let shown = env.opsml(["show", "audit.md", "audit", "--format", "json"]).code(0).stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let findings = shown["step"]["outputs"]["findings"].as_array().unwrap();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    findings
        .iter()
        .map(|f| format!("{} {} {}", text(f, "severity"), text(f, "check"), text(f, "resource")))
        .collect()
}

const DOGS: &str = "medium full-access arn:aws:iam::123456789012:role/dogs";

#[test]
fn what_is_insecure_is_found_until_it_is_repaired() {
    let env = Env::new();
    env.write("audit.md", RUNBOOK);
    env.opsml(["run", "audit.md"]).code(0).says("1 medium, 2 accepted");
    assert_eq!(findings(&env), [DOGS]);
    // With `days=0`, a role that was never used is found at once.
    env.opsml(["run", "audit.md", "-p", "scope=stack", "-p", "days=0"]).code(0);
    assert_eq!(findings(&env), [DOGS, "low unused-role arn:aws:iam::123456789012:role/dogs"]);

    env.python(include_str!("audit/made_insecure.py"));
    let again = ["run", "audit.md", "--force", "audit"];
    env.opsml(again).code(4).complains("counts.critical is 2").complains("counts.high is 2");
    // Nothing that this runbook created is that insecure.
    env.opsml(["run", "audit.md", "-p", "scope=stack"]).code(0).says("1 medium");
    env.python(include_str!("audit/mended.py"));
    env.opsml(again).code(0);
    assert_eq!(findings(&env), [DOGS]);
}

/// An audit names no step, and judges what all of them have made.
#[test]
fn an_audit_is_done_again_when_what_it_judges_has_changed() {
    let env = Env::new();
    let runbook = "```opsml role\nrole:\n  name: dogs\n  managed_policies: [AmazonS3ReadOnlyAccess]\n```\n\n\
        ```opsml audit\naudit: {scope: stack}\n```\n\n```opsml later\nbucket: {}\n```\n";
    env.write("audit.md", runbook);
    env.opsml(["run", "audit.md"]).code(0).says("audit: no findings");
    env.opsml(["run", "audit.md"]).code(0).says("nothing to do");
    env.write("audit.md", runbook.replace("AmazonS3ReadOnlyAccess", "AmazonSageMakerFullAccess"));
    env.opsml(["plan", "audit.md"]).code(0).says("role");
    env.opsml(["run", "audit.md"]).code(0).says("✓ audit").says("done: 2 steps ran, 1 kept");
    assert_eq!(findings(&env), [DOGS]);
    env.opsml(["down", "audit.md", "--yes"]).code(0);
    env.opsml(["run", "audit.md"]).code(0).says("✓ audit").says("done: 3 steps ran, 0 kept");
}

#[test]
fn what_may_not_be_looked_at_is_a_finding() {
    let env = Env::new();
    env.write("audit.md", RUNBOOK);
    env.opsml(["run", "audit.md"]).code(0);
    env.python(include_str!("audit/denied.py"));
    env.opsml(["run", "audit.md", "--force", "audit"]).code(4).complains("counts.critical is 2");
}

#[test]
fn nothing_is_accepted_without_a_reason_or_a_name() {
    let env = Env::new();
    for (wrong, message) in [
        ("{check: root, reason: x}", "there is no check `root`"),
        ("{reason: x}", "this would accept every finding"),
        ("{check: root-mfa, reason: \" \"}", "say why it is accepted"),
        ("{check: root-mfa}", "lacks `reason`"),
    ] {
        env.write("one.md", format!("```opsml a\naudit:\n  ignore:\n    - {wrong}\n```\n"));
        env.opsml(["check", "one.md"]).code(2).says(message);
    }
}
