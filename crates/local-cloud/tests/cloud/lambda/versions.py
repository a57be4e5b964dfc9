"""Versions and aliases."""
me = role()
def code(answer):
    return zipped(bootstrap=BOOTSTRAP % f"def work(event):\n    return os.environ.get('SAY', '{answer}').encode()")
provided("f", me, "", Code={"ZipFile": code(1)})
sha = lam.get_function_configuration(FunctionName="f")["CodeSha256"]
message = refused("InvalidParameterValueException", lam.publish_version, FunctionName="f", CodeSha256="x")
assert message.startswith(f"CodeSHA256 (x) is different from current CodeSHA256 in $LATEST ({sha})."), message
refused("PreconditionFailedException", lam.publish_version, FunctionName="f", RevisionId="x")
first = lam.publish_version(FunctionName="f", CodeSha256=sha, Description="one")
assert (first["Version"], first["FunctionArn"], first["Description"]) == ("1", ARN + "f:1", "one")
assert lam.publish_version(FunctionName="f")["Version"] == "1", "unchanged code makes no new version"
lam.update_function_code(FunctionName="f", ZipFile=code(2))
active("f")
assert [invoke("f")[1], invoke("f", Qualifier="1")[1], invoke("f:1")[1], invoke(ARN + "f:$LATEST")[1]] == [2, 1, 1, 2]
assert invoke("f", Qualifier="1")[0]["ExecutedVersion"] == "1"
lam.update_function_configuration(FunctionName="f", Environment={"Variables": {"SAY": "3"}})
active("f")
assert [invoke("f")[1], invoke("f", Qualifier="1")[1]] == [3, 1]
refused("InvalidParameterValueException", lam.update_function_code, FunctionName="f:1", ZipFile=code(9))
refused("InvalidParameterValueException", lam.invoke, FunctionName="f:1", Qualifier="2")
assert lam.publish_version(FunctionName="f")["Version"] == "2"
listed = lam.list_versions_by_function(FunctionName="f")["Versions"]
assert [(each["Version"], each["FunctionArn"]) for each in listed] == [
    ("$LATEST", ARN + "f:$LATEST"), ("1", ARN + "f:1"), ("2", ARN + "f:2")], listed
page = lam.list_versions_by_function(FunctionName="f", MaxItems=2)
assert len(page["Versions"]) == 2
assert [each["Version"] for each in lam.list_versions_by_function(FunctionName="f", Marker=page["NextMarker"])["Versions"]] == ["2"]

made = lam.create_alias(FunctionName="f", Name="live", FunctionVersion="1", Description="d")
assert made["AliasArn"] == ARN + "f:live" and "RoutingConfig" not in made
assert lam.get_alias(FunctionName="f", Name="live") ["RevisionId"] == made["RevisionId"]
assert "Alias already exists" in refused("ResourceConflictException", lam.create_alias, FunctionName="f", Name="live", FunctionVersion="2")
refused("ResourceNotFoundException", lam.create_alias, FunctionName="f", Name="x", FunctionVersion="7")
refused("ValidationException", lam.create_alias, FunctionName="f", Name="7", FunctionVersion="1")
response, answer, _ = invoke("f", Qualifier="live")
assert (answer, response["ExecutedVersion"]) == (1, "1")
assert lam.get_function_configuration(FunctionName="f", Qualifier="live")["FunctionArn"] == ARN + "f:live"
assert refused("ResourceConflictException", lam.delete_function, FunctionName="f", Qualifier="1") == (
    "Unable to delete version because the following aliases reference it: [live]")
refused("PreconditionFailedException", lam.update_alias, FunctionName="f", Name="live", FunctionVersion="2", RevisionId="x")
lam.update_alias(FunctionName="f", Name="live", FunctionVersion="2", RevisionId=made["RevisionId"])
assert invoke("f", Qualifier="live")[1] == 3
lam.update_alias(FunctionName="f", Name="live", RoutingConfig={"AdditionalVersionWeights": {"1": 0.5}})
seen = {invoke("f", Qualifier="live")[0]["ExecutedVersion"] for _ in range(40)}
assert seen == {"1", "2"}, seen
refused("ResourceConflictException", lam.delete_function, FunctionName="f", Qualifier="1")
lam.update_alias(FunctionName="f", Name="live", RoutingConfig={})
refused("InvalidParameterValueException", lam.update_alias, FunctionName="f", Name="live",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
assert [each["Name"] for each in lam.list_aliases(FunctionName="f", FunctionVersion="2")["Aliases"]] == ["live"]
lam.delete_function(FunctionName="f", Qualifier="1")
refused("ResourceNotFoundException", lam.invoke, FunctionName="f", Qualifier="1")
assert "Cannot find alias arn" in refused("ResourceNotFoundException", lam.get_alias, FunctionName="f", Name="x")
lam.delete_alias(FunctionName="f", Name="live")
refused("InvalidParameterValueException", lam.delete_function, FunctionName="f", Qualifier="$LATEST")
lam.delete_function(FunctionName="f")
# No number is used twice.
made = provided("f", me, "", Code={"ZipFile": code(1)}, Publish=True)
assert (made["Version"], made["FunctionArn"]) == ("3", ARN + "f"), made
# An update is a change, even to the same code.
active("f")
lam.update_function_code(FunctionName="f", ZipFile=code(1))
active("f")
assert [lam.publish_version(FunctionName="f")["Version"] for _ in range(2)] == ["4", "4"]
