"""The beginning of the test programs for scaling, after sagemaker.py: an endpoint, a scalable target, a load."""
import datetime
import io
import os
import signal
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor

autoscaling, cloudwatch = (boto3.client(name, config=config) for name in ("application-autoscaling", "cloudwatch"))
for client, name in ((autoscaling, "application-autoscaling"), (cloudwatch, "cloudwatch")):
    client.meta.events.register(f"after-call.{name}", check)

NAMES = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
TARGET = dict(NAMES, ResourceId="endpoint/e/variant/AllTraffic")
DIMENSIONS = [{"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": "AllTraffic"}]


def policy_of(*actions):
    return policy(list(actions), "*")


def endpoint(name="e"):
    return sagemaker.describe_endpoint(EndpointName=name)


def in_service(name="e"):
    assert endpoint(name)["EndpointStatus"] != "Failed", endpoint(name)
    return endpoint(name)["EndpointStatus"] == "InService"


def counts(name="e"):
    variant = endpoint(name)["ProductionVariants"][0]
    return variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]


def deploy(count=1, kind="ml.m5.large", name="e"):
    role = setup()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        info = tarfile.TarInfo("model.txt")
        info.size = 7
        archive.addfile(info, io.BytesIO(b"weights"))
    s3.put_object(Bucket="data-bucket", Key="model.tar.gz", Body=packed.getvalue())
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={
        "Image": "opsml-worker", "ModelDataUrl": "s3://data-bucket/model.tar.gz"})
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{
        "VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": count, "InstanceType": kind}])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    until(lambda: in_service(name))


def capacity(count, name="e"):
    sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=[
        {"VariantName": "AllTraffic", "DesiredInstanceCount": count}])


def invoke(body=b"image", name="e"):
    answer = runtime.invoke_endpoint(EndpointName=name, ContentType="image/png", Body=body)
    return json.loads(answer["Body"].read())["pid"]


def pids(requests=24, name="e"):
    """Returns the process ids of the instances. Simultaneous requests reach all of them."""
    with ThreadPoolExecutor(8) as pool:
        return set(pool.map(lambda _: invoke(b"wait 20", name), range(requests)))


def alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def register(least, most, **more):
    return autoscaling.register_scalable_target(**TARGET, MinCapacity=least, MaxCapacity=most, **more)


def track(value, **more):
    return autoscaling.put_scaling_policy(
        **TARGET, PolicyName="p", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration={
            "TargetValue": value,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}, **more})


def activities():
    return autoscaling.describe_scaling_activities(**TARGET)["ScalingActivities"]


def total(metric, namespace="AWS/SageMaker", statistic="Sum"):
    now = datetime.datetime.now(datetime.timezone.utc)
    points = cloudwatch.get_metric_statistics(
        Namespace=namespace, MetricName=metric, Dimensions=DIMENSIONS, Period=60, Statistics=[statistic],
        StartTime=now - datetime.timedelta(hours=1), EndTime=now + datetime.timedelta(minutes=2))["Datapoints"]
    return sum(point[statistic] for point in points)


class Load:
    """Sends a request every 1/rate seconds, whether or not earlier ones have been answered."""

    def __init__(self, rate, body=b"image"):
        self.rate, self.body, self.sent, self.pids, self.errors = rate, body, 0, [], []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def one(self):
        try:
            self.pids.append(invoke(self.body))
        except Exception as error:
            self.errors.append(error)

    def run(self):
        begin = time.monotonic()
        with ThreadPoolExecutor(32) as pool:
            while not self.over.wait(max(0, begin + self.sent / self.rate - time.monotonic())):
                pool.submit(self.one)
                self.sent += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        assert not self.errors and len(self.pids) == self.sent, (self.errors[:3], len(self.pids), self.sent)
