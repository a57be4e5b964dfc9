//! EC2 through boto3, with instances whose user data really runs.

use std::path::Path;

use local_cloud::ec2::{Knobs, Quota, interrupt_spot, set_knobs, set_quota};
use local_cloud::lifecycle::{start, stop};
use local_cloud::store::Store;

use crate::{Server, lifecycle, python, wait_for};

fn run(server: &Server, code: &str) -> String {
    let code = format!("{}\n{code}", include_str!("ec2.py"));
    python(&server.endpoint, &server.keys, server.dir.path(), &code)
}

/// The state file, opened as another process would.
fn store(server: &Server) -> Store {
    Store::open(&server.dir.path().join("state.db")).unwrap()
}

fn knobs(server: &Server, knobs: &Knobs) {
    set_knobs(&store(server), knobs).unwrap();
}

/// The command lines of the processes that belong to an instance of the cloud in `dir`.
fn processes(dir: &Path) -> Vec<String> {
    let wanted = format!("OPSML_INSTANCE_DIR={}", dir.display());
    let entries = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    entries
        .filter(|path| {
            let environ = std::fs::read(path.join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environ).contains(&wanted)
        })
        .map(|path| {
            String::from_utf8_lossy(&std::fs::read(path.join("cmdline")).unwrap_or_default()).into_owned()
        })
        .collect()
}

fn folders(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("ec2")).map_or(0, |entries| entries.count())
}

fn nothing_is_left(server: &Server) {
    assert_eq!(processes(server.dir.path()), Vec::<String>::new());
    assert_eq!(folders(server.dir.path()), 0);
}

const WORK: &str = r##"
script = f"""
export PYTHONPATH={os.environ['PYTHONPATH']}
export AWS_DEFAULT_REGION=us-east-1
echo on stdout; echo on stderr >&2
python3 - <<'END'
import boto3, json, os, urllib.request
from botocore.exceptions import ClientError
seen = {{"environment": dict(os.environ)}}
base = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] + "/latest/"
def ask(path, method="GET", **headers):
    request = urllib.request.Request(base + path, method=method, headers={{k.replace("_", "-"): v for k, v in headers.items()}})
    try:
        return urllib.request.urlopen(request).read().decode()
    except urllib.error.HTTPError as error:
        return error.code
token = ask("api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds="60")
def meta(path):
    return ask("meta-data/" + path, X_aws_ec2_metadata_token=token)
seen["refused"] = [ask("meta-data/"), ask("api/token", "PUT"), ask("meta-data/", X_aws_ec2_metadata_token="x"),
    ask("api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds="60", X_Forwarded_For="10.0.0.1"), meta("spot/instance-action")]
for path in ("instance-id", "instance-type", "ami-id", "placement/region", "placement/availability-zone", "iam/info",
        "iam/security-credentials/", "local-ipv4", "public-keys/", "public-keys/0/openssh-key", "security-groups",
        "instance-life-cycle", ""):
    seen[path] = meta(path)
seen["document"] = json.loads(ask("dynamic/instance-identity/document", X_aws_ec2_metadata_token=token))
seen["user-data"] = ask("user-data", X_aws_ec2_metadata_token=token)[:11]
seen["caller"] = boto3.client("sts").get_caller_identity()["Arn"]
s3 = boto3.client("s3")
try:
    s3.put_object(Bucket="other", Key="x", Body=b"x")
except ClientError as error:
    seen["denied"] = str(error)
s3.put_object(Bucket="work", Key="seen", Body=json.dumps(seen).encode())
END
sudo -E env LATER=1 shutdown -h now
sleep 300
"""
"##;

#[test]
fn an_instance_works_with_its_role_and_ends_itself() {
    let dir = tempfile::tempdir().unwrap();
    // What a developer's machine is full of: none of it may reach the instance.
    let mut command = lifecycle::command(dir.path());
    command.env("AWS_ACCESS_KEY_ID", "CANARY").env("AWS_SECRET_ACCESS_KEY", "CANARY");
    command.env("AWS_PROFILE", "production").env("CANARY", "1");
    let running = start(dir.path(), command).unwrap();
    let code = r##"
for bucket in ("work", "other"):
    s3.create_bucket(Bucket=bucket)
role = profile("s3:PutObject", "arn:aws:s3:::work/*")
key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOjtahoaqDY59gTRrServZ7ItVcXb+Sqy3+OaUAzUcTi me"
ec2.import_key_pair(KeyName="key", PublicKeyMaterial=key)
group = ec2.create_security_group(GroupName="ssh", Description="one address")["GroupId"]
answer = ec2.run_instances(
    ImageId=IMAGE, InstanceType="m5.large", MinCount=1, MaxCount=1, UserData="#!/bin/bash\n" + script, KeyName="key",
    SecurityGroupIds=[group], IamInstanceProfile=role, InstanceInitiatedShutdownBehavior="terminate",
    TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "opsml:step", "Value": "ec2"}]}])
