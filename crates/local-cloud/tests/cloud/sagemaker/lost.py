"""A job that the last server left running has failed."""
result = ended("lost")
assert result["FailureReason"].startswith("InternalServerError: the local cloud was stopped"), result
