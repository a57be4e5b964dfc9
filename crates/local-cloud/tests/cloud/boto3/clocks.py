"""Clients whose clocks are wrong by less and by more than 15 minutes."""
import datetime, botocore.auth
real = botocore.auth.get_current_datetime
def shift(minutes):
    botocore.auth.get_current_datetime = lambda *a, **k: real(*a, **k) + datetime.timedelta(minutes=minutes)
for minutes in (-14, 14):
    shift(minutes)
    sts.get_caller_identity()
shift(-16)
assert "Signature expired" in refused("SignatureDoesNotMatch", sts.get_caller_identity)
shift(16)
assert "not yet current" in refused("InvalidSignatureException", logs.describe_log_groups)