assert answer["OwnerId"] == "123456789012" and answer["Instances"][0]["State"] == {"Code": 0, "Name": "pending"}
i = answer["Instances"][0]["InstanceId"]
end = in_state(i, "terminated")
assert end["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown", end
assert end["Tags"] == [{"Key": "opsml:step", "Value": "ec2"}] and "PrivateIpAddress" not in end, end
lines = console(i).splitlines()
assert lines[0].startswith(f"[local cloud] {i} is a group of processes on this machine, "), lines
assert lines[1:3] == ["on stdout", "on stderr"], lines

seen = json.loads(s3.get_object(Bucket="work", Key="seen")["Body"].read())
environment = seen["environment"]
assert not [name for name in environment if "CANARY" in name + environment[name]], environment
assert sorted(n for n in environment if n.startswith("AWS_")) == [
    "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_ENDPOINT_URL"], environment
assert environment["HOME"].endswith(f"/ec2/{i}/root") and environment["PATH"].split(":")[0].endswith(f"/ec2/{i}/bin")
assert seen["refused"] == [401, 400, 401, 403, 404], seen["refused"]
assert (seen["instance-id"], seen["instance-type"], seen["placement/region"]) == (i, "m5.large", "us-east-1")
assert seen["ami-id"] == answer["Instances"][0]["ImageId"] == end["ImageId"]
assert seen["local-ipv4"] == answer["Instances"][0]["PrivateIpAddress"]
assert seen["public-keys/"] == "0=key" and seen["public-keys/0/openssh-key"] == key
assert json.loads(seen["iam/info"])["InstanceProfileArn"] == end["IamInstanceProfile"]["Arn"]
assert seen["iam/security-credentials/"] == "trainer" and seen["security-groups"] == "ssh"
assert seen["instance-life-cycle"] == "on-demand" and "iam/" in seen[""].splitlines(), seen[""]
assert seen["document"]["instanceId"] == i and seen["document"]["region"] == "us-east-1"
assert seen["user-data"] == "#!/bin/bash"
assert seen["caller"] == f"arn:aws:sts::123456789012:assumed-role/trainer/{i}"
assert "(AccessDenied)" in seen["denied"] and f"assumed-role/trainer/{i} is not authorized to perform: s3:PutObject" in seen["denied"]
ec2.delete_security_group(GroupId=group)
"##;
    let code = format!("{}\n{WORK}\n{code}", include_str!("ec2.py"));
    python(&running.record.endpoint(), &running.keys, dir.path(), &code);
    assert_eq!((processes(dir.path()), folders(dir.path())), (Vec::new(), 0));
    assert!(stop(dir.path()).unwrap());
}

#[test]
fn a_terminated_instance_leaves_no_process() {
    let server = Server::start();
    for namespaces in [true, false] {
        knobs(&server, &Knobs { namespaces, ..Knobs::default() });
        let code = r##"
i = run("setsid sleep 4242 & (setsid nohup sleep 4343 >/dev/null 2>&1 &); echo left; sleep 4444")
said(i, "left")
"##;
        run(&server, code);
        let own = |name: &str| processes(server.dir.path()).iter().any(|line| line.contains(name));
        wait_for(|| (own("4242") && own("4343") && own("4444")).then_some(()));
        run(
            &server,
            "terminate(*[i['InstanceId'] for r in ec2.describe_instances()['Reservations'] for i in r['Instances']])",
        );
        nothing_is_left(&server);
    }
}

