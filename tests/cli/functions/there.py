"""Prints policies of the function's role, the number of functions, and the first one's concurrency and versions."""
import json
import boto3

iam, functions = boto3.client("iam"), boto3.client("lambda")
roles = [role["RoleName"] for role in iam.list_roles()["Roles"] if "function-role" in role["RoleName"]]
names = sorted(function["FunctionName"] for function in functions.list_functions()["Functions"])
first = [name for name in names if "front-function" in name]
print(json.dumps({
    "policies": [policy for role in roles for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]],
    "functions": len(names),
    "reserved": [functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
                 for name in first],
    "provisioned": [
        config["RequestedProvisionedConcurrentExecutions"] for name in first for config in
        functions.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"]],
    "versions": [len(functions.list_versions_by_function(FunctionName=name)["Versions"]) - 1 for name in first],
}))
