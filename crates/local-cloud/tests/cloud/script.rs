//! Script mode through boto3: with PyTorch itself, held against AWS's own training toolkit, and the ways it fails.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::{Server, made, python};

fn run(server: &Server, code: &str) -> String {
    let code = format!("{}\n{}\n{code}", include_str!("sagemaker.py"), include_str!("script.py"));
    python(&server.endpoint, &server.keys, server.dir.path(), &code)
}

/// Code of an argument's value.
fn literal(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

#[test]
fn a_script_trains_with_pytorch_and_is_told_what_the_toolkit_tells() {
    let pytorch = made("OPSML_PYTORCH", "scripts/pytorch.sh");
    let toolkit = made("OPSML_TEST_TOOLKIT", "scripts/python-env.sh toolkit");
    let boto3 = made("OPSML_TEST_PYTHONPATH", "scripts/python-env.sh");
    let server = Server::start_with(tempfile::tempdir().unwrap(), |settings| {
        settings.pytorch = Some(pytorch.into());
    });
    let code = r#"
role = setup()
parameters = {"learning-rate": "3e-01", "tiny": "1e-05", "huge": "1e22", "epochs": "1", "k": "true", "text": "a 'b' é",
              "list": '[1, "x", null]', "map": '{"b": 1.5, "a": "y"}', "nothing": "null", "quoted": '"resnet18"',
              "sagemaker_other": '{"z": 1}', "_tuning_objective_metric": "loss"}
uri = source("oracle", train_py=SCRIPT)
script("oracle", role, uri, parameters=parameters, Environment={"TOOLKIT": TOOLKIT},
       ResourceConfig={"InstanceType": "ml.m5.24xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5})
told = ended("oracle")
assert told["TrainingJobStatus"] == "Completed", (told["FailureReason"], log("/aws/sagemaker/TrainingJobs", "oracle/"))
assert "the toolkit agrees" in log("/aws/sagemaker/TrainingJobs", "oracle/")
assert told["FinalMetricDataList"][0]["Value"] < 0.01, told["FinalMetricDataList"]
model = s3.get_object(Bucket="data-bucket", Key="out/oracle/output/model.tar.gz")["Body"].read()
assert tarfile.open(fileobj=io.BytesIO(model)).getnames() == ["model.pth"]
"#;
    let script = literal(include_str!("oracle.py"));
    run(&server, &format!("SCRIPT = {script}\nTOOLKIT = {}\n{code}", literal(&format!("{toolkit}:{boto3}"))));
}

/// A Python that has a module `torch`, and nothing behind it.
fn hollow(dir: &Path) -> std::path::PathBuf {
    let command = dir.join("python");
    std::fs::create_dir(dir.join("torch")).unwrap();
    std::fs::write(dir.join("torch/__init__.py"), "").unwrap();
    let script = format!("#!/bin/sh\nPYTHONPATH={}:$PYTHONPATH exec python3 \"$@\"\n", dir.display());
    std::fs::write(&command, script).unwrap();
    std::fs::set_permissions(&command, std::fs::Permissions::from_mode(0o755)).unwrap();
    command
}

#[test]
fn scripts_run_as_they_are_named_and_fail_with_their_reason() {
    let dir = tempfile::tempdir().unwrap();
    let command = hollow(dir.path());
    let server = Server::start_with(tempfile::tempdir().unwrap(), |settings| {
        settings.pytorch = Some(command);
    });
    let code = r#"
role = setup()
group = "/aws/sagemaker/TrainingJobs"
def reason(name, *arguments, **more):
    script(name, role, *arguments, **more)
    told = ended(name)
    assert told["TrainingJobStatus"] == "Failed", told
    return told["FailureReason"]

# A package that requirements.txt names, several hosts, a shell script, code that a channel brings.
write = "import os; open(os.environ['SM_MODEL_DIR'] + '/m', 'w').write('x'); "
uri = source("ok", train_py=write + "import tiny, sys; print('tiny', tiny.x, sys.argv, os.getcwd()[-5:], "
             "os.environ['SM_CURRENT_HOST'], os.environ['MASTER_PORT'])",
             requirements_txt="./tiny-1.0-py3-none-any.whl\n", **{"tiny-1.0-py3-none-any.whl": wheel("tiny", "x = 7")})
offline = {"PIP_NO_INDEX": "1"}
two = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5}
script("packages", role, uri, parameters={"lr": "0.1"}, Environment=offline, ResourceConfig=two)
told = ended("packages")
assert told["TrainingJobStatus"] == "Completed", (told, log(group, "packages/"))
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

# In AWS's words where it has some.
broken = source("broken", train_py="import sys\nprint('out')\ndef f():\n    raise ValueError('bad rate')\nf()\n",
                exit_py="import sys; sys.exit(7)", kill_py="import os; os.kill(os.getpid(), 9)",
                own_py="import os, sys; open(os.environ['SAGEMAKER_BASE_DIR'] + '/output/failure', 'w').write('mine'); sys.exit(2)")
told = reason("raises", broken, parameters={"lr": "0.1"})
assert told.startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage \"raise ValueError('bad rate')\n"), told
assert "ValueError: bad rate\"\nCommand \"" in told and told.endswith("-- train.py --lr 0.1\", exit code: 1"), told
assert "ExitCode 7\nErrorMessage \"\"" in reason("exits", broken, "exit.py")
assert "ExitCode -9\n" in reason("killed", broken, "kill.py")
assert reason("own", broken, "own.py") == "AlgorithmError: mine, exit code: 2"
missing = source("missing", train_py="print('never')", requirements_txt="no-such-package-at-all==1.0\n")
told = reason("pip", missing, Environment=offline)
assert told.startswith("AlgorithmError: InstallRequirementsError:\nExitCode 1\n") and "no-such-package-at-all" in told, told
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
# The code is fetched as the job's role.
iam.put_role_policy(RoleName="trainer", PolicyName="no-code", PolicyDocument=policy(
    "s3:GetObject", "arn:aws:s3:::data-bucket/code/*", "Deny"))
assert "s3:GetObject" in reason("denied", broken)
"#;
    run(&server, code);
}

#[test]
fn what_is_missing_is_said() {
    for (python, words) in
        [("/nowhere/python", "could not be run"), ("python3", "PyTorch, which python3 does not have")]
    {
        let server = Server::start_with(tempfile::tempdir().unwrap(), |settings| {
            settings.pytorch = Some(python.into());
        });
        run(
            &server,
            &format!(
                r#"
script("job", setup(), source("code", train_py="print(1)"))
reason = ended("job")["FailureReason"]
assert reason.startswith("ClientError: script mode needs P") and {words:?} in reason, reason
assert "set OPSML_PYTORCH" in reason
"#
            ),
        );
    }
}