#[test]
fn what_user_data_does_to_its_machine_it_does_to_its_instance() {
    let server = Server::start();
    for namespaces in [true, false] {
        knobs(&server, &Knobs { namespaces, ..Knobs::default() });
        run(
            &server,
            r##"
# A script that hangs is ended by the shutdown that it armed before.
hangs = run("shutdown -h +100; shutdown -c; shutdown -P +0 'dead man'; sleep 300", InstanceInitiatedShutdownBehavior="terminate")
# Without -c, a later one replaces the earlier, and a script that ends leaves the instance running.
ends = run("sudo apt-get install -y x || echo refused $?; yum install x || echo refused $?; systemctl start docker || echo refused $?; "
           "sudo -u nobody A=1 sh -c 'echo A=$A'; sudo -i <<<'echo login'; shutdown -h 5x || echo refused $?; exit 7")
said(ends, "user data ended with exit status 7")
lines = console(ends)
assert lines.count("refused 1") == 4 and "A=1\n" in lines and "login\n" in lines, lines
assert "cannot install packages" in lines and f"Failed running " in lines and "part-001 [7]" in lines, lines
end = in_state(hangs, "terminated")
assert end["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown", end
assert told(ends)["State"]["Name"] == "running"
[status] = ec2.describe_instance_status(InstanceIds=[ends])["InstanceStatuses"]
assert status["InstanceStatus"]["Status"] == "ok"
assert ec2.describe_instance_status(InstanceIds=[hangs])["InstanceStatuses"] == []
terminate(ends)
assert "exit status 7" in console(ends), "the console outlives the instance"
assert ec2.describe_instance_status(InstanceIds=[ends], IncludeAllInstances=True)["InstanceStatuses"][0]["InstanceState"]["Name"] == "terminated"

for data, why in ((b"\x1f\x8b\x08x", "gzip"), (b"Content-Type: multipart/mixed", "MIME"), (b"echo hi", "Unhandled non-multipart"), (b"#cloud-config", "scripts")):
    i = run(UserData=data)
    said(i, why)
    assert in_state(i, "running") and "exit status" not in console(i)
    terminate(i)
terminate(run())
"##,
        );
        nothing_is_left(&server);
    }
    // With namespaces, not even by full names, and /var/log is the instance's own.
    knobs(&server, &Knobs::default());
    let log = Path::new("/var/log").join(server.dir.path().file_name().unwrap());
    let code = r##"
i = run("head -1 $OPSML_INSTANCE_DIR/log/cloud-init-output.log | grep -q 'namespaces of its own$' || exit; echo mine >LOG; "
        "head -1 /var/log/cloud-init-output.log; echo processes: $(ls -d /proc/[0-9]* | wc -l); /sbin/shutdown -h now; sleep 300",
        InstanceInitiatedShutdownBehavior="terminate")
said(i, "[local cloud]")
if console(i).splitlines()[0].endswith("namespaces of its own"):
    in_state(i, "terminated")
    lines = console(i)
    assert lines.count("[local cloud]") == 2, lines
    assert int(lines.split("processes: ")[1].split()[0]) < 10, "it sees no processes but its own"
else:
    terminate(i)
"##;
    run(&server, &code.replace("LOG", log.to_str().unwrap()));
    assert!(!log.exists());
}

#[test]
fn an_instance_stops_and_starts_and_reboots() {
    let server = Server::start();
    run(
        &server,
        r##"
script = "echo run >>runs; (setsid sleep 4545 &); reboot; sleep 300"
i = run(script, DisableApiTermination=True)
# The reboot ends the script, and user data runs once.
until(lambda: open(os.environ["HOME"] + f"/ec2/{i}/root/runs").read() == "run\n" if os.path.exists(os.environ["HOME"] + f"/ec2/{i}/root/runs") else False)
[change] = ec2.stop_instances(InstanceIds=[i])["StoppingInstances"]
assert change["CurrentState"]["Name"] == "stopping"
stopped = in_state(i, "stopped")
assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown" and "User initiated (" in stopped["StateTransitionReason"]
assert ec2.stop_instances(InstanceIds=[i])["StoppingInstances"][0]["CurrentState"]["Name"] == "stopped"
[change] = ec2.start_instances(InstanceIds=[i])["StartingInstances"]
assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("stopped", "pending")
assert "StateReason" not in in_state(i, "running")
assert open(os.environ["HOME"] + f"/ec2/{i}/root/runs").read() == "run\n"
assert "may not be terminated" in refused("OperationNotPermitted", ec2.terminate_instances, InstanceIds=[i])
# Its own shutdown stops it, as is EC2's default.
j = run("shutdown now")
assert in_state(j, "stopped")["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
terminate(j)
refused("IncorrectInstanceState", ec2.start_instances, InstanceIds=[j])
refused("IncorrectInstanceState", ec2.stop_instances, InstanceIds=[j])
assert ec2.terminate_instances(InstanceIds=[j])["TerminatingInstances"][0]["CurrentState"]["Name"] == "terminated"
# Terminated while it stops, or just started.
k = run("sleep 300")
ec2.stop_instances(InstanceIds=[k])
terminate(k)
"##,
    );
}

#[test]
fn one_client_token_is_one_launch() {
    let server = Server::start();
    run(
        &server,
        r##"
more = dict(ImageId=IMAGE, InstanceType="t3.micro", MinCount=2, MaxCount=2, ClientToken="token-1")
first = ec2.run_instances(**more)
again = ec2.run_instances(**more)
ids = [each["InstanceId"] for each in first["Instances"]]
assert len(set(ids)) == 2 and ids == [each["InstanceId"] for each in again["Instances"]]
assert first["ReservationId"] == again["ReservationId"]
assert refused("IdempotentParameterMismatch", ec2.run_instances, **dict(more, InstanceType="t3.small")) == (
    "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
[reservation] = ec2.describe_instances(Filters=[{"Name": "client-token", "Values": ["token-*"]}])["Reservations"]
assert len(reservation["Instances"]) == 2
other = ec2.run_instances(**dict(more, ClientToken="token-2", MinCount=1, MaxCount=1))["Instances"][0]["InstanceId"]
assert len({told(each)["PrivateIpAddress"] for each in [*ids, other]}) == 3

def found(*filters):
    filters = [{"Name": name, "Values": values} for name, *values in filters]
    pages = ec2.get_paginator("describe_instances").paginate(Filters=filters, PaginationConfig={"PageSize": 5})
    return [i["InstanceId"] for page in pages for r in page["Reservations"] for i in r["Instances"]]
in_state(other, "running")
ec2.create_tags(Resources=[other], Tags=[{"Key": "Name", "Value": "one"}, {"Key": "Also", "Value": ""}])
assert found(("tag:Name", "o?e")) == [other] == found(("tag-key", "Also"), ("instance-state-name", "running"))
assert found(("tag:Name", "on")) == [] and found(("instance-id", *ids)) == ids
refused("InvalidParameterValue", ec2.describe_instances, Filters=[{"Name": "instance-colour", "Values": ["red"]}])
ec2.delete_tags(Resources=[other], Tags=[{"Key": "Name", "Value": "two"}, {"Key": "Also"}])
assert [t["Key"] for t in ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [other]}])["Tags"]] == ["Name"]
refused("InvalidParameterValue", ec2.create_tags, Resources=[other], Tags=[{"Key": "aws:x", "Value": ""}])
refused("InvalidID", ec2.create_tags, Resources=["x-1"], Tags=[{"Key": "x", "Value": ""}])
terminate(*ids, other)
# The token still stands for the terminated ones.
assert [each["State"]["Name"] for each in ec2.run_instances(**more)["Instances"]] == ["terminated"] * 2
"##,
    );
}

#[test]
fn quotas_and_capacity_are_what_the_knobs_say() {
    let server = Server::start();
    run(
        &server,
        r##"
message = refused("VcpuLimitExceeded", run, InstanceType="m5.12xlarge")
assert message.startswith("You have requested more vCPU capacity than your current vCPU limit of 32 allows"), message
refused("VcpuLimitExceeded", run, InstanceType="g4dn.xlarge")
assert ec2.describe_instances()["Reservations"] == []
"##,
    );
    set_quota(&store(&server), Quota::OnDemandStandard, 5).unwrap();
    set_quota(&store(&server), Quota::SpotStandard, 2).unwrap();
    set_quota(&store(&server), Quota::Gpu, 8).unwrap();
    run(
        &server,
        r##"
# As many as there is room for, from MinCount to MaxCount.
answer = ec2.run_instances(ImageId=IMAGE, InstanceType="t3.micro", MinCount=1, MaxCount=9)
ids = [each["InstanceId"] for each in answer["Instances"]]
assert len(ids) == 2
assert "limit of 5" in refused("VcpuLimitExceeded", run)
spot = {"MarketType": "spot"}
i = run(InstanceMarketOptions=spot)
assert refused("MaxSpotInstanceCountExceeded", run, InstanceMarketOptions=spot) == "Max spot instance count exceeded"
assert "no GPU" in refused("Unsupported", run, InstanceType="g4dn.xlarge")
in_state(ids[0], "running")
ec2.stop_instances(InstanceIds=ids[:1])
in_state(ids[0], "stopped")
j = run()
refused("VcpuLimitExceeded", ec2.start_instances, InstanceIds=ids[:1])
terminate(*ids, i, j)
terminate(run())
"##,
    );
    let tight = Knobs {
        spot_capacity: false,
        on_demand_capacity: false,
        spot_price: Some(0.0374),
        ..Knobs::default()
    };
    knobs(&server, &tight);
    run(
        &server,
        r##"
def spot(price):
    return {"MarketType": "spot", "SpotOptions": {"MaxPrice": price, "SpotInstanceType": "one-time"}}
assert refused("SpotMaxPriceTooLow", run, InstanceMarketOptions=spot("0.001")) == (
    "Your Spot request price of 0.001 is lower than the minimum required Spot request fulfillment price of 0.0374.")
assert refused("InsufficientInstanceCapacity", run, InstanceMarketOptions=spot("0.04")) == (
    "There is no Spot capacity available that matches your request.")
assert "sufficient t3.micro capacity in the Availability Zone you requested (us-east-1b)" in refused(
    "InsufficientInstanceCapacity", run, Placement={"AvailabilityZone": "us-east-1b"})
assert all(i["State"]["Name"] == "terminated" for r in ec2.describe_instances()["Reservations"] for i in r["Instances"])
"##,
    );
    nothing_is_left(&server);
}

#[test]
fn a_spot_instance_is_interrupted_after_its_notice() {
    let server = Server::start();
    knobs(&server, &Knobs { spot_notice_seconds: 3, ..Knobs::default() });
    let spot = r##"
spot = {"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.05"}}
def request(instance):
    return ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[told(instance)["SpotInstanceRequestId"]])["SpotInstanceRequests"][0]
