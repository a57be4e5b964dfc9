"""An endpoint with two production variants: their weights share the requests out, and each has instances of its own."""
role = setup()
job("trained", role)
data = ended("trained")["ModelArtifacts"]["S3ModelArtifacts"]
sagemaker.create_model(ModelName="model", ExecutionRoleArn=role, PrimaryContainer={"Image": "opsml-worker", "ModelDataUrl": data})


def variant(name, weight, count=1):
    return {"VariantName": name, "ModelName": "model", "InstanceType": "ml.m5.large", "InitialInstanceCount": count,
            "InitialVariantWeight": weight}


twice = dict(EndpointConfigName="twice", ProductionVariants=[variant("a", 1), variant("a", 1)])
assert 'Duplicate variant name "a"' in refused("ValidationException", sagemaker.create_endpoint_config, **twice)
sagemaker.create_endpoint_config(EndpointConfigName="both", ProductionVariants=[variant("a", 1), variant("b", 0, 2)])
sagemaker.create_endpoint(EndpointName="both", EndpointConfigName="both")


def variants():
    described = sagemaker.describe_endpoint(EndpointName="both")
    assert described["EndpointStatus"] != "Failed", described
    if described["EndpointStatus"] != "InService":
        return None
    return {each["VariantName"]: (each["CurrentWeight"], each["CurrentInstanceCount"]) for each in described["ProductionVariants"]}


def invoked(**more):
    return runtime.invoke_endpoint(EndpointName="both", Body=b"{}", **more)["InvokedProductionVariant"]


assert until(variants) == {"a": (1.0, 1), "b": (0.0, 2)}
assert {invoked() for _ in range(20)} == {"a"}
assert invoked(TargetVariant="b") == "b"
assert "Variant not found" in refused("ValidationError", invoked, TargetVariant="c")
sagemaker.update_endpoint_weights_and_capacities(EndpointName="both", DesiredWeightsAndCapacities=[
    {"VariantName": "a", "DesiredWeight": 0}, {"VariantName": "b", "DesiredWeight": 3, "DesiredInstanceCount": 1}])
assert until(variants) == {"a": (0.0, 1), "b": (3.0, 1)}
assert {invoked() for _ in range(20)} == {"b"}
sagemaker.update_endpoint_weights_and_capacities(
    EndpointName="both", DesiredWeightsAndCapacities=[{"VariantName": "a", "DesiredWeight": 3}])
until(variants)
assert {invoked() for _ in range(200)} == {"a", "b"}

# An update to a config without one of them keeps what was set of the other, if it is asked to.
sagemaker.create_endpoint_config(EndpointConfigName="one", ProductionVariants=[variant("b", 1, 2)])
sagemaker.update_endpoint(EndpointName="both", EndpointConfigName="one", RetainAllVariantProperties=True)
assert until(variants) == {"b": (3.0, 1)}
sagemaker.delete_endpoint(EndpointName="both")
