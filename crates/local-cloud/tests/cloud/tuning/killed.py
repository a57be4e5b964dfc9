"""A tuning job that was running when the server was killed has failed."""
result = tuned("lost")
assert result["FailureReason"].startswith("InternalServerError: the local cloud ended while the tuning job ran"), result
