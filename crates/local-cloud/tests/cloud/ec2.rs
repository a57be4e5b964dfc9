//! EC2 through boto3, with instances whose user data really runs.

use std::path::Path;

use local_cloud::ec2::{Knobs, Quota, interrupt_spot, set_knobs, set_quota};
use local_cloud::lifecycle::{start, stop};
use local_cloud::store::Store;

use crate::{Server, lifecycle, python, wait_for};

pub fn run(server: &Server, code: &str) -> String {
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
put = urllib.request.Request(base + "api/token", method="PUT", headers={{"X-aws-ec2-metadata-token-ttl-seconds": "60"}})
with urllib.request.urlopen(put) as answer:
    token = answer.read().decode()
    seen["ttl"] = answer.headers["X-aws-ec2-metadata-token-ttl-seconds"]
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
assert environment["HOME"].endswith(f"/ec2/{i}/root") and f"/ec2/{i}/bin:" in environment["PATH"], environment
assert seen["ttl"] == "60", "the SDKs need to know"
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
           "sudo -u nobody A=1 sh -c 'echo A=$A'; sudo -i <<<'echo login'; aws s3 cp 'a b' s3://c; mkdir -p ro/x; chmod 500 ro; shutdown -h 5x || echo refused $?; exit 7")
said(ends, "user data ended with exit status 7")
lines = console(ends)
assert lines.count("refused 1") == 4 and "A=1\n" in lines and "login\ntools: cloud aws s3 cp a b s3://c\n" in lines, lines
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
        "(sh -c 'sleep 0.1 &'); pkill cat; sleep 0.5; echo zombies: $(grep -l '^State:.Z' /proc/[0-9]*/status | wc -l); "
        "head -1 /var/log/cloud-init-output.log; echo processes: $(ls -d /proc/[0-9]* | wc -l) of $(ls -A $OPSML_INSTANCE_DIR/../..) $(ls $OPSML_INSTANCE_DIR/..) in $PWD; /sbin/shutdown -h now; sleep 300",
        InstanceInitiatedShutdownBehavior="terminate")
said(i, "[local cloud]")
if console(i).splitlines()[0].endswith("namespaces of its own"):
    in_state(i, "terminated")
    lines = console(i)
    assert lines.count("[local cloud]") == 2, lines
    assert f" of ec2 {i} in " in lines and lines.splitlines()[-1].endswith("/root"), lines
    assert "zombies: 0\n" in lines, lines
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
    knobs(&server, &Knobs { spot_notice_seconds: 5, ..Knobs::default() });
    let nobody = interrupt_spot(server.dir.path(), "i-00000000").unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::NotFound);
    let ready = server.dir.path().join("ready");
    let code = r##"
import re
spot = {"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.05"}}
def request(instance):
    return ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[told(instance)["SpotInstanceRequestId"]])["SpotInstanceRequests"][0]
script = """
token=$(curl -sX PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/api/token)
until curl -sfH "X-aws-ec2-metadata-token: $token" $AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/meta-data/spot/instance-action; do sleep 0.1; done
echo; sleep 300"""
i = run(script, InstanceMarketOptions=spot)
now = request(i)
assert (now["State"], now["Status"]["Code"], now["SpotPrice"], now["InstanceId"]) == ("active", "fulfilled", "0.05", i), now
assert in_state(i, "running")["InstanceLifecycle"] == "spot"
assert "one-time Spot Instance request" in refused("UnsupportedOperation", ec2.stop_instances, InstanceIds=[i])
# The market takes it away now.
with open("READY.new", "w") as file:
    file.write(i)
os.rename("READY.new", "READY")
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
    std::thread::scope(|scope| {
        scope.spawn(|| run(&server, &code.replace("READY", ready.to_str().unwrap())));
        let instance = wait_for(|| std::fs::read_to_string(&ready).ok());
        interrupt_spot(server.dir.path(), &instance).unwrap();
    });
    nothing_is_left(&server);
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
