"""IAM's policy simulator: decisions, and the statements that they are based on."""
iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
arn = iam.get_role(RoleName="r")["Role"]["Arn"]
document = """{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "Read", "Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"},
    {"Sid": "Never", "Effect": "Deny", "Action": "s3:*",
     "Resource": "arn:aws:s3:::b/secret"},
    {"Sid": "Tls", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "*",
     "Condition": {"Bool": {"aws:SecureTransport": "true"}}}
  ]
}"""
iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=document)
def ask(action, resource, **more):
    more = {"PolicySourceArn": arn, "ActionNames": [action], "ResourceArns": [resource], **more}
    [result] = iam.simulate_principal_policy(**more)["EvaluationResults"]
    assert result["EvalActionName"] == action and result["EvalResourceName"] == resource
    return result
allowed = ask("s3:GetObject", "arn:aws:s3:::b/k")
assert allowed["EvalDecision"] == "allowed"
assert allowed["MatchedStatements"] == [{
    "SourcePolicyId": "role_r_p", "SourcePolicyType": "role",
    "StartPosition": {"Line": 4, "Column": 5}, "EndPosition": {"Line": 4, "Column": 92}}], allowed
assert allowed["ResourceSpecificResults"][0]["EvalResourceDecision"] == "allowed"
denied = ask("s3:GetObject", "arn:aws:s3:::b/secret")
assert denied["EvalDecision"] == "explicitDeny" and len(denied["MatchedStatements"]) == 1
assert denied["MatchedStatements"][0]["StartPosition"] == {"Line": 5, "Column": 5}
assert denied["MatchedStatements"][0]["EndPosition"] == {"Line": 6, "Column": 42}, denied
nothing = ask("s3:DeleteObject", "arn:aws:s3:::b/k")
assert nothing["EvalDecision"] == "implicitDeny" and nothing["MatchedStatements"] == []
missing = ask("s3:PutObject", "arn:aws:s3:::b/k")
assert missing["EvalDecision"] == "implicitDeny" and missing["MissingContextValues"] == ["aws:SecureTransport"]
tls = [{"ContextKeyName": "aws:securetransport", "ContextKeyType": "boolean", "ContextKeyValues": ["true"]}]
assert ask("s3:PutObject", "arn:aws:s3:::b/k", ContextEntries=tls)["EvalDecision"] == "allowed"

more = ask("s3:DeleteObject", "arn:aws:s3:::b/k", PolicyInputList=[policy("s3:Delete*", "*")])
assert more["EvalDecision"] == "allowed" and more["MatchedStatements"][0]["SourcePolicyId"] == "PolicyInputList.1"
bounded = ask("s3:GetObject", "arn:aws:s3:::b/k", PermissionsBoundaryPolicyInputList=[policy("ec2:*", "*")])
assert bounded["EvalDecision"] == "implicitDeny"
assert bounded["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
by_resource = json.dumps({"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Principal": {"AWS": arn}, "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::b/*"}})
given = ask("s3:DeleteObject", "arn:aws:s3:::b/k", ResourcePolicy=by_resource)
assert given["EvalDecision"] == "allowed" and given["MatchedStatements"][0]["SourcePolicyType"] == "resource"

iam.attach_role_policy(RoleName="r", PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
managed = ask("s3:DeleteObject", "arn:aws:s3:::b/k")["MatchedStatements"]
assert [(each["SourcePolicyId"], each["SourcePolicyType"]) for each in managed] == [("AmazonS3FullAccess", "aws-managed")]

pages = iam.get_paginator("simulate_principal_policy").paginate(
    PolicySourceArn=arn, ActionNames=["s3:GetObject", "ec2:RunInstances", "iam:PassRole"], PaginationConfig={"PageSize": 2})
results = [[(each["EvalActionName"], each["EvalDecision"]) for each in page["EvaluationResults"]] for page in pages]
assert results == [[("s3:GetObject", "allowed"), ("ec2:RunInstances", "implicitDeny")], [("iam:PassRole", "implicitDeny")]]

custom = iam.simulate_custom_policy(PolicyInputList=[policy("s3:*", "*")], ActionNames=["s3:PutObject"])
assert custom["EvaluationResults"][0]["EvalDecision"] == "allowed" and not custom["IsTruncated"]
assert custom["EvaluationResults"][0]["EvalResourceName"] == "*"
refused("InvalidInput", iam.simulate_custom_policy, PolicyInputList=["{"], ActionNames=["s3:PutObject"])
refused("InvalidInput", iam.simulate_principal_policy, PolicySourceArn=arn, ActionNames=["s3:*"])
refused("InvalidInput", iam.simulate_principal_policy, PolicySourceArn="arn:aws:s3:::a-bucket", ActionNames=["s3:GetObject"])
refused("NoSuchEntity", iam.simulate_principal_policy, PolicySourceArn=arn + "x", ActionNames=["s3:GetObject"])
