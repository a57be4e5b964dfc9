"""The metadata service of an instance."""
import re

i = run('echo "metadata: $AWS_EC2_METADATA_SERVICE_ENDPOINT."; sleep 4949')
said(i, "metadata: ")
port = int(re.search(r"metadata: http://127\.0\.0\.1:(\d+)\.", console(i)).group(1))
for status, answer in is_guarded(port, "/latest/meta-data/"):
    assert status == 401, answer
ttl = "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n"
for status, answer in is_guarded(port, "/latest/api/token", method="PUT", headers=ttl):
    assert status == 200, answer
terminate(i)