"##;
    let ask = r##"
script = """
token=$(curl -sX PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/api/token)
until curl -sfH "X-aws-ec2-metadata-token: $token" $AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/meta-data/spot/instance-action; do sleep 0.1; done
echo; sleep 300"""
i = run(script, InstanceMarketOptions=spot)
now = request(i)
assert (now["State"], now["Status"]["Code"], now["SpotPrice"], now["InstanceId"]) == ("active", "fulfilled", "0.05", i), now
assert in_state(i, "running")["InstanceLifecycle"] == "spot"
assert "one-time Spot Instance request" in refused("UnsupportedOperation", ec2.stop_instances, InstanceIds=[i])
print(i)
"##;
    let instance = run(&server, &format!("{spot}\n{ask}"));
    assert_eq!(
        interrupt_spot(server.dir.path(), "i-00000000").unwrap_err().kind(),
        std::io::ErrorKind::NotFound
    );
    interrupt_spot(server.dir.path(), instance.trim()).unwrap();
    let after = r##"
until(lambda: request(i)["Status"]["Code"] == "marked-for-termination")
assert told(i)["State"]["Name"] == "running"
end = in_state(i, "terminated")
assert end["StateReason"]["Code"] == "Server.SpotInstanceTermination", end
notice = json.loads(console(i).splitlines()[1])
assert notice["action"] == "terminate" and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", notice["time"]), notice
now = until(lambda: (r := request(i))["State"] == "closed" and r)
assert now["Status"]["Code"] == "instance-terminated-no-capacity", now

