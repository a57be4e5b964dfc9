"""AWS's managed policies, and what they allow."""
def document(path):
    arn = "arn:aws:iam::aws:policy/" + path
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
for path in ["AmazonSageMakerFullAccess", "AmazonS3FullAccess", "AmazonS3ReadOnlyAccess", "AWSLambda_FullAccess",
             "service-role/AWSLambdaBasicExecutionRole", "service-role/AWSLambdaVPCAccessExecutionRole",
             "service-role/AWSLambdaRole", "AmazonEC2FullAccess", "AdministratorAccess", "IAMFullAccess", "PowerUserAccess",
             "SecurityAudit", "CloudWatchLogsFullAccess", "AmazonSageMakerReadOnly",
             "service-role/AmazonSageMakerServiceCatalogProductsLambdaServiceRolePolicy"]:
    assert document(path)["Statement"], path
# The managed policy of the seed runbook doesn't let a function invoke an endpoint, but allows very much else.
iam.create_role(RoleName="f", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
arn = iam.get_role(RoleName="f")["Role"]["Arn"]
endpoint = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e"
def decides(path, action, resource):
    iam.attach_role_policy(RoleName="f", PolicyArn="arn:aws:iam::aws:policy/" + path)
    answer = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=[action], ResourceArns=[resource])
    iam.detach_role_policy(RoleName="f", PolicyArn="arn:aws:iam::aws:policy/" + path)
    return answer["EvaluationResults"][0]["EvalDecision"]
assert decides("AmazonSageMakerFullAccess", "sagemaker:DeleteEndpoint", endpoint) == "allowed"
assert decides("AmazonSageMakerFullAccess", "sagemaker:InvokeEndpoint", endpoint) == "allowed"
assert decides("AmazonSageMakerFullAccess", "iam:CreateRole", arn) == "implicitDeny"
assert decides("AmazonSageMakerReadOnly", "sagemaker:InvokeEndpoint", endpoint) == "implicitDeny"
assert decides("service-role/AWSLambdaBasicExecutionRole", "sagemaker:InvokeEndpoint", endpoint) == "implicitDeny"
assert decides("PowerUserAccess", "iam:CreateRole", arn) == "implicitDeny"
assert decides("PowerUserAccess", "sagemaker:DeleteEndpoint", endpoint) == "allowed"
