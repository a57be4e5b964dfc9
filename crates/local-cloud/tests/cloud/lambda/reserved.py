"""Reserved concurrency, with the default quotas."""
me = role()
provided("f", me, WAITS)
provided("g", me, WAITS)
assert "ReservedConcurrentExecutions" not in lam.get_function_concurrency(FunctionName="f")
def put(count, name="f"):
    return lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=count)
assert put(2)["ReservedConcurrentExecutions"] == 2
assert lam.get_function_concurrency(FunctionName="f")["ReservedConcurrentExecutions"] == 2
assert lam.get_function(FunctionName="f")["Concurrency"] == {"ReservedConcurrentExecutions": 2}
assert lam.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 998
held = hold("f", 2)
assert throttled("f") == "ReservedFunctionConcurrentInvocationLimitExceeded"
assert throttled("g") is None, "another function is not throttled"
# A higher limit ends the throttling.
put(3)
assert throttled("f") is None
assert len({answer[0] for _, answer, _ in let_go(held)}) == 2, "each invocation has an environment of its own"
assert throttled("f") is None
put(0)
assert throttled("f") == "ReservedFunctionConcurrentInvocationLimitExceeded", "zero stops the function"
lam.delete_function_concurrency(FunctionName="f")
assert throttled("f") is None

below = ("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
         "minimum value of [100].")
assert refused("InvalidParameterValueException", lambda: put(901)) == below
put(800)
assert refused("InvalidParameterValueException", lambda: put(101, "g")) == below
put(100, "g")
assert lam.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 100
lam.delete_function_concurrency(FunctionName="f")
lam.delete_function_concurrency(FunctionName="g")