# A shutdown ends a spot instance, since it cannot be stopped; a cancelled request lets its instance be.
j = run("shutdown now", InstanceMarketOptions=spot)
in_state(j, "terminated")
until(lambda: request(j)["Status"]["Code"] == "instance-terminated-by-user")
k = run(InstanceMarketOptions=spot)
sir = told(k)["SpotInstanceRequestId"]
assert ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[sir])["CancelledSpotInstanceRequests"][0]["State"] == "cancelled"
assert in_state(k, "running")
terminate(k)
until(lambda: request(k)["Status"]["Code"] == "instance-terminated-by-user")
assert request(k)["State"] == "cancelled"
refused("InvalidSpotInstanceRequestID.NotFound", ec2.cancel_spot_instance_requests, SpotInstanceRequestIds=["sir-1"])
refused("Unsupported", run, InstanceMarketOptions={"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "persistent"}})
refused("InvalidParameterValue", run, InstanceMarketOptions={"MarketType": "spot", "SpotOptions": {"MaxPrice": "-1"}})
"##;
    run(&server, &format!("import re\ni = {:?}\n{spot}\n{after}", instance.trim()));
    nothing_is_left(&server);
}

#[test]
fn what_is_wrong_with_a_launch_is_said_in_ec2s_words() {
    let server = Server::start();
    run(
        &server,
        r##"
image = ssm.get_parameter(Name=IMAGE.removeprefix("resolve:ssm:"))["Parameter"]["Value"]
for code, words, more in [
    ("InvalidAMIID.NotFound", "The image id '[ami-0123456789abcdef0]' does not exist", dict(ImageId="ami-0123456789abcdef0")),
    ("InvalidAMIID.Malformed", 'Invalid id: "ubuntu" (expecting "ami-...")', dict(ImageId="ubuntu")),
    ("InvalidParameterValue", "/aws/service/none", dict(ImageId="resolve:ssm:/aws/service/none")),
    ("InvalidKeyPair.NotFound", "The key pair 'none' does not exist", dict(KeyName="none")),
    ("InvalidGroup.NotFound", "The security group 'sg-0123' does not exist", dict(SecurityGroupIds=["sg-0123"])),
    ("InvalidGroupId.Malformed", "", dict(SecurityGroupIds=["ssh"])),
    ("InvalidGroup.NotFound", "does not exist in default VPC", dict(SecurityGroups=["none"])),
    ("InvalidSubnetID.NotFound", "The subnet ID 'subnet-1' does not exist", dict(SubnetId="subnet-1")),
    ("InvalidParameterValue", "Invalid availability zone: [eu-west-1a]", dict(Placement={"AvailabilityZone": "eu-west-1a"})),
    ("InvalidParameterValue", "Invalid value 'm5.huge' for InstanceType.", dict(InstanceType="m5.huge")),
    ("InvalidParameterValue", "The architecture 'arm64'", dict(InstanceType="m6g.large")),
    ("Unsupported", "currently not supported", dict(InstanceType="x1.16xlarge")),
    ("InvalidParameterValue", "Value (none) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
     dict(IamInstanceProfile={"Name": "none"})),
    ("InvalidParameterValue", "User data is limited to 16384 bytes", dict(UserData="#!/bin/sh\n" + "#" * 16384)),
    ("InvalidParameterValue", "MinCount", dict(MinCount=0)),
    ("InvalidParameterValue", "MaxCount", dict(MinCount=2)),
    ("InvalidBlockDeviceMapping", "smaller than snapshot", dict(BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 1}}])),
    ("InvalidParameterValue", "HttpPutResponseHopLimit", dict(MetadataOptions={"HttpPutResponseHopLimit": 65})),
    ("InvalidParameterValue", "'vpc' is not a valid taggable resource type", dict(TagSpecifications=[{"ResourceType": "vpc", "Tags": []}])),
    ("UnknownOperationException", "RunInstances with LaunchTemplate", dict(LaunchTemplate={"LaunchTemplateName": "x"})),
]:
    message = refused(code, run, **more)
    assert words in message, (message, words)
iam.create_instance_profile(InstanceProfileName="empty")
assert "has no associated IAM Roles" in refused("InvalidParameterValue", run, IamInstanceProfile={"Name": "empty"})
assert refused("InvalidInstanceID.NotFound", ec2.terminate_instances, InstanceIds=["i-0123456789abcdef0"]) == (
    "The instance ID 'i-0123456789abcdef0' does not exist")
