"""A job that was running when the last server stopped has failed."""
result = ended("lost")
assert result["FailureReason"].startswith("InternalServerError: the local cloud was stopped"), result
