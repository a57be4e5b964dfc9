invoke()
assert counts() == (2, 2) and in_service() and len(pids()) == 2
sagemaker.delete_endpoint(EndpointName="e")
until(lambda: not sagemaker.list_endpoints()["Endpoints"])
