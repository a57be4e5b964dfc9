//! The local cloud's state folder is used only if nobody else can have put something there, or have it lead elsewhere.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use crate::env::{Env, Ran};

/// Another user's id.
const OTHER: u32 = 4711;

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

type Prepare = Box<dyn Fn(&Path, &Path)>;

/// A way to make a state folder unsafe.
struct Case {
    name: String,
    /// Prepares `cloud`, the state folder, which may or may not exist. `outside` is a folder that must stay as it is.
    prepare: Prepare,
    /// What the message says.
    cause: &'static str,
}

fn case(name: &str, cause: &'static str, prepare: impl Fn(&Path, &Path) + 'static) -> Case {
    Case { name: name.to_owned(), prepare: Box::new(prepare), cause }
}

fn cases() -> Vec<Case> {
    const LINK: &str = "is a symbolic link";
    const WRITABLE: &str = "can be written by other users";
    let mut cases = vec![
        case("the folder is a link", LINK, |cloud, outside| {
            std::fs::remove_dir_all(cloud).unwrap();
            symlink(outside, cloud).unwrap();
        }),
        case("the folder is a link to a state folder", LINK, |cloud, outside| {
            std::fs::rename(cloud, outside.join("moved")).unwrap();
            symlink(outside.join("moved"), cloud).unwrap();
        }),
        case("the folder is a link to nothing", LINK, |cloud, outside| {
            std::fs::remove_dir_all(cloud).unwrap();
            symlink(outside.join("new"), cloud).unwrap();
        }),
        case("a file has another name", "a hard link", |cloud, outside| {
            std::fs::rename(cloud.join("state.db"), outside.join("state.db")).unwrap();
            std::fs::hard_link(outside.join("state.db"), cloud.join("state.db")).unwrap();
        }),
        case("anybody may write", WRITABLE, |cloud, _| set_mode(cloud, 0o777)),
        case("the group may write", WRITABLE, |cloud, _| set_mode(cloud, 0o770)),
        case("anybody may write a new folder", WRITABLE, |cloud, _| {
            std::fs::remove_dir_all(cloud).unwrap();
            std::fs::create_dir(cloud).unwrap();
            set_mode(cloud, 0o1777);
        }),
        case("anybody may write a file", WRITABLE, |cloud, _| set_mode(&cloud.join("state.db"), 0o666)),
        case("the group may write a folder", WRITABLE, |cloud, _| set_mode(&cloud.join("s3/objects"), 0o770)),
    ];
    for name in
        ["lock", "start.lock", "cloud.json", "port", "cloud.log", "keys.json", "state.db", "state.db-wal"]
    {
        cases.push(case(&format!("{name} is a link"), LINK, move |cloud, outside| {
            let _ = std::fs::remove_file(cloud.join(name));
            symlink(outside.join("file"), cloud.join(name)).unwrap();
        }));
        cases.push(case(&format!("{name} is a link to nothing"), LINK, move |cloud, outside| {
            let _ = std::fs::remove_file(cloud.join(name));
            symlink(outside.join("new"), cloud.join(name)).unwrap();
        }));
    }
    for name in ["s3", "s3/new", "s3/objects", "endpoints", "training-jobs", "lambda", "ec2"] {
        cases.push(case(&format!("{name} is a link"), LINK, move |cloud, outside| {
            let _ = std::fs::remove_dir_all(cloud.join(name));
            symlink(outside, cloud.join(name)).unwrap();
        }));
    }
    cases
}

fn foreign_cases() -> Vec<Case> {
    const FOREIGN: &str = "belongs to user 4711";
    vec![
        case("the folder is another user's", FOREIGN, |cloud, _| chown(cloud, Some(OTHER), None).unwrap()),
        case("a new folder is another user's", FOREIGN, |cloud, _| {
            std::fs::remove_dir_all(cloud).unwrap();
            std::fs::create_dir(cloud).unwrap();
            chown(cloud, Some(OTHER), None).unwrap();
        }),
        case("a file is another user's", FOREIGN, |cloud, _| {
            chown(cloud.join("keys.json"), Some(OTHER), None).unwrap();
        }),
        case("a folder in it is another user's", FOREIGN, |cloud, _| {
            chown(cloud.join("s3"), Some(OTHER), None).unwrap();
        }),
    ]
}

