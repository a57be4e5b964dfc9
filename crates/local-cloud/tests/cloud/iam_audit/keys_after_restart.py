"""The argument is the keys that keys_before_restart.py printed. One is still valid, the other is refused."""
import sys
keys = json.loads(sys.argv[1])
clients = [boto3.client("sts", config=config, aws_access_key_id=id, aws_secret_access_key=secret)
           for id, secret in keys]
clients[0].get_caller_identity()
refused("InvalidClientTokenId", clients[1].get_caller_identity)
