"""Provisioned concurrency after a restart. It continues provisioned.py."""
# The environments are back, and warm.
until(lambda: lam.get_provisioned_concurrency_config(FunctionName="f", Qualifier="live")["Status"] == "READY")
assert lam.get_function_concurrency(FunctionName="f")["ReservedConcurrentExecutions"] == 3
[(response, answer, log)] = let_go(hold("f", 1, Qualifier="live"))
assert (response["ExecutedVersion"], answer[1]) == ("2", "provisioned-concurrency") and "Init Duration" not in log
assert len(lam.list_versions_by_function(FunctionName="f")["Versions"]) == 3
[(response, answer, log)] = let_go(hold("f", 1))
assert answer[1] == "on-demand"
lam.delete_function(FunctionName="f")