/// Returns everything at and below a path: its name, owner, mode, time of change and content.
fn snapshot(path: &Path) -> Vec<(PathBuf, u32, u32, i64, i64, Vec<u8>)> {
    let Ok(found) = std::fs::symlink_metadata(path) else { return Vec::new() };
    let content = if found.is_file() { std::fs::read(path).unwrap() } else { Vec::new() };
    let mut all =
        vec![(path.to_owned(), found.uid(), found.mode(), found.mtime(), found.mtime_nsec(), content)];
    if found.is_dir() {
        let mut below: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        below.sort();
        all.extend(below.iter().flat_map(|path| snapshot(path)));
    }
    all
}

/// `RELIABILITY 40`.
#[test]
fn an_unsafe_folder_is_refused_and_nothing_outside_is_touched() {
    let env = Env::new();
    env.write("r.md", "```opsml b\nbucket: {}\n```\n");
    // A folder that a server has used.
    env.opsml(["cloud", "start"]).code(0);
    env.opsml(["cloud", "stop"]).code(0);
    let used = env.path("used");
    std::fs::rename(env.cloud(), &used).unwrap();
    assert_eq!(std::fs::metadata(&used).unwrap().mode() & 0o777, 0o700);

    let mut cases = cases();
    let probe = env.write("probe", "");
    match chown(&probe, Some(OTHER), None) {
        Ok(()) => cases.extend(foreign_cases()),
        Err(error) => println!("skipped: the cases of another user's files: chown: {error}"),
    }
    let mut touched = 0;
    for Case { name, prepare, cause } in &cases {
        let outside = env.path("outside");
        std::fs::create_dir_all(outside.join("objects")).unwrap();
        for file in ["file", "objects/other"] {
            std::fs::write(outside.join(file), "not the cloud's").unwrap();
        }
        copy(&used, &env.cloud());
        prepare(&env.cloud(), &outside);
        let before = (snapshot(&outside), snapshot(&env.cloud()));
        for arguments in
            [vec!["cloud", "start"], vec!["cloud", "status"], vec!["cloud", "stop"], vec!["run", "r.md"]]
        {
            let Ran { code, stdout, stderr } = env.opsml(arguments.clone());
            let said = format!("{name}: {arguments:?}:\n{stdout}\n{stderr}");
            assert_eq!(code, 1, "{said}");
            assert!(stderr.contains(&format!("the state folder {}", env.cloud().display())), "{said}");
            assert!(stderr.contains(cause), "{said}");
            assert!(stderr.contains("hint: ") && stderr.contains("OPSML_CLOUD_DIR"), "{said}");
        }
        // What is in the folder isn't changed, either.
        touched += usize::from((snapshot(&outside), snapshot(&env.cloud())) != before);
        assert_eq!(touched, 0, "{name}");
        if std::fs::symlink_metadata(env.cloud()).unwrap().is_symlink() {
            std::fs::remove_file(env.cloud()).unwrap();
        } else {
            std::fs::remove_dir_all(env.cloud()).unwrap();
        }
        std::fs::remove_dir_all(&outside).unwrap();
    }
    println!("RELIABILITY 40: {} folders refused, files touched outside: {touched}", cases.len());
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    set_mode(to, 0o700);
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &to) } else { std::fs::copy(&path, to).map(drop).unwrap() }
    }
}

/// A folder that others may read, but not write, is the user's own: it is closed, and used.
#[test]
fn a_readable_folder_is_closed_and_a_link_above_it_is_followed() {
    let env = Env::new();
    std::fs::create_dir(env.path("real")).unwrap();
    symlink("real", env.path("above")).unwrap();
    let folder = env.path("above/cloud/");
    std::fs::create_dir(&folder).unwrap();
    set_mode(&folder, 0o755);
    for verb in ["start", "status", "stop"] {
        let output = env.command(["cloud", verb]).env("OPSML_CLOUD_DIR", &folder).output().unwrap();
        assert!(output.status.success(), "{verb}: {output:?}");
    }
    assert_eq!(std::fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    assert!(env.path("real/cloud/state.db").exists());
}

/// The files and folders that a server makes are its user's alone, whatever the umask is.
#[test]
fn what_a_server_makes_is_safe_with_any_umask() {
    let env = Env::new();
    let program = env.command(["cloud"]);
    let program = program.get_program().display();
    for verb in ["start", "stop", "start", "stop"] {
        let script = format!("umask 0; exec {program} cloud {verb}");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script]).env_clear().env("PATH", "/usr/bin:/bin");
        let output = command.env("OPSML_CLOUD_DIR", env.cloud()).current_dir(env.work()).output().unwrap();
        assert!(output.status.success(), "{verb}: {output:?}");
    }
}
