//! The five seed runbooks. Each is run from the start to its end and torn down, and its report has that project's
//! settings.

use serde_json::{Value, json};

use crate::cloud::repository;
use crate::env::{Env, cores};
use crate::project::copy;

/// The subjects by which the projects are compared.
const ROWS: [&str; 12] = [
    "notebook",
    "data",
    "tuning",
    "training",
    "endpoints",
    "EC2",
    "script differences",
    "Lambda",
    "IAM",
    "audit",
    "concurrency",
    "autoscaling",
];

struct Seed {
    stem: &'static str,
    /// The training step whose accuracy is in the report.
    train: &'static str,
    endpoints: usize,
    /// The texts that the report must have for each subject that the project deals with.
    says: &'static [(&'static str, &'static [&'static str])],
    /// The findings of an audit, by the step's id: severity and check, worst first.
    finds: &'static [(&'static str, &'static [&'static str])],
}

const FULL_ACCESS: Seed = Seed {
    stem: "1-t2-xlarge-full-access",
    train: "single",
    endpoints: 2,
    says: &[
        ("notebook", &["| ml.t2.medium | 2 | 4 | 0 | 0.0464 |", "| ml.t3.medium | 2 | 4 | 0 | 0.0500 |"]),
        ("data", &["bucket `1-t2-xlarge-full-access-bucket-", "/data/`", "dogImages.zip"]),
        (
            "tuning",
            &[
                "| 2 / 2 | 2 | ml.m5.xlarge |",
                "| 6 / 6 | 3 | ml.m5.xlarge |",
                "25 and 34 minutes",
                "| max jobs | `6` |",
                "| max parallel jobs | `3` |",
            ],
        ),
        (
            "training",
            &[
                "| instance type | `ml.m5.2xlarge` |",
                "| instance count | `5` |",
                "| ×1 |",
                "| ×5 |",
                "755 s",
                "802 s",
                "| billable seconds |",
            ],
        ),
        ("endpoints", &["1-t2-xlarge-full-access-deploy-single-", "is the one that is used from here on"]),
        (
            "EC2",
            &[
                "| instance type | `t2.xlarge` |",
                "Deep Learning AMI",
                "95,470,465 bytes",
                "CPU and memory of the training process",
            ],
        ),
        (
            "script differences",
            &["| parameters | `argparse`, with the `SM_*` environment", "hard-coded", "on the same host"],
        ),
        ("Lambda", &[r#"`{"url": …}`"#, "statusCode 200, 10 numbers", "133 with the dogs"]),
        (
            "IAM",
            &[
                "failed as expected: AccessDeniedException",
                "because no identity-based policy allows the sagemaker:InvokeEndpoint action",
                "| attached | `arn:aws:iam::aws:policy/AmazonSageMakerFullAccess` |",
                "no least privilege",
            ],
        ),
        ("audit", &["the root user signs in without MFA", "roles were reviewed"]),
        (
            "concurrency",
            &[
                "| Function version |",
                "| reserved concurrent executions | `5` |",
                "| requested | `2` |",
                "Reserved: 5,",
                "Provisioned: 2 environments",
            ],
        ),
        (
            "autoscaling",
            &[
                "| min capacity | `1` |",
                "| max capacity | `3` |",
                "| scale in cooldown | `30` |",
                "| scale out cooldown | `30` |",
                "took the endpoint from 1 instance to 3",
                "![The load test](figures/",
            ],
        ),
    ],
    finds: &[("audit", &["critical root-mfa", "high full-admin", "medium full-access"])],
};

const MANAGED_POLICY: Seed = Seed {
    stem: "2-c4-xlarge-managed-policy",
    train: "single",
    endpoints: 2,
    says: &[
        ("notebook", &["| ml.t2.medium | 2 | 4 | 0 | 0.0464 |", "| instance type | `ml.t2.medium` |"]),
        ("data", &["bucket `2-c4-xlarge-managed-policy-bucket-"]),
        ("training", &["| instance count | `1` |", "| instance count | `2` |"]),
        ("endpoints", &["2-c4-xlarge-managed-policy-deploy-singl", "2-c4-xlarge-managed-policy-deploy-2"]),
        (
            "EC2",
            &[
                "| instance type | `c4.xlarge` |",
                "$0.17 an hour",
                "0.199 USD",
                "| ingress | `tcp port 22 from 127.0.0.1/32` |",
                "the address of a home",
            ],
        ),
        (
            "script differences",
            &[
                r#"parser.add_argument("--data", default=os.environ["SM_CHANNEL_TRAINING"])"#,
                "batch_size = 32",
            ],
        ),
        (
            "Lambda",
            &["a *handler* with two things", "The **event** is", "The **context** describes", "boto3"],
        ),
        (
            "IAM",
            &[
                "| attached | `arn:aws:iam::aws:policy/service-role/AmazonSageMakerServiceCatalogProductsLambdaServiceRolePolicy` |",
                "it allows 313 actions, and full access 751",
                "`sagemaker:DeleteEndpoint`",
                "It works: statusCode 200",
            ],
        ),
        ("audit", &["the worst is: none. In the account it is: critical.", "once a month"]),
        (
            "concurrency",
            &[
                "| Function version |",
                "| reserved concurrent executions | `5` |",
                "| requested | `3` |",
                "5 reserved, 3 provisioned",
                "version 1 answered",
            ],
        ),
        (
            "autoscaling",
            &[
                "| min capacity | `1` |",
                "| max capacity | `3` |",
                "| target value | `25` |",
                "| scale in cooldown | `300` |",
                "| scale out cooldown | `30` |",
                "from 1 instance to 3",
            ],
        ),
    ],
    finds: &[("audit", &[]), ("account_audit", &["critical root-mfa", "high full-admin"])],
};

const SPOT: Seed = Seed {
    stem: "3-spot-scoped-role",
    train: "train",
    endpoints: 1,
    says: &[
        (
            "notebook",
            &[
                "| instance type | `ml.t2.medium` |",
                "| root access | `Disabled` |",
                "in `subnet-0d383600f93a09391` behind `sg-0774f392b288d7c54`",
                "the role reaches nothing else: s3:ListBucket on arn:aws:s3:::3-spot-scoped-role-bucket-",
            ],
        ),
        ("data", &["The bucket for data and artifacts"]),
        ("tuning", &["| Hyperparameter tuning job |", "The best trial, `3-spot-s-"]),
        ("training", &["the best model is right about"]),
        ("endpoints", &["runs on 2 × ml.m5.large", "| initial instance count | `2` |"]),
        (
            "EC2",
            &[
                "| instance type | `m5.xlarge` |",
                "| market | `spot` |",
                "m5.xlarge, market: spot",
                "| Key pair |",
                "| ingress | `tcp port 22 from 127.0.0.1/32` |",
            ],
        ),
        ("script differences", &["logs what it does, and takes learning rate", "/log.txt`"]),
        ("Lambda", &["It takes the URL of a picture"]),
        (
            "IAM",
            &[
                "| attached | `arn:aws:iam::aws:policy/AmazonSageMakerFullAccess` |",
                "| detached | `arn:aws:iam::aws:policy/AmazonSageMakerFullAccess` |",
                "4 actions where `AmazonSageMakerFullAccess` has 751",
                "| principal: Service | `apigateway.amazonaws.com` |",
                "The VPC is left out after consideration",
            ],
        ),
        ("audit", &["the worst finding is now: none"]),
        (
            "concurrency",
            &[
                "| reserved concurrent executions | `3` |",
                "| requested | `2` |",
                "3 executions are reserved, 2 of them",
            ],
        ),
        (
            "autoscaling",
            &[
                "| min capacity | `2` |",
                "| max capacity | `3` |",
                "| target value | `5` |",
                "2 instances were 3",
            ],
        ),
    ],
    finds: &[("audit_before", &["medium full-access"]), ("audit", &[])],
};

const PROVISIONED: Seed = Seed {
    stem: "4-m5-xlarge-provisioned",
    train: "train",
    endpoints: 1,
    says: &[
        ("notebook", &["the cheapest there is", "| instance type | `ml.t2.medium` |"]),
        ("data", &["4-m5-xlarge-provisioned-bucket-"]),
        ("tuning", &["Tuning and training on ml.m5.xlarge", "| Hyperparameter tuning job |"]),
        ("training", &["The model of 1 × ml.m5.xlarge"]),
        ("endpoints", &["| instance type | `ml.m5.large` |"]),
        (
            "EC2",
            &[
                "| instance type | `m5.xlarge` |",
                "| EC2 | m5.xlarge | 1 |",
                "| SageMaker | ml.m5.xlarge | 1 |",
                "adds 20 %",
            ],
        ),
        ("script differences", &["by the environment", "hard-coded"]),
        ("Lambda", &["The event is the URL of a picture"]),
        (
            "IAM",
            &[
                "| attached | `arn:aws:iam::aws:policy/AmazonSageMakerFullAccess` |",
                "| detached | `arn:aws:iam::aws:policy/AmazonSageMakerFullAccess` |",
                "From 751 actions to 4",
            ],
        ),
        ("audit", &["the worst finding is: none"]),
        ("concurrency", &["| requested | `3` |", "3 environments of version 1 are READY"]),
        (
            "autoscaling",
            &[
                "| target value | `10` |",
                "| scale in cooldown | `30` |",
                "| scale out cooldown | `30` |",
                "at a target of 10: from 1 to 3 instances",
            ],
        ),
    ],
    finds: &[("audit_before", &["medium full-access"]), ("audit", &[])],
};

const COMPARISON: Seed = Seed {
    stem: "5-instance-comparison",
    train: "single",
    endpoints: 3,
    says: &[
        ("notebook", &["| instance type | `ml.t2.medium` |", "is the cheapest of 3"]),
        ("data", &["| 133 breeds | 6680 | 835 | 836 |", "| 10 | 240 | 60 | 60 |", "/data/`"]),
        (
            "tuning",
            &[
                "| max jobs | `2` |",
                "| max parallel jobs | `1` |",
                "41 minutes",
                "| the project's best | 32 | 0.00834 |",
            ],
        ),
        (
            "training",
            &[
                "| instance type | `ml.m5.2xlarge` |",
                "| instance count | `4` |",
                "ml.m5.2xlarge ×1:",
                "ml.m5.2xlarge ×4:",
            ],
        ),
        ("endpoints", &["| instance type | `ml.t2.medium` |", "5-instance-comparison-deploy-single-"]),
        (
            "EC2",
            &[
                "| instance type | `m5.2xlarge` |",
                "| ml.m5.large | 1980 | 0.115 | 1648.37 | 156.01 | 175.62 |",
                "| one epoch | ml.m5.2xlarge | 1 |",
                r"| one epoch, on ml.m5.large \* | ml.m5.large |",
                r"| one epoch, on ml.m5.xlarge \* | ml.m5.xlarge |",
                r"| one epoch, on ml.p2.xlarge \* | ml.p2.xlarge |",
                r"| one epoch, on ml.m5.4xlarge \* | ml.m5.4xlarge |",
                r"| one epoch, on ml.c4.4xlarge \* | ml.c4.4xlarge |",
                r"| one epoch, on ml.g4dn.12xlarge \* | ml.g4dn.12xlarge |",
                r"| one epoch, on ml.p3.2xlarge \* | ml.p3.2xlarge |",
                "| billed s | USD an hour | epoch s | test s | set-up s |",
                "not measured there",
            ],
        ),
        (
            "script differences",
            &[
                "`python hpo.py --arch resnet18",
                "| SM_HPS | `{",
                "| SM_HP_LEARNING_RATE |",
                "| SM_CHANNEL_TRAINING | `/opt/ml/input/data/training` |",
                "`python ec2train1.py`",
            ],
        ),
        ("Lambda", &[r#"It takes `{"url": …}`, as the project's does, and also a picture"#]),
        (
            "IAM",
            &[
                "| attached | `arn:aws:iam::aws:policy/AmazonSageMakerFullAccess` |",
                "| detached | `arn:aws:iam::aws:policy/AmazonSageMakerFullAccess` |",
                "4 actions in place of 751",
            ],
        ),
        ("audit", &["it was never used in its 0 days", "1 function and 4 roles were looked at"]),
        (
            "concurrency",
            &[
                "| reserved concurrent executions | `100` |",
                "| requested | `3` |",
                "100 reserved is another matter",
            ],
        ),
        (
            "autoscaling",
            &[
                "doesn't support automatic scaling for burstable instances such as T2",
                "| min capacity | `1` |",
                "| max capacity | `4` |",
                "| scale in cooldown | `30` |",
                "| scale out cooldown | `300` |",
                "had become 4",
            ],
        ),
    ],
    finds: &[("audit", LOW)],
};
const LOW: &[&str] = &["low unused-role", "low unused-role", "low unused-role", "low unused-role"];

/// Runs a seed's runbook, looks at its report, and takes everything down.
fn follow(seed: &Seed) {
    let _cores = cores();
    let env = Env::new();
    copy(&repository("runbooks"), &env.path("runbooks"));
    let runbook = format!("runbooks/{}.md", seed.stem);
    env.opsml(["run", runbook.as_str()]).code(0);
    // A sentence may have its line break anywhere.
    let report = env.read(&format!("reports/{}/report.md", seed.stem));
    let report = report.split_whitespace().collect::<Vec<_>>().join(" ");
    let step = |id: &str| -> Value {
        let shown = env.opsml(["show", runbook.as_str(), id, "--format", "json"]).code(0).stdout;
        serde_json::from_str::<Value>(&shown).unwrap()["step"]["outputs"].clone()
    };

    for (row, texts) in seed.says {
        for text in *texts {
            assert!(report.contains(text), "{row}: no `{text}` in\n{report}");
        }
    }
    // These values can only come from this run.
    let account = env.account();
    let endpoints = account["endpoints"].as_array().unwrap();
    assert_eq!(endpoints.len(), seed.endpoints, "{endpoints:?}");
    for endpoint in endpoints {
        assert!(report.contains(endpoint.as_str().unwrap()), "{endpoint}: {report}");
    }
    let accuracy = step(seed.train)["metrics"]["test_accuracy"].as_f64().unwrap();
    let percent = format!("{:.1} %", accuracy * 100.0);
    assert!(report.contains(&percent), "{percent}: {report}");
    assert_eq!(step("load")["errors"], json!([]));
    for (audit, expected) in seed.finds {
        let outputs = step(audit);
        let findings = outputs["findings"].as_array().unwrap();
        let found: Vec<String> = findings
            .iter()
            .map(|f| format!("{} {}", f["severity"].as_str().unwrap(), f["check"].as_str().unwrap()))
            .collect();
        assert_eq!(found, *expected, "{audit}");
        for finding in findings {
            assert!(report.contains(finding["resource"].as_str().unwrap()), "{finding}: {report}");
        }
    }
    for kind in ["instances", "key_pairs", "security_groups"] {
        assert_eq!(account[kind], json!([]), "{kind}");
    }

    env.opsml(["down", runbook.as_str()]).code(0);
    for (kind, left) in env.account().as_object().unwrap() {
        assert_eq!(*left, json!([]), "{kind}");
    }
}

#[test]
fn the_first_has_full_access_and_its_audit_says_so() {
    follow(&FULL_ACCESS);
}

#[test]
fn the_second_has_a_managed_policy_whose_actions_are_counted() {
    follow(&MANAGED_POLICY);
}

#[test]
fn the_third_gets_what_it_wished_for() {
    follow(&SPOT);
}

#[test]
fn the_fourth_compares_a_machine_with_itself_and_may_only_invoke() {
    follow(&PROVISIONED);
}

#[test]
fn the_fifth_compares_eight_machines_and_cannot_scale_a_burstable_one() {
    follow(&COMPARISON);
}

#[test]
fn every_subject_is_in_the_report_of_each_project_that_deals_with_it() {
    for seed in [&FULL_ACCESS, &MANAGED_POLICY, &SPOT, &PROVISIONED, &COMPARISON] {
        let found: Vec<&str> = seed.says.iter().map(|(row, _)| *row).collect();
        // The second project didn't tune hyperparameters.
        let has = |row: &&str| !(*row == "tuning" && seed.stem == MANAGED_POLICY.stem);
        let rows: Vec<&str> = ROWS.into_iter().filter(has).collect();
        assert_eq!(found, rows, "{}", seed.stem);
    }
}
