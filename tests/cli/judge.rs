//! Checks every request of the engine and every answer of the local cloud against botocore's models.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cloud::{Cloud, repository, text};

/// The operations that a run, a second run, `logs` and `down` call at least.
const OPERATIONS: &str = "
    iam.AttachRolePolicy iam.CreateRole iam.DeleteRole iam.DeleteRolePolicy iam.DetachRolePolicy iam.GetRole
    iam.ListAttachedRolePolicies iam.ListRolePolicies iam.PutRolePolicy
    logs.DeleteLogStream logs.DescribeLogStreams logs.GetLogEvents
    s3.CreateBucket s3.DeleteBucket s3.DeleteObjects s3.GetBucketVersioning s3.GetObject s3.HeadBucket
    s3.ListObjectVersions s3.ListObjectsV2 s3.PutBucketEncryption s3.PutBucketTagging s3.PutBucketVersioning s3.PutObject
    s3.PutPublicAccessBlock
    sagemaker-runtime.InvokeEndpoint
    iam.AddRoleToInstanceProfile iam.CreateInstanceProfile iam.DeleteInstanceProfile iam.GetInstanceProfile
    iam.RemoveRoleFromInstanceProfile
    sagemaker.CreateHyperParameterTuningJob sagemaker.CreateNotebookInstance sagemaker.DeleteHyperParameterTuningJob
    sagemaker.DeleteNotebookInstance sagemaker.DescribeHyperParameterTuningJob sagemaker.DescribeNotebookInstance
    sagemaker.ListTrainingJobsForHyperParameterTuningJob sagemaker.StopNotebookInstance
    sagemaker.CreateEndpoint sagemaker.CreateEndpointConfig sagemaker.CreateModel sagemaker.CreateTrainingJob
    sagemaker.DeleteEndpoint sagemaker.DeleteEndpointConfig sagemaker.DeleteModel sagemaker.DeleteTrainingJob
    sagemaker.DescribeEndpoint sagemaker.DescribeEndpointConfig sagemaker.DescribeModel sagemaker.DescribeTrainingJob
    application-autoscaling.DeleteScalingPolicy application-autoscaling.DeregisterScalableTarget
    application-autoscaling.DescribeScalableTargets application-autoscaling.DescribeScalingPolicies
    application-autoscaling.PutScalingPolicy application-autoscaling.RegisterScalableTarget
    iam.GetAccountSummary iam.GetPolicy iam.GetPolicyVersion iam.GetRolePolicy iam.ListAccessKeys iam.GetAccountAuthorizationDetails
    iam.ListUsers iam.SimulatePrincipalPolicy
    lambda.AddPermission lambda.CreateAlias lambda.CreateFunction lambda.DeleteAlias lambda.DeleteFunction
    lambda.DeleteFunctionConcurrency lambda.DeleteProvisionedConcurrencyConfig lambda.GetAlias lambda.GetFunction
    lambda.GetFunctionConcurrency lambda.GetFunctionConfiguration lambda.GetPolicy
    lambda.GetProvisionedConcurrencyConfig lambda.Invoke lambda.ListVersionsByFunction lambda.PublishVersion
    lambda.PutFunctionConcurrency lambda.PutProvisionedConcurrencyConfig lambda.RemovePermission
    s3.ListBuckets
    sts.GetCallerIdentity";

#[test]
fn every_exchange_fits_botocores_models() {
    let cloud = Cloud::start();
    cloud.images();
    std::fs::write(cloud.dir.path().join("judged.md"), include_str!("judged.md")).unwrap();
    let record = cloud.dir.path().join("record.jsonl");
    let arguments = ["--to", cloud.endpoint(), "--record", record.to_str().unwrap()];
    let (mut proxy, url) = cloud.python_server(&repository("tests/judge/proxy.py"), &arguments);

    let opsml = |verb: &[&str]| text(cloud.opsml(&[verb, &["--target", url.as_str()]].concat()));
    opsml(&["run", "judged.md"]);
    let again = opsml(&["run", "judged.md"]);
    assert!(again.contains("no call changed anything"), "{again}");
    let log = opsml(&["logs", "judged.md", "train"]);
    assert!(log.contains("test_accuracy="), "{log}");
    opsml(&["down", "judged.md"]);

    drop(proxy.stdin.take());
    assert!(proxy.wait().unwrap().success());
    let lines = std::fs::read_to_string(&record).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let findings: Vec<&Value> = lines.iter().filter(|line| line["event"] == "finding").collect();
    assert!(findings.is_empty(), "{findings:#?}");
    let summary = lines.last().unwrap();
    assert_eq!((&summary["event"], &summary["findings"]), (&"summary".into(), &0.into()));
    let seen: BTreeSet<&str> = summary["calls"].as_object().unwrap().keys().map(String::as_str).collect();
    let unseen: Vec<&str> = OPERATIONS.split_whitespace().filter(|name| !seen.contains(name)).collect();
    assert!(unseen.is_empty(), "not called: {unseen:?}; called: {seen:?}");
}

/// The judge can fail: it finds the faults in requests and answers that are wrong on purpose.
#[test]
fn the_judge_finds_faults() {
    let cloud = Cloud::start();
    text(cloud.python().arg(repository("tests/judge/counter.py")).output().unwrap());
}
