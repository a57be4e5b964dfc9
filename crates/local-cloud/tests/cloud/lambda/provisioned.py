"""Provisioned concurrency."""
me = role()
made = provided("f", me, "time.sleep(0.2)\n" + WAITS, Publish=True)
def put(count, qualifier="1", name="f"):
    return lam.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=count)
def got(qualifier="1", name="f"):
    return lam.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
def ready(count, qualifier="1"):
    response = until(lambda: (response := got(qualifier))["Status"] != "IN_PROGRESS" and response)
    assert (response["Status"], response["AvailableProvisionedConcurrentExecutions"]) == ("READY", count), response
unpublished = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
assert refused("InvalidParameterValueException", lambda: put(1, "$LATEST")) == unpublished
lam.create_alias(FunctionName="f", Name="head", FunctionVersion="$LATEST")
assert refused("InvalidParameterValueException", lambda: put(1, "head")) == unpublished
refused("ResourceNotFoundException", lambda: put(1, "9"))
refused("ProvisionedConcurrencyConfigNotFoundException", got)
lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=3)
assert refused("InvalidParameterValueException", lambda: put(4)) == (
    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
response = put(2)
assert (response["Status"], response["RequestedProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 2), response
ready(2)
# There is no cold start.
[(response, answer, log)] = let_go(hold("f", 1, Qualifier="1"))
assert answer[1] == "provisioned-concurrency" and "Init Duration" not in log and response["ExecutedVersion"] == "1", (answer, log)
# Two are provisioned, the third runs on demand, and a fourth exceeds what is reserved.
held = hold("f", 3, Qualifier="1")
assert throttled("f", Qualifier="1") == "ReservedFunctionConcurrentInvocationLimitExceeded"
answers = let_go(held)
assert sorted(answer[1] for _, answer, _ in answers) == ["on-demand"] + ["provisioned-concurrency"] * 2, answers
assert ["Init Duration" in log for _, answer, log in answers] == [answer[1] == "on-demand" for _, answer, _ in answers]
# $LATEST cannot use what is provisioned for a version, so one of three is left for it.
held = hold("f", 1)
assert throttled("f") == "ReservedFunctionConcurrentInvocationLimitExceeded"
let_go(held)
assert "less than its provisioned concurrency" in refused(
    "InvalidParameterValueException", lam.put_function_concurrency, FunctionName="f", ReservedConcurrentExecutions=1)

# An alias that moves to another version takes its provisioned concurrency along.
lam.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
assert "already Provisioned version" in refused("InvalidParameterValueException", lambda: put(1, "live"))
lam.delete_provisioned_concurrency_config(FunctionName="f", Qualifier="1")
refused("ProvisionedConcurrencyConfigNotFoundException", got)
put(1, "live")
ready(1, "live")
assert "pointed by a Provisioned Concurrency alias" in refused("InvalidParameterValueException", lambda: put(1))
[listed] = lam.list_provisioned_concurrency_configs(FunctionName="f")["ProvisionedConcurrencyConfigs"]
assert listed["FunctionArn"] == ARN + "f:live" and listed["Status"] == "READY", listed
lam.update_function_configuration(FunctionName="f", Description="new", MemorySize=256)
active("f")
assert lam.publish_version(FunctionName="f")["Version"] == "2"
lam.update_alias(FunctionName="f", Name="live", FunctionVersion="2")
ready(1, "live")
[(response, answer, log)] = let_go(hold("f", 1, Qualifier="live"))
assert (response["ExecutedVersion"], answer[1]) == ("2", "provisioned-concurrency") and "Memory Size: 256 MB" in log

# A function that cannot be initialised.
provided("bad", me, "", Code={"ZipFile": zipped(bootstrap="#!/bin/sh\nexit 1\n")}, Publish=True)
put(1, name="bad")
response = until(lambda: (response := got(name="bad"))["Status"] == "FAILED" and response)
assert response["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE" and response["AvailableProvisionedConcurrentExecutions"] == 0, response
below = "decreases account's UnreservedConcurrentExecution below its minimum value of [100]."
assert below in refused("InvalidParameterValueException", lambda: put(998, name="bad"))
lam.delete_function(FunctionName="bad")
