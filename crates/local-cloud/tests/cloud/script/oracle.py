"""A script that compares its environment with what AWS's toolkit sets, and trains with PyTorch. The script and the toolkit's path
are arguments."""
import sys
SCRIPT, TOOLKIT = sys.argv[1:]
role = setup()
parameters = {"learning-rate": "3e-01", "tiny": "1e-05", "huge": "1e22", "epochs": "1", "k": "true", "text": "a 'b' é",
              "list": '[1, "x", null]', "map": '{"b": 1.5, "a": "y"}', "nothing": "null", "quoted": '"resnet18"',
              "sagemaker_other": '{"z": 1}', "_tuning_objective_metric": "loss"}
uri = source("oracle", train_py=SCRIPT)
script("oracle", role, uri, parameters=parameters, Environment={"TOOLKIT": TOOLKIT},
       ResourceConfig={"InstanceType": "ml.m5.24xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5})
result = ended("oracle")
assert result["TrainingJobStatus"] == "Completed", (result["FailureReason"], log("/aws/sagemaker/TrainingJobs", "oracle/"))
assert "the toolkit agrees" in log("/aws/sagemaker/TrainingJobs", "oracle/")
assert result["FinalMetricDataList"][0]["Value"] < 0.01, result["FinalMetricDataList"]
model = s3.get_object(Bucket="data-bucket", Key="out/oracle/output/model.tar.gz")["Body"].read()
assert tarfile.open(fileobj=io.BytesIO(model)).getnames() == ["model.pth"]
