"""Scripts of all kinds run, and fail with their reason."""
role = setup()
group = "/aws/sagemaker/TrainingJobs"
def reason(name, *arguments, **more):
    script(name, role, *arguments, **more)
    result = ended(name)
    assert result["TrainingJobStatus"] == "Failed", result
    return result["FailureReason"]

# A package in requirements.txt, several hosts, a shell script, and source code in a channel.
write = "import os; open(os.environ['SM_MODEL_DIR'] + '/m', 'w').write('x'); "
uri = source("ok", train_py=write + "import tiny, sys; print('tiny', tiny.x, sys.argv, os.getcwd()[-5:], "
             "os.environ['SM_CURRENT_HOST'], os.environ['MASTER_PORT'])",
             requirements_txt="./tiny-1.0-py3-none-any.whl\n", **{"tiny-1.0-py3-none-any.whl": wheel("tiny", "x = 7")})
offline = {"PIP_NO_INDEX": "1"}
two = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5}
script("packages", role, uri, parameters={"lr": "0.1"}, Environment=offline, ResourceConfig=two)
result = ended("packages")
assert result["TrainingJobStatus"] == "Completed", result["FailureReason"]
lines = [line for line in log(group, "packages/") if line.startswith("tiny 7 ['train.py', '--lr', '0.1'] /code algo-")]
assert len(lines) == 2 and len({line.split()[-1] for line in lines}) == 1, log(group, "packages/")
shell = source("shell", **{"run.sh": "echo shell $2 $SM_MODULE_NAME\n"})
script("shell", role, shell, "run.sh", {"a-b": '"c d; echo no"'})
assert ended("shell")["TrainingJobStatus"] == "Completed"
assert "shell c d; echo no run.sh" in log(group, "shell/"), log(group, "shell/")
s3.put_object(Bucket="data-bucket", Key="plain/train.py", Body=b"print('from the channel')")
script("channel", role, "/opt/ml/input/data/code", InputDataConfig=[{"ChannelName": "code", "DataSource": {
    "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data-bucket/plain"}}}])
assert ended("channel")["TrainingJobStatus"] == "Completed"
assert "from the channel" in log(group, "channel/")

# Reasons that AWS's toolkit reports have its words.
broken = source("broken", train_py="import sys\nprint('out')\ndef f():\n    raise ValueError('bad rate')\nf()\n",
                exit_py="import sys; sys.exit(7)", kill_py="import os; os.kill(os.getpid(), 9)",
                own_py="import os, sys; open(os.environ['SAGEMAKER_BASE_DIR'] + '/output/failure', 'w').write('mine'); sys.exit(2)")
result = reason("raises", broken, parameters={"lr": "0.1"})
assert result.startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage \"raise ValueError('bad rate')\n"), result
assert "ValueError: bad rate\"\nCommand \"" in result and result.endswith("-- train.py --lr 0.1\", exit code: 1"), result
assert "ExitCode 7\nErrorMessage \"\"" in reason("exits", broken, "exit.py")
assert "ExitCode -9\n" in reason("killed", broken, "kill.py")
assert reason("own", broken, "own.py") == "AlgorithmError: mine, exit code: 2"
missing = source("missing", train_py="print('never')", requirements_txt="no-such-package-at-all==1.0\n")
result = reason("pip", missing, Environment=offline)
assert result.startswith("AlgorithmError: InstallRequirementsError:\nExitCode 1\n") and "no-such-package-at-all" in result, result
assert "never" not in log(group, "pip/")
assert "could not be used: " in reason("nothing", "s3://data-bucket/code/nothing.tar.gz")
s3.put_object(Bucket="data-bucket", Key="code/junk.tar.gz", Body=b"junk")
assert "could not be used: " in reason("junk", "s3://data-bucket/code/junk.tar.gz")
evil = source("evil", **{"..__..__..__escape": "x"})
assert "could not be used: " in reason("evil", evil)
assert "'train.py' is not in the source directory" in reason("baked", "/opt/ml/code")
assert "'other.py' is not in the source directory" in reason("other", broken, "other.py")
assert "cannot be used: it must be a path inside" in reason("path", broken, "../train.py")
assert "cannot be used" in reason("option", broken, "-c")
assert "neither in S3 nor under /opt/ml" in reason("host", "/etc")
assert "neither in S3 nor under /opt/ml" in reason("dots", "/opt/ml/../../etc")
refused("UnknownOperationException", script, name="mpi", role=role, uri=broken, parameters={"sagemaker_mpi_enabled": "true"})
other = {"TrainingImage": PYTORCH.replace("763104351884", "111122223333"), "TrainingInputMode": "File"}
job("account", role, AlgorithmSpecification=other)
assert "cannot run the image" in ended("account")["FailureReason"]
# The source code is downloaded with the permissions of the job's role.
iam.put_role_policy(RoleName="trainer", PolicyName="no-code", PolicyDocument=policy(
    "s3:GetObject", "arn:aws:s3:::data-bucket/code/*", "Deny"))
assert "s3:GetObject" in reason("denied", broken)
