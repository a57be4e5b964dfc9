"""Tuning jobs that fail, are stopped, or are refused."""
role = setup()
x = numbers("x", "0", "1")
tune("failing", role, search(jobs=2, Continuous=x), statics={"mode": "fail"})
tune("many", role, search(jobs=20, parallel=5, Continuous=x), statics={"mode": "fail"})
tune("never", role, search(jobs=2, objective=("Minimize", "never"), Continuous=x))
result = tuned("failing")
assert (result["HyperParameterTuningJobStatus"], result["FailureReason"]) == ("Failed",
    "No training job succeeded after 2 attempts. Please take a look at the training job failures to get more details."), result
assert result["TrainingJobStatusCounters"]["NonRetryableError"] == 2 and "BestTrainingJob" not in result
assert tuned("never")["FailureReason"].startswith("No objective metrics found after running 2 training jobs.")
assert tuned("many")["FailureReason"].startswith("No training job succeeded after 5 attempts.")
assert 5 <= len(trials("many")) < 20 and tuning("many")["TrainingJobStatusCounters"]["InProgress"] == 0

# Never more than three trials run at once. StopHyperParameterTuningJob stops them.
tune("hang", role, search(jobs=9, parallel=3, Continuous=x), statics={"mode": "hang"})
until(lambda: len([l for l in log("/aws/sagemaker/TrainingJobs", "hang-") if l == "hanging"]) == 3)
result = tuning("hang")
assert result["HyperParameterTuningJobStatus"] == "InProgress" and result["TrainingJobStatusCounters"]["InProgress"] == 3
assert result["ObjectiveStatusCounters"]["Pending"] == 3 and len(trials("hang")) == 3
assert "in status InProgress" in refused("ValidationException", sagemaker.delete_hyper_parameter_tuning_job,
                                        HyperParameterTuningJobName="hang")
sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="hang")
result = tuned("hang")
assert result["HyperParameterTuningJobStatus"] == "Stopped" and result["TrainingJobStatusCounters"]["Stopped"] == 3, result
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
