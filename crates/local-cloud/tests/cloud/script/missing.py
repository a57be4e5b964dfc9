"""If Python or PyTorch is missing, a job fails, and its reason has the text of the argument."""
import sys
words = sys.argv[1]
script("job", setup(), source("code", train_py="print(1)"))
reason = ended("job")["FailureReason"]
assert reason.startswith("ClientError: script mode needs P") and words in reason, reason
assert "set OPSML_PYTORCH" in reason
