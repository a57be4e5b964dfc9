"""A tuning job that was running when the server was stopped has failed."""
result = tuned("lost")
assert result["HyperParameterTuningJobStatus"] == "Failed"
assert result["FailureReason"].startswith("InternalServerError: the local cloud was stopped while the tuning job ran"), result
assert result["TrainingJobStatusCounters"]["NonRetryableError"] == 1, result
