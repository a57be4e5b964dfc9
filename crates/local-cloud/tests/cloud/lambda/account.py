"""The concurrency of the account, with quotas of 12 and 2. It continues reserved.py."""
# Another function's reservation is taken from the account's concurrency.
below = "below its minimum value of [2]."
assert below in refused("InvalidParameterValueException", lam.put_function_concurrency, FunctionName="g", ReservedConcurrentExecutions=11)
lam.put_function_concurrency(FunctionName="g", ReservedConcurrentExecutions=10)
held = hold("f", 2)
assert throttled("f") == "ConcurrentInvocationLimitExceeded"
assert throttled("g") is None
lam.put_function_concurrency(FunctionName="g", ReservedConcurrentExecutions=9)
assert throttled("f") is None
let_go(held)

# Deleting a function ends its invocations.
held = hold("f", 1)
lam.delete_function(FunctionName="f")
response, answer, _ = held[0].result()
assert answer["errorMessage"].endswith("Error: Runtime exited with error: signal: killed"), answer
lam.delete_function(FunctionName="g")