refused("InvalidInstanceID.Malformed", ec2.describe_instances, InstanceIds=["web"])
assert "ssh-keygen" in refused("UnknownOperationException", ec2.create_key_pair, KeyName="x")
refused("UnknownOperationException", ec2.create_volume, AvailabilityZone="us-east-1a", Size=1)
assert ec2.describe_instances()["Reservations"] == [], "nothing was launched"
assert refused("DryRunOperation", run, DryRun=True) == "Request would have succeeded, but DryRun flag is set."
stranger = boto3.client("ec2", config=config, aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x")
assert refused("AuthFailure", stranger.describe_vpcs) == "AWS was not able to validate the provided access credentials"
i = run(ImageId=image, BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20}}], MetadataOptions={"HttpTokens": "optional"})
assert told(i)["MetadataOptions"]["HttpTokens"] == "optional"
terminate(i)
"##,
    );
}

#[test]
fn policies_decide_who_launches_what() {
    let server = Server::start();
    run(
        &server,
        r##"
role = profile("s3:*", "*")
iam.create_role(RoleName="limited", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:root"}))
sessions = iter(range(99))
def allow(*statements):
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]}
    iam.put_role_policy(RoleName="limited", PolicyName="p", PolicyDocument=json.dumps(document))
    return as_role("limited", "ec2", str(next(sessions)) + "-")
def launch(client, **more):
    return client.run_instances(ImageId=IMAGE, InstanceType="t3.micro", MinCount=1, MaxCount=1, **more)
anything = {"Action": "ec2:*", "Resource": "*"}
ec2_ = allow({"Action": "s3:*", "Resource": "*"})
assert refused("UnauthorizedOperation", launch, client=ec2_) == (
    "You are not authorized to perform this operation. User: arn:aws:sts::123456789012:assumed-role/limited/0- is not "
    "authorized to perform: ec2:RunInstances on resource: arn:aws:ec2:us-east-1:123456789012:instance/* because no "
    "identity-based policy allows the ec2:RunInstances action")
assert "ec2:DescribeInstances because" in refused("UnauthorizedOperation", ec2_.describe_instances)
assert "iam:PassRole on resource: arn:aws:iam::123456789012:role/trainer" in refused(
    "UnauthorizedOperation", launch, client=allow(anything), IamInstanceProfile=role)
small = {"Action": "ec2:RunInstances", "Resource": "*", "Condition": {"StringEqualsIfExists": {"ec2:InstanceType": "t3.nano"}}}
refused("UnauthorizedOperation", launch, client=allow(small), DryRun=True)
small["Condition"]["StringEqualsIfExists"]["ec2:InstanceType"] = "t3.micro"
refused("DryRunOperation", launch, client=allow(small), DryRun=True)
tagged = [{"ResourceType": "instance", "Tags": [{"Key": "team", "Value": "ml"}]}]
assert "ec2:CreateTags on resource" in refused("UnauthorizedOperation", launch, client=allow(small), TagSpecifications=tagged)
passes = {"Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}}
i = launch(allow(anything, passes), IamInstanceProfile=role, TagSpecifications=tagged)["Instances"][0]["InstanceId"]
own = {"Action": "ec2:TerminateInstances", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "web"}}}
assert f"instance/{i}" in refused("UnauthorizedOperation", allow(own).terminate_instances, InstanceIds=[i])
own["Condition"]["StringEquals"]["aws:ResourceTag/team"] = "ml"
allow(own).terminate_instances(InstanceIds=[i])
in_state(i, "terminated")
reader = as_role("limited", "ssm")
assert "ssm:GetParameter on resource: arn:aws:ssm:us-east-1::parameter/aws/service/x" in refused(
    "AccessDeniedException", reader.get_parameter, Name="/aws/service/x")
refused("ParameterNotFound", ssm.get_parameter, Name="/aws/service/x")
answer = ssm.get_parameters(Names=["/aws/service/x", IMAGE.removeprefix("resolve:ssm:")])
assert answer["InvalidParameters"] == ["/aws/service/x"] and len(answer["Parameters"]) == 1

# A role that does not trust EC2 gives an instance no credentials.
iam.create_role(RoleName="other", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
iam.create_instance_profile(InstanceProfileName="other")
iam.add_role_to_instance_profile(InstanceProfileName="other", RoleName="other")
j = run("for path in info security-credentials/other; do curl -s $AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/meta-data/iam/$path; done; echo done",
        IamInstanceProfile={"Name": "other"}, MetadataOptions={"HttpTokens": "optional"})
said(j, "done")
assert console(j).count("AssumeRoleUnauthorizedAccess") == 2 and "SecretAccessKey" not in console(j), console(j)
terminate(j)
"##,
    );
}

