"""The endpoint serves after a restart of the server; then everything is deleted."""
result = runtime.invoke_endpoint(EndpointName="endpoint-1", ContentType="image/png", Body=b"after the restart")
assert json.loads(result["Body"].read())["bytes"] == 17
sagemaker.delete_endpoint(EndpointName="endpoint-1")
until(lambda: not sagemaker.list_endpoints()["Endpoints"])
assert "Could not find endpoint" in refused("ValidationException", sagemaker.describe_endpoint, EndpointName="endpoint-1")
for config_name in ("config-1", "config-2"):
    sagemaker.delete_endpoint_config(EndpointConfigName=config_name)
sagemaker.delete_model(ModelName="Model-1")
assert "Could not find model" in refused("ValidationException", sagemaker.describe_model, ModelName="Model-1")
sagemaker.delete_training_job(TrainingJobName="job-1")
