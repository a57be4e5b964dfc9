//! The local cloud is killed and started again while a runbook runs on it, and finds its port again, or doesn't.

use std::net::TcpListener;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::env::{Env, cores, wait_for};
use crate::small::{RUNBOOK, small_with};

/// The small runbook, whose endpoint may fetch from the bucket, and a prediction by a URL of an object there.
fn runbook() -> String {
    let deploys = &RUNBOOK[..RUNBOOK.find("```opsml never").unwrap()];
    let from_bucket = "  instance_type: ml.m5.large\n  image_origins: [\"{{ bucket.uri }}\"]\n";
    deploys.replace("  instance_type: ml.m5.large\n", from_bucket)
        + r#"```opsml by_url
predict:
  endpoint: "{{ deploy.endpoint_name }}"
  url: "{{ bucket.uri }}/data/test/dark/0.png"
  classes: "{{ train.classes }}"
```
"#
}

fn status(env: &Env) -> Value {
    serde_json::from_str(&env.opsml(["cloud", "status", "--format", "json"]).code(0).stdout).unwrap()
}

/// Kills the server, and returns the port that it had.
fn kill(env: &Env) -> u16 {
    let status = status(env);
    let number = |name: &str| status["running"][name].as_i64().unwrap();
    let pid = Pid::from_raw(number("pid").try_into().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    wait_for("the server is gone", || status_of(env).contains("not running").then_some(()));
    number("port").try_into().unwrap()
}

/// Takes a port, which the kernel frees a moment after its server has ended.
fn taken(port: u16) -> TcpListener {
    wait_for("the port", || TcpListener::bind(("127.0.0.1", port)).ok())
}

fn status_of(env: &Env) -> String {
    env.opsml(["cloud", "status"]).code(0).stdout
}

/// `RELIABILITY 35`, in part: at the calls that take longest.
#[test]
fn a_runbook_goes_on_after_the_cloud_was_killed() {
    let _cores = cores();
    let env = small_with(&runbook());
    let (mut kills, mut stuck) = (0, 0);
    // Killed under a run, which may end with an error: its job is lost. The next one goes on.
    for created in ["created training job small-", "created endpoint small-"] {
        let mut run = env.start(["run", "small.md"], "killed.txt");
        assert!(run.wait_for(created), "{created}:\n{}", run.said());
        let port = kill(&env);
        env.opsml(["cloud", "start"]).code(0).says(&format!("http://127.0.0.1:{port} "));
        run.wait();
        kills += 1;
    }
    let mut goes_on = |what: &str, arguments: &[&str]| {
        let ran = env.opsml(arguments);
        stuck += usize::from(ran.code != 0);
        assert_eq!(ran.code, 0, "{what}:\n{}\n{}", ran.stdout, ran.stderr);
        let shown = env.opsml(["show", "small.md", "by_url", "--format", "json"]).code(0).stdout;
        assert!(shown.contains("\"class\""), "{what}: {shown}");
    };
    goes_on("after two kills", &["run", "small.md"]);
    let predicts = ["run", "small.md", "--force", "predict", "--force", "by_url"];

    let port = kill(&env);
    kills += 1;
    goes_on("with the same port", &predicts);
    assert_eq!(status(&env)["running"]["port"], port);

    // Another program takes the port meanwhile. Nothing that was deployed has kept the old address.
    kill(&env);
    kills += 1;
    let other = taken(port);
    goes_on("with another port", &predicts);
    assert_ne!(status(&env)["running"]["port"], port);

    kill(&env);
    kills += 1;
    drop(other);
    goes_on("with the first port again", &predicts);
    assert_eq!(status(&env)["running"]["port"], port);
    println!("RELIABILITY 35: {kills} kills, stuck: {stuck}");
}

#[test]
fn a_port_is_asked_for_kept_and_shown() {
    let env = Env::new();
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    let asked = port.to_string();
    env.opsml(["cloud", "start", "--port", "0"]).code(2);
    env.opsml(["cloud", "start", "--port", &asked])
        .code(1)
        .complains(&format!("another program has port {port}"));
    env.opsml(["cloud", "status"]).code(0).says("not running");
    assert_eq!(status(&env)["kept_port"], Value::Null);

    drop(free);
    env.opsml(["cloud", "start", "--port", &asked])
        .code(0)
        .says(&format!("local cloud at http://127.0.0.1:{port} "));
    env.opsml(["cloud", "status"]).code(0).says(&format!("port {port}, which it keeps"));
    env.opsml(["cloud", "start", "--port", "1"]).code(1).complains("opsml cloud stop");
    env.opsml(["cloud", "stop"]).code(0);
    env.opsml(["cloud", "status"]).code(0).says("not running").says(&format!("port {port}, which it keeps"));

    let taken = taken(port);
    let started = env.opsml(["cloud", "start"]).code(0);
    let now = status(&env)["running"]["port"].as_u64().unwrap();
    assert_ne!(now, u64::from(port));
    let warning = format!("another program has port {port}, which the local cloud keeps");
    let started = started.says(&format!("local cloud at http://127.0.0.1:{now} ")).complains(&warning);
    started.complains(&format!("it listens at port {now}"));
    env.opsml(["cloud", "env"])
        .code(0)
        .says(&format!("AWS_ENDPOINT_URL=http://127.0.0.1:{now}\n"))
        .complains(&warning);
    env.opsml(["cloud", "status"]).code(0).says(&format!("port {now} until its next start")).says(&asked);
    assert_eq!(status(&env)["kept_port"], port);
    env.opsml(["cloud", "stop"]).code(0);

    drop(taken);
    env.opsml(["cloud", "start"]).code(0).says(&format!("http://127.0.0.1:{port} "));
}