#[test]
fn keys_and_groups_are_kept_as_aws_keeps_them() {
    let server = Server::start();
    run(
        &server,
        r##"
key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOjtahoaqDY59gTRrServZ7ItVcXb+Sqy3+OaUAzUcTi me"
made = ec2.import_key_pair(KeyName="k", PublicKeyMaterial=key, TagSpecifications=[{"ResourceType": "key-pair", "Tags": [{"Key": "a", "Value": "b"}]}])
assert made["KeyFingerprint"] == "l5UhxNXZAZ1nCDKPa5fyemQdxt2WJvOvWLALaiuenwQ=" and made["Tags"] == [{"Key": "a", "Value": "b"}]
assert refused("InvalidKeyPair.Duplicate", ec2.import_key_pair, KeyName="k", PublicKeyMaterial=key) == "The keypair already exists"
assert refused("InvalidKey.Format", ec2.import_key_pair, KeyName="l", PublicKeyMaterial="-----BEGIN") == (
    "Key is not in valid OpenSSH public key format")
[pair] = ec2.describe_key_pairs(KeyNames=["k"], IncludePublicKey=True)["KeyPairs"]
assert (pair["KeyType"], pair["PublicKey"], pair["KeyPairId"]) == ("ed25519", key, made["KeyPairId"])
assert ec2.describe_key_pairs(Filters=[{"Name": "key-name", "Values": ["x*"]}])["KeyPairs"] == []
assert ec2.delete_key_pair(KeyName="k")["KeyPairId"] == made["KeyPairId"]
assert ec2.delete_key_pair(KeyName="k")["Return"] is True, "as on AWS"
assert refused("InvalidKeyPair.NotFound", ec2.describe_key_pairs, KeyNames=["k"]) == "The key pair 'k' does not exist"

[vpc] = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
assert vpc["CidrBlock"] == "172.31.0.0/16"
group = ec2.create_security_group(GroupName="ssh", Description="one address", VpcId=vpc["VpcId"])["GroupId"]
assert refused("InvalidGroup.Duplicate", ec2.create_security_group, GroupName="ssh", Description="x") == (
    f"The security group 'ssh' already exists for VPC '{vpc['VpcId']}'")
refused("InvalidParameterValue", ec2.create_security_group, GroupName="default", Description="x")
refused("InvalidParameterValue", ec2.create_security_group, GroupName="sg-1", Description="x")
refused("InvalidParameterValue", ec2.create_security_group, GroupName="a", Description="é")
refused("InvalidVpcID.NotFound", ec2.create_security_group, GroupName="a", Description="x", VpcId="vpc-1")
ssh = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "203.0.113.7/32", "Description": "me"}]}]
[rule] = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=ssh)["SecurityGroupRules"]
assert (rule["CidrIpv4"], rule["FromPort"], rule["IsEgress"]) == ("203.0.113.7/32", 22, False)
assert refused("InvalidPermission.Duplicate", ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=ssh) == (
    'the specified rule "peer: 203.0.113.7/32, TCP, from port: 22, to port: 22, ALLOW" already exists')
assert refused("InvalidParameterValue", ec2.authorize_security_group_ingress, GroupId=group, IpProtocol="tcp", FromPort=22,
               ToPort=22, CidrIp="203.0.113.7") == "CIDR block 203.0.113.7 is malformed"
ec2.authorize_security_group_ingress(GroupName="ssh", IpProtocol="tcp", FromPort=80, ToPort=81, CidrIp="10.1.2.3/8")
[now] = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
assert now["IpPermissions"][0]["IpRanges"] == [{"CidrIp": "203.0.113.7/32", "Description": "me"}]
assert now["IpPermissions"][1]["IpRanges"] == [{"CidrIp": "10.0.0.0/8"}], "as EC2 makes them canonical"
assert [p["IpProtocol"] for p in now["IpPermissionsEgress"]] == ["-1"]
refused("InvalidPermission.NotFound", ec2.revoke_security_group_egress, GroupId=group, IpPermissions=ssh)
ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
refused("InvalidSecurityGroupRuleId.NotFound", ec2.revoke_security_group_ingress, GroupId=group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
assert sorted(r["IsEgress"] for r in rules) == [False, True]
ec2.revoke_security_group_egress(GroupId=group, IpPermissions=now["IpPermissionsEgress"])
ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}])

i = run(SecurityGroupIds=[group])
assert told(i)["SecurityGroups"] == [{"GroupId": group, "GroupName": "ssh"}]
assert refused("DependencyViolation", ec2.delete_security_group, GroupId=group) == f"resource {group} has a dependent object"
terminate(i)
other = ec2.create_security_group(GroupName="web", Description="x")["GroupId"]
ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}])
refused("DependencyViolation", ec2.delete_security_group, GroupId=group)
ec2.delete_security_group(GroupId=other)
assert ec2.delete_security_group(GroupName="ssh")["GroupId"] == group
assert refused("InvalidGroup.NotFound", ec2.delete_security_group, GroupId=group) == f"The security group '{group}' does not exist"
[default] = ec2.describe_security_groups()["SecurityGroups"]
assert default["GroupName"] == "default" and default["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"] == default["GroupId"]
refused("CannotDelete", ec2.delete_security_group, GroupId=default["GroupId"])
"##,
    );
}

