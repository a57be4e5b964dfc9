//! Hyperparameter tuning through boto3; the trials are training jobs of a worker that is a script, whose score is
//! the hyperparameter `x`.

use crate::{Server, python};

fn run(server: &Server, code: &str) {
    let code = format!("{}\n{}\n{code}", include_str!("sagemaker.py"), include_str!("tuning.py"));
    python(&server.endpoint, &server.keys, server.dir.path(), &code);
}

#[test]
fn trials_are_chosen_run_and_judged() {
    run(
        &Server::start(),
        r#"
import os
role = setup()
x = numbers("x", "0.001", "1", "Logarithmic")
whole = numbers("units", "2", "64")
space = dict(Continuous=x, Integer=whole, Categorical=[choices("optimizer", "sgd", "adam")])
def points(name):
    return [trial["TunedHyperParameters"] for trial in trials(name)]

# One seed gives the same points again, whichever end is the good one.
arn = tune("least", role, search(seed=7, jobs=5, parallel=2, **space), Tags=[{"Key": "k", "Value": "v"}],
           definition={"CheckpointConfig": {"S3Uri": "s3://data-bucket/checkpoints"}})["HyperParameterTuningJobArn"]
assert arn == "arn:aws:sagemaker:us-east-1:123456789012:hyper-parameter-tuning-job/least", arn
tune("most", role, search(seed=7, jobs=5, parallel=2, objective=("Maximize", "score"), **space))
tune("other", role, search(seed=8, jobs=2, parallel=1, **space))
least, most = tuned("least"), tuned("most")
for told in (least, most, tuned("other")):
    assert told["HyperParameterTuningJobStatus"] == "Completed", told
assert points("least") == points("most") != points("other")
scores = [trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for trial in trials("least")]
best = lambda told: told["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
assert (best(least), best(most)) == (min(scores), max(scores)) and min(scores) < max(scores)
assert most["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Type"] == "Maximize"
assert least["TrainingJobStatusCounters"] == {
    "Completed": 5, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 0}
assert least["ObjectiveStatusCounters"] == {"Succeeded": 5, "Pending": 0, "Failed": 0}
assert least["HyperParameterTuningEndTime"] >= least["CreationTime"] and least["ConsumedResources"]["RuntimeInSeconds"] >= 0
for point in points("least"):
    assert 0.001 <= float(point["x"]) <= 1 and 2 <= int(point["units"]) <= 64 and point["optimizer"] in ("sgd", "adam")

# Each trial is a training job like any other.
names = [trial["TrainingJobName"] for trial in trials("least")]
assert all(re.fullmatch(f"least-00{n}-[0-9a-f]{{8}}", name) for n, name in enumerate(names, 1)), names
job_of = sagemaker.describe_training_job(TrainingJobName=names[0])
assert job_of["TuningJobArn"] == arn and job_of["TrainingJobStatus"] == "Completed"
assert job_of["HyperParameters"] == {"mode": "score", "_tuning_objective_metric": "score", **points("least")[0]}
assert sagemaker.list_tags(ResourceArn=job_of["TrainingJobArn"])["Tags"] == [{"Key": "k", "Value": "v"}]
assert s3.head_object(Bucket="data-bucket", Key=f"out/{names[0]}/output/model.tar.gz")
# None goes on from another one's checkpoint.
assert not any("resumed=True" in line for line in log("/aws/sagemaker/TrainingJobs", "least-"))
# Two that run at once share the cores.
threads = max(1, min(2, os.cpu_count() // 2))
assert {line for line in log("/aws/sagemaker/TrainingJobs", "least-") if line.startswith("threads")} == {f"threads {threads}"}
by_value = trials("least", SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
assert [t["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for t in by_value] == sorted(scores, reverse=True)
assert [t["TrainingJobName"] for t in trials("least", SortOrder="Descending")] == names[::-1]
page = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName="least", MaxResults=2)
assert len(page["TrainingJobSummaries"]) == 2 and page["NextToken"]
listed = sagemaker.list_hyper_parameter_tuning_jobs(SortBy="Name", SortOrder="Ascending", StatusEquals="Completed")
assert [each["HyperParameterTuningJobName"] for each in listed["HyperParameterTuningJobSummaries"]] == ["least", "most", "other"]
assert listed["HyperParameterTuningJobSummaries"][0]["TrainingJobStatusCounters"]["Completed"] == 5

# A deleted trial is still told.
sagemaker.delete_training_job(TrainingJobName=names[0])
assert [trial["TrainingJobName"] for trial in trials("least")] == names and best(tuning("least")) == min(scores)

tune("bayes", role, search("Bayesian", jobs=6, parallel=3, seed=1, **space))
told = tuned("bayes")
assert told["ObjectiveStatusCounters"]["Succeeded"] == 6 and len({str(p) for p in points("bayes")}) == 6, told

# A grid: every combination, and the ends that trials come to.
grid = [choices("kind", "good", "bad", "silent", "nan"), choices("x", "1", "2")]
tune("grid", role, search("Grid", jobs=None, parallel=4, Categorical=grid))
told = tuned("grid")
assert told["HyperParameterTuningJobStatus"] == "Completed", told
assert sorted((p["kind"], p["x"]) for p in points("grid")) == sorted(
    (kind, x) for kind in ("good", "bad", "silent", "nan") for x in ("1", "2"))
assert told["TrainingJobStatusCounters"]["Completed"] == 6 and told["TrainingJobStatusCounters"]["NonRetryableError"] == 2
assert told["ObjectiveStatusCounters"] == {"Succeeded": 2, "Pending": 0, "Failed": 6}
assert told["BestTrainingJob"]["TunedHyperParameters"] == {"kind": "good", "x": "1"}
[bad, _] = trials("grid", StatusEquals="Failed")
assert bad["ObjectiveStatus"] == "Failed" and bad["FailureReason"].startswith("AlgorithmError"), bad
"#,
    );
}

#[test]
fn tuning_fails_stops_and_is_refused_as_on_aws() {
    let server = Server::start();
    run(
        &server,
        r#"
role = setup()
x = numbers("x", "0", "1")
tune("failing", role, search(jobs=2, Continuous=x), statics={"mode": "fail"})
tune("many", role, search(jobs=20, parallel=5, Continuous=x), statics={"mode": "fail"})
tune("never", role, search(jobs=2, objective=("Minimize", "never"), Continuous=x))
told = tuned("failing")
assert (told["HyperParameterTuningJobStatus"], told["FailureReason"]) == ("Failed",
    "No training job succeeded after 2 attempts. Please take a look at the training job failures to get more details."), told
assert told["TrainingJobStatusCounters"]["NonRetryableError"] == 2 and "BestTrainingJob" not in told
assert tuned("never")["FailureReason"].startswith("No objective metrics found after running 2 training jobs.")
assert tuned("many")["FailureReason"].startswith("No training job succeeded after 5 attempts.")
assert 5 <= len(trials("many")) < 20 and tuning("many")["TrainingJobStatusCounters"]["InProgress"] == 0

# Three at a time, and never more; a stop stops them.
tune("hang", role, search(jobs=9, parallel=3, Continuous=x), statics={"mode": "hang"})
until(lambda: len([l for l in log("/aws/sagemaker/TrainingJobs", "hang-") if l == "hanging"]) == 3)
told = tuning("hang")
assert told["HyperParameterTuningJobStatus"] == "InProgress" and told["TrainingJobStatusCounters"]["InProgress"] == 3
assert told["ObjectiveStatusCounters"]["Pending"] == 3 and len(trials("hang")) == 3
assert "in status InProgress" in refused("ValidationException", sagemaker.delete_hyper_parameter_tuning_job,
                                        HyperParameterTuningJobName="hang")
sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="hang")
told = tuned("hang")
assert told["HyperParameterTuningJobStatus"] == "Stopped" and told["TrainingJobStatusCounters"]["Stopped"] == 3, told
assert {trial["TrainingJobStatus"] for trial in trials("hang")} == {"Stopped"} and len(trials("hang")) == 3
refused("ValidationException", sagemaker.stop_hyper_parameter_tuning_job, HyperParameterTuningJobName="hang")
refused("ResourceInUse", tune, name="hang", role=role, config=search(Continuous=x))
sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="hang")
missing = refused("ResourceNotFound", tuning, name="hang")
assert "can't find" in missing
refused("ResourceNotFound", sagemaker.stop_hyper_parameter_tuning_job, HyperParameterTuningJobName="hang")

def invalid(words, config, **more):
    message = refused("ValidationException", tune, name="x", role=role, config=config, **more)
    assert words in message, message
def lacking(words, config, **more):
    message = refused("UnknownOperationException", tune, name="x", role=role, config=config, **more)
    assert words in message, message
invalid("MinValue [2] must be less than or equal to MaxValue [1]", search(Continuous=numbers("x", "2", "1")))
invalid("MinValue [a]", search(Integer=numbers("x", "a", "1")))
invalid("greater than 0", search(Continuous=numbers("x", "0", "1", "Logarithmic")))
invalid("between 1 and 30", search())
invalid("has two ranges", search(Continuous=x, Categorical=[choices("x", "1")]))
invalid("both static and tunable", search(Continuous=x), statics={"x": "1"})
invalid("MaxParallelTrainingJobs [5] must be less than", search(jobs=4, parallel=5, Continuous=x))
invalid("MaxNumberOfTrainingJobs is required", search(jobs=None, Continuous=x))
invalid("isn't valid. Choose a valid objective metric name from [score, never]", search(objective=("Minimize", "loss"), Continuous=x))
invalid("is reserved", search(Continuous=x), statics={"_tuning_objective_metric": "never"})
invalid("A metric is required", search(Continuous=x), definition={
    "AlgorithmSpecification": {"TrainingImage": "opsml-worker", "TrainingInputMode": "File"}})
invalid("only categorical parameters", search("Grid", Continuous=x))
invalid("distinct categorical combinations, 2", search("Grid", jobs=3, Categorical=[choices("x", "1", "2")]))
invalid("enum value set", search("Annealing", Continuous=x))
invalid("must have a group", search(Continuous=x), definition={"AlgorithmSpecification": {
    "TrainingImage": "opsml-worker", "TrainingInputMode": "File", "MetricDefinitions": [{"Name": "score", "Regex": "score"}]}})
invalid("Could not assume role", search(Continuous=x), definition={"RoleArn": role + "-none"})
lacking("Hyperband", search("Hyperband", Continuous=x))
lacking("Early", {**search(Continuous=x), "TrainingJobEarlyStoppingType": "Auto"})
lacking("WarmStartConfig", search(Continuous=x), WarmStartConfig={
    "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "failing"}], "WarmStartType": "TransferLearning"})
message = refused("ResourceLimitExceeded", tune, name="x", role=role, config=search(jobs=20, parallel=11, Continuous=x))
assert "parallel training jobs per hyperparameter tuning job' is 10 Jobs" in message, message

iam.create_role(RoleName="limited", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:root"}))
iam.put_role_policy(RoleName="limited", PolicyName="p", PolicyDocument=policy("sagemaker:*", "*"))
own, sagemaker = sagemaker, as_role("limited", "sagemaker")
assert "iam:PassRole" in refused("AccessDeniedException", tune, name="x", role=role, config=search(Continuous=x))
sagemaker = own
"#,
    );
    let cloud = local_cloud::Cloud::open(local_cloud::Settings::new(server.dir.path())).unwrap();
    local_cloud::sagemaker::set_quota(&cloud.store, "ml.m5.large for training job usage", 2).unwrap();
    run(
        &server,
        r#"
role = iam.get_role(RoleName="trainer")["Role"]["Arn"]
x = numbers("x", "0", "1")
message = refused("ResourceLimitExceeded", tune, name="x", role=role, config=search(jobs=3, parallel=3, Continuous=x))
assert "is 2 Instances" in message and "request delta of 3 Instances" in message, message
# Where others fill the quota, trials wait for room.
resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}
job("blocks", role, "hang", ResourceConfig=resources)
job("blocks-too", role, "hang", ResourceConfig=resources)
tune("patient", role, search(jobs=2, parallel=2, Continuous=x))
training("blocks")
assert trials("patient") == [] and tuning("patient")["HyperParameterTuningJobStatus"] == "InProgress"
sagemaker.stop_training_job(TrainingJobName="blocks")
assert tuned("patient")["HyperParameterTuningJobStatus"] == "Completed"
sagemaker.stop_training_job(TrainingJobName="blocks-too")
ended("blocks-too")

tune("lost", role, search(jobs=2, parallel=1, Continuous=x), statics={"mode": "hang"})
until(lambda: trials("lost"))
training(trials("lost")[0]["TrainingJobName"])
"#,
    );
    let server = server.restart();
    run(
        &server,
        r#"
told = tuned("lost")
assert told["HyperParameterTuningJobStatus"] == "Failed"
assert told["FailureReason"].startswith("InternalServerError: the local cloud was stopped while the tuning job ran"), told
assert told["TrainingJobStatusCounters"]["NonRetryableError"] == 1, told
"#,
    );
    // The same where the server had no time to say so.
    let cloud = local_cloud::Cloud::open(local_cloud::Settings::new(server.dir.path())).unwrap();
    let died = |tuning: &mut serde_json::Value| {
        tuning["status"] = "InProgress".into();
        Ok(())
    };
    cloud.store.update("sagemaker.tuning-job", "lost", died).unwrap().unwrap();
    let server = server.restart();
    run(
        &server,
        r#"
told = tuned("lost")
assert told["FailureReason"].startswith("InternalServerError: the local cloud ended while the tuning job ran"), told
"#,
    );
    assert_eq!(crate::sagemaker::children(&server), "");
}
