//! EC2 through boto3, with instances whose user data really runs.

use std::path::Path;

use local_cloud::ec2::{Knobs, Quota, interrupt_spot, set_knobs, set_quota};
use local_cloud::lifecycle::{start, stop};
use local_cloud::store::Store;

use crate::{Server, lifecycle, python, wait_for};

pub fn run(server: &Server, code: &str) -> String {
    run_with(server, code, &[])
}

fn run_with(server: &Server, code: &str, arguments: &[&str]) -> String {
    server.python_with(&format!("{}\n{code}", include_str!("ec2.py")), arguments)
}

/// Opens the state file, as another process would.
fn store(server: &Server) -> Store {
    Store::open(&server.dir.path().join("state.db")).unwrap()
}

fn knobs(server: &Server, knobs: &Knobs) {
    set_knobs(&store(server), knobs).unwrap();
}

/// Returns the command lines of the processes that belong to an instance of the cloud in `dir`.
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

const WORK: &str = include_str!("ec2/work.py");

#[test]
fn an_instance_works_with_its_role_and_ends_itself() {
    let dir = tempfile::tempdir().unwrap();
    // Developers' machines have such variables. None of them may reach the instance.
    let mut command = lifecycle::command(dir.path());
    command.env("AWS_ACCESS_KEY_ID", "CANARY").env("AWS_SECRET_ACCESS_KEY", "CANARY");
    command.env("AWS_PROFILE", "production").env("CANARY", "1");
    let running = start(dir.path(), None, command).unwrap();
    let code = include_str!("ec2/ends_itself.py");
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
        run(&server, include_str!("ec2/user_data.py"));
        nothing_is_left(&server);
    }
    // With namespaces, the machine's programs can't be reached even by their full paths, and the instance has its own
    // /var/log.
    knobs(&server, &Knobs::default());
    let log = Path::new("/var/log").join(server.dir.path().file_name().unwrap());
    run_with(&server, include_str!("ec2/namespaces.py"), &[log.to_str().unwrap()]);
    assert!(!log.exists());
}

#[test]
fn an_instance_stops_and_starts_and_reboots() {
    let server = Server::start();
    run(&server, include_str!("ec2/stop_start_reboot.py"));
}

#[test]
fn one_client_token_is_one_launch() {
    let server = Server::start();
    run(&server, include_str!("ec2/client_token.py"));
}

#[test]
fn quotas_and_capacity_are_what_the_knobs_say() {
    let server = Server::start();
    run(&server, include_str!("ec2/default_quotas.py"));
    set_quota(&store(&server), Quota::OnDemandStandard, 5).unwrap();
    set_quota(&store(&server), Quota::SpotStandard, 2).unwrap();
    set_quota(&store(&server), Quota::Gpu, 8).unwrap();
    run(&server, include_str!("ec2/quotas.py"));
    let tight = Knobs {
        spot_capacity: false,
        on_demand_capacity: false,
        spot_price: Some(0.0374),
        ..Knobs::default()
    };
    knobs(&server, &tight);
    run(&server, include_str!("ec2/capacity.py"));
    nothing_is_left(&server);
}

#[test]
fn a_spot_instance_is_interrupted_after_its_notice() {
    let server = Server::start();
    knobs(&server, &Knobs { spot_notice_seconds: 5, ..Knobs::default() });
    let nobody = interrupt_spot(server.dir.path(), "i-00000000").unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::NotFound);
    let ready = server.dir.path().join("ready");
    std::thread::scope(|scope| {
        scope.spawn(|| run_with(&server, include_str!("ec2/spot.py"), &[ready.to_str().unwrap()]));
        let instance = wait_for(|| std::fs::read_to_string(&ready).ok());
        interrupt_spot(server.dir.path(), &instance).unwrap();
    });
    nothing_is_left(&server);
}

#[test]
fn a_restarted_cloud_ends_what_ran_and_keeps_what_was_stopped() {
    let server = Server::start();
    let ids = run(&server, include_str!("ec2/before_restart.py"));
    let ids: Vec<_> = ids.split_whitespace().collect();
    let server = server.restart();
    assert_eq!(processes(server.dir.path()), Vec::<String>::new());
    run_with(&server, include_str!("ec2/after_restart.py"), &ids);
    nothing_is_left(&server);
}

#[test]
fn a_killed_cloud_leaves_its_instances_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let first = start(dir.path(), None, lifecycle::command(dir.path())).unwrap();
    let prelude = include_str!("ec2.py");
    let code = format!(
        "{prelude}\ni = run('(setsid sleep 4747 &); echo up; sleep 4748')\nsaid(i, 'up')\nprint(i, console(i))"
    );
    let printed = python(&first.record.endpoint(), &first.keys, dir.path(), &code);
    let id = printed.split(' ').next().unwrap();
    first.record.signal(rustix::process::Signal::KILL);
    if printed.contains("namespaces of its own\n") {
        // The processes end by themselves, with the server.
        wait_for(|| processes(dir.path()).is_empty().then_some(()));
    }
    let second = start(dir.path(), None, lifecycle::command(dir.path())).unwrap();
    let code = format!(
        "{prelude}\nassert in_state('{}', 'terminated')['StateReason']['Code'] == 'Server.InternalError'",
        id
    );
    python(&second.record.endpoint(), &second.keys, dir.path(), &code);
    assert_eq!((processes(dir.path()), folders(dir.path())), (Vec::new(), 0));
    assert!(stop(dir.path()).unwrap());
}
