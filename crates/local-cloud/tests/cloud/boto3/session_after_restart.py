"""Uses a session after a restart. Its three keys, which sessions.py printed, are the arguments."""
import sys
access_key_id, secret_access_key, session_token = sys.argv[1:]
later = boto3.client("sts", aws_access_key_id=access_key_id, aws_secret_access_key=secret_access_key,
                     aws_session_token=session_token)
assert later.get_caller_identity()["Arn"].endswith("assumed-role/r/later")
