"""Trials are chosen, run and compared."""
import os
role = setup()
x = numbers("x", "0.001", "1", "Logarithmic")
whole = numbers("units", "2", "64")
space = dict(Continuous=x, Integer=whole, Categorical=[choices("optimizer", "sgd", "adam")])
def points(name):
    return [trial["TunedHyperParameters"] for trial in trials(name)]

# The same seed gives the same points, whether the objective is maximised or minimised.
arn = tune("least", role, search(seed=7, jobs=5, parallel=2, **space), Tags=[{"Key": "k", "Value": "v"}],
           definition={"CheckpointConfig": {"S3Uri": "s3://data-bucket/checkpoints"}})["HyperParameterTuningJobArn"]
assert arn == "arn:aws:sagemaker:us-east-1:123456789012:hyper-parameter-tuning-job/least", arn
tune("most", role, search(seed=7, jobs=5, parallel=2, objective=("Maximize", "score"), **space))
tune("other", role, search(seed=8, jobs=2, parallel=1, **space))
least, most = tuned("least"), tuned("most")
for result in (least, most, tuned("other")):
    assert result["HyperParameterTuningJobStatus"] == "Completed", result
assert points("least") == points("most") != points("other")
scores = [trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for trial in trials("least")]
best = lambda result: result["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
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
# No trial resumes from the checkpoint of another.
assert not any("resumed=True" in line for line in log("/aws/sagemaker/TrainingJobs", "least-"))
# Two trials that run at the same time share the cores.
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

# The result still includes a trial that was deleted.
sagemaker.delete_training_job(TrainingJobName=names[0])
assert [trial["TrainingJobName"] for trial in trials("least")] == names and best(tuning("least")) == min(scores)

tune("bayes", role, search("Bayesian", jobs=6, parallel=3, seed=1, **space))
result = tuned("bayes")
assert result["ObjectiveStatusCounters"]["Succeeded"] == 6 and len({str(p) for p in points("bayes")}) == 6, result

# A grid search runs every combination. Its trials end in different ways.
grid = [choices("kind", "good", "bad", "silent", "nan"), choices("x", "1", "2")]
tune("grid", role, search("Grid", jobs=None, parallel=4, Categorical=grid))
result = tuned("grid")
assert result["HyperParameterTuningJobStatus"] == "Completed", result
assert sorted((p["kind"], p["x"]) for p in points("grid")) == sorted(
    (kind, x) for kind in ("good", "bad", "silent", "nan") for x in ("1", "2"))
assert result["TrainingJobStatusCounters"]["Completed"] == 6 and result["TrainingJobStatusCounters"]["NonRetryableError"] == 2
assert result["ObjectiveStatusCounters"] == {"Succeeded": 2, "Pending": 0, "Failed": 6}
assert result["BestTrainingJob"]["TunedHyperParameters"] == {"kind": "good", "x": "1"}
[bad, _] = trials("grid", StatusEquals="Failed")
assert bad["ObjectiveStatus"] == "Failed" and bad["FailureReason"].startswith("AlgorithmError"), bad