#[test]
fn images_types_and_subnets_are_found() {
    let server = Server::start();
    run(
        &server,
        r##"
def images(**more):
    return ec2.describe_images(**more)["Images"]
[linux] = images(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["al2023-ami-2023.*-x86_64"]}, {"Name": "architecture", "Values": ["x86_64"]}])
assert linux["ImageId"] == ssm.get_parameter(Name=IMAGE.removeprefix("resolve:ssm:"))["Parameter"]["Value"]
assert "this machine" in linux["Description"] and linux["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 8
[deep] = images(Filters=[{"Name": "name", "Values": ["Deep Learning * PyTorch *"]}])
name = "/aws/service/deeplearning/ami/x86_64/oss-nvidia-driver-gpu-pytorch-2.7-amazon-linux-2023/latest/ami-id"
assert deep["ImageId"] == ssm.get_parameter(Name=name)["Parameter"]["Value"]
assert images(ImageIds=[deep["ImageId"]]) == [deep] and images(Owners=["self"]) == []
refused("InvalidAMIID.NotFound", ec2.describe_images, ImageIds=["ami-0123456789abcdef0"])

types = {t["InstanceType"]: t for page in ec2.get_paginator("describe_instance_types").paginate(PaginationConfig={"PageSize": 20})
         for t in page["InstanceTypes"]}
size = lambda t: (t["VCpuInfo"]["DefaultVCpus"], t["MemoryInfo"]["SizeInMiB"])
assert size(types["m5.xlarge"]) == (4, 16384) and size(types["c4.xlarge"]) == (4, 7680) and "p3.2xlarge" in types
assert types["p3.2xlarge"]["GpuInfo"]["Gpus"][0]["Name"] == "V100"
[one] = ec2.describe_instance_types(InstanceTypes=["t2.micro"])["InstanceTypes"]
assert size(one) == (1, 1024) and one["FreeTierEligible"]
big = ec2.describe_instance_types(Filters=[{"Name": "vcpu-info.default-vcpus", "Values": ["96"]}])["InstanceTypes"]
assert big and all(size(t)[0] == 96 for t in big)
assert refused("InvalidInstanceType", ec2.describe_instance_types, InstanceTypes=["m5.huge"]) == (
    "The following supplied instance types do not exist: [m5.huge]")

zones = [z["ZoneName"] for z in ec2.describe_availability_zones()["AvailabilityZones"]]
assert zones == ["us-east-1" + letter for letter in "abcdef"]
subnets = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
assert [s["AvailabilityZone"] for s in subnets] == zones and subnets[1]["CidrBlock"] == "172.31.16.0/20"
assert subnets[0]["AvailabilityZoneId"] == "use1-az1"
i = run(SubnetId=subnets[1]["SubnetId"])
assert told(i)["PrivateIpAddress"] == "172.31.16.4" and told(i)["Placement"]["AvailabilityZone"] == "us-east-1b"
[now] = ec2.describe_subnets(SubnetIds=[subnets[1]["SubnetId"]])["Subnets"]
assert now["AvailableIpAddressCount"] == subnets[1]["AvailableIpAddressCount"] - 1 == 4090
terminate(i)
refused("InvalidSubnetID.NotFound", ec2.describe_subnets, SubnetIds=["subnet-1"])
"##,
    );
}

#[test]
fn a_restarted_cloud_ends_what_ran_and_keeps_what_was_stopped() {
    let server = Server::start();
    let code = r##"
lost, stopped = run("(setsid sleep 4646 &); echo up; sleep 300"), run("echo kept >kept; shutdown now")
in_state(stopped, "stopped")
said(lost, "up")
print(lost, stopped)
"##;
    let ids = run(&server, code);
    let (lost, stopped) = ids.trim().split_once(' ').unwrap();
    let server = server.restart();
    assert_eq!(processes(server.dir.path()), Vec::<String>::new());
    let code = format!(
        r##"
assert in_state("{lost}", "terminated")["StateReason"]["Code"] == "Server.InternalError"
assert told("{stopped}")["State"]["Name"] == "stopped"
assert open(os.environ["HOME"] + "/ec2/{stopped}/root/kept").read() == "kept\n"
ec2.start_instances(InstanceIds=["{stopped}"])
in_state("{stopped}", "running")
terminate("{stopped}")
"##
    );
    run(&server, &code);
    nothing_is_left(&server);
}

#[test]
fn a_killed_cloud_leaves_its_instances_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let first = start(dir.path(), lifecycle::command(dir.path())).unwrap();
    let prelude = include_str!("ec2.py");
    let code = format!(
        "{prelude}\ni = run('(setsid sleep 4747 &); echo up; sleep 4748')\nsaid(i, 'up')\nprint(i, console(i))"
    );
    let told = python(&first.record.endpoint(), &first.keys, dir.path(), &code);
    let id = told.split(' ').next().unwrap();
    first.record.signal(rustix::process::Signal::KILL);
    if told.contains("namespaces of its own\n") {
        // Nobody has to come and look for it.
        wait_for(|| processes(dir.path()).is_empty().then_some(()));
    }
    let second = start(dir.path(), lifecycle::command(dir.path())).unwrap();
    let code = format!(
        "{prelude}\nassert in_state('{}', 'terminated')['StateReason']['Code'] == 'Server.InternalError'",
        id
    );
    python(&second.record.endpoint(), &second.keys, dir.path(), &code);
    assert_eq!((processes(dir.path()), folders(dir.path())), (Vec::new(), 0));
    assert!(stop(dir.path()).unwrap());
}
