"""A managed spot training that has saved a checkpoint and goes on until it is interrupted."""
role = setup()
spot = dict(EnableManagedSpotTraining=True, StoppingCondition={"MaxRuntimeInSeconds": 300, "MaxWaitTimeInSeconds": 600},
            CheckpointConfig={"S3Uri": "s3://data-bucket/checkpoints"})
job("spot", role, "resume", **spot)
until(lambda: s3.list_objects_v2(Bucket="data-bucket", Prefix="checkpoints/")["KeyCount"])
training("spot")
