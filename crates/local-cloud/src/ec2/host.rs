//! The folder and the processes of an instance, which stand for a machine.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, Command};

use crate::cloud::Cloud;
use crate::folder::private_dir;
use crate::support::process::{INSTANCE_DIR, SPIN_COUNT, WAIT_POLICY};
use crate::support::sandbox::{Kind, Sandbox, quoted};

/// The name of the pipe into which an instance writes that it shuts down.
pub const POWER: &str = "power";
const LOG: &str = "log/cloud-init-output.log";
/// How much EC2 keeps of a console's output.
const CONSOLE_BYTES: u64 = 64 << 10;

/// The programs that [`shadow.sh`](SHADOW) replaces inside an instance.
const SHADOWED: [&str; 11] = [
    "shutdown",
    "poweroff",
    "halt",
    "reboot",
    "systemctl",
    "sudo",
    "apt",
    "apt-get",
    "yum",
    "dnf",
    "amazon-linux-extras",
];
const SHADOW: &str = include_str!("shadow.sh");
const INIT: &str = include_str!("init.sh");

/// Where a machine's programs are.
const PLACES: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// An instance's folder.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Returns the folder of an instance. `dir` is the cloud's folder.
    pub fn of(dir: &Path, instance_id: &str) -> Self {
        Self(dir.join("ec2").join(instance_id))
    }

    pub fn root(&self) -> &Path {
        &self.0
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes the folder, at the first boot.
    pub fn create(&self, tools: Option<&Path>) -> std::io::Result<()> {
        if let Some(parent) = self.0.parent() {
            private_dir(parent)?;
        }
        for name in ["", "bin", "log", "root", "tmp"] {
            private_dir(&self.path(name))?;
        }
        let shadow = SHADOW.replace("@DIR@", &quoted(&self.0).to_string_lossy());
        self.write("shadow", shadow.as_bytes(), 0o700)?;
        for name in SHADOWED {
            symlink("../shadow", self.path("bin").join(name))?;
        }
        if let Some(tools) = tools {
            let aws = format!("#!/bin/sh\nexec {} cloud aws \"$@\"\n", quoted(tools).display());
            self.write("bin/aws", aws.as_bytes(), 0o700)?;
        }
        self.write("init", INIT.as_bytes(), 0o700)?;
        self.write(LOG, b"", 0o600)?;
        mknodat(CWD, self.path(POWER), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        Ok(())
    }

    fn write(&self, name: &str, content: &[u8], mode: u32) -> std::io::Result<()> {
        let path = self.path(name);
        std::fs::write(&path, content)?;
        std::fs::set_permissions(path, Permissions::from_mode(mode))
    }

    /// Adds a line to the console.
    pub fn say(&self, line: &str) -> std::io::Result<()> {
        writeln!(self.log()?, "{line}")
    }

    fn log(&self) -> std::io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(0o600).open(self.path(LOG))
    }

    /// Returns the console's last 64 KiB. Bytes that are no text are replaced.
    pub fn console(&self) -> std::io::Result<String> {
        let mut file = File::open(self.path(LOG))?;
        let from = file.metadata()?.len().saturating_sub(CONSOLE_BYTES);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(CONSOLE_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Opens the pipe into which the instance writes that it shuts down.
    pub fn power(&self) -> std::io::Result<Power> {
        // The pipe is opened for writing too, so that reading never reaches its end.
        let pipe = pipe::OpenOptions::new().read_write(true).open_receiver(self.path(POWER))?;
        Ok(Power { pipe, read: Vec::new() })
    }

    /// Unpacks the user data as cloud-init does. Returns the script to run, if there is one.
    pub fn unpack(&self, user_data: Option<&str>) -> std::io::Result<Option<PathBuf>> {
        let Some(user_data) = user_data else { return Ok(None) };
        // RunInstances has checked that it is base64.
        let bytes = BASE64_STANDARD.decode(user_data).unwrap_or_default();
        if bytes.starts_with(b"#!") {
            let name = "part-001";
            self.write(name, &bytes, 0o700)?;
            return Ok(Some(self.path(name)));
        }
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(20)]).into_owned();
        let what = match &*bytes {
            [] => return Ok(None),
            [0x1f, 0x8b, ..] => "gzip-compressed user data is not supported by the local cloud".to_owned(),
            _ if start.starts_with("Content-Type:") || start.starts_with("MIME-Version:") => {
                "MIME multi-part user data is not supported by the local cloud".to_owned()
            }
            _ if start.starts_with("#cloud-config") || start.starts_with("#include") => {
                "only scripts are supported by the local cloud as user data".to_owned()
            }
            _ => format!("Unhandled non-multipart (text/x-not-multipart) userdata: '{start}...'"),
        };
        self.say(&format!("__init__.py[WARNING]: {what}"))?;
        Ok(None)
    }
}

/// Reads the lines by which an instance announces a shutdown or a reboot.
#[derive(Debug)]
pub struct Power {
    pipe: pipe::Receiver,
    /// The part of a line that has arrived so far.
    read: Vec<u8>,
}

impl Power {
    /// Returns the next line. If the future is dropped before, nothing is lost.
    pub async fn line(&mut self) -> std::io::Result<String> {
        /// Longer than any line that an instance may write.
        const LONGEST: usize = 4096;
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.read.len() > LONGEST {
                self.read.clear();
            }
            self.pipe.read_buf(&mut self.read).await?;
        }
    }
}

/// Returns what an instance sees of the machine. It has its own /var/log. The full paths of the machine's programs lead
/// to their replacements, too. The cloud's folder has the keys, so the instance sees only its own part of it.
fn sandbox(cloud: &Cloud, folder: &Folder) -> Sandbox {
    let mut sandbox = Sandbox::new(Kind::Machine, folder.path("stage"))
        .hide(&cloud.settings.dir)
        .write(folder.root())
        .place(folder.path("log"), "/var/log");
    for name in SHADOWED {
        for place in PLACES.map(|place| Path::new(place).join(name)).into_iter().filter(|it| it.is_file()) {
            sandbox = sandbox.place(folder.path("shadow"), place);
        }
    }
    sandbox
}

/// An instance's first process.
#[derive(Debug)]
pub struct Started {
    pub child: Child,
    /// The instance's standard input. When it is closed, the instance ends.
    _lifeline: Option<ChildStdin>,
}

/// Starts the instance's first process, which runs `script` if there is one.
pub fn boot(
    cloud: &Cloud,
    folder: &Folder,
    metadata_port: u16,
    isolated: bool,
    script: Option<&Path>,
) -> std::io::Result<Started> {
    let kind = if isolated { "isolated" } else { "shared" };
    let mut arguments = vec![folder.path("init").into(), folder.root().into(), kind.into()];
    arguments.extend(script.map(OsString::from));
    let (shell, home) = (Path::new("/bin/sh"), folder.path("root"));
    let env = environment(cloud, folder, metadata_port);
    let mut command = if isolated {
        sandbox(cloud, folder).command(shell, &arguments, &home, env)
    } else {
        let mut command = Command::new(shell);
        command.args(arguments).env_clear().envs(env).current_dir(home);
        command
    };
    let log = folder.log()?;
    command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).process_group(0).kill_on_drop(true);
    let mut child = command.spawn()?;
    let lifeline = child.stdin.take();
    Ok(Started { child, _lifeline: lifeline })
}

/// Returns an instance's environment. It inherits nothing, so that no instance ever reaches real AWS. As on AWS,
/// credentials and the region come only from the metadata service.
fn environment(cloud: &Cloud, folder: &Folder, metadata_port: u16) -> Vec<(OsString, OsString)> {
    let mut path = folder.path("bin").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()));
    let mut env: Vec<(OsString, OsString)> = vec![
        ("PATH".into(), path),
        ("HOME".into(), folder.path("root").into()),
        ("TMPDIR".into(), folder.path("tmp").into()),
        (INSTANCE_DIR.into(), folder.root().into()),
    ];
    let metadata = format!("http://127.0.0.1:{metadata_port}");
    let text = [
        ("LANG", "C.UTF-8"),
        ("TZ", "UTC"),
        ("AWS_ENDPOINT_URL", cloud.endpoint()),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata),
        ("NO_PROXY", "127.0.0.1,localhost"),
        WAIT_POLICY,
        SPIN_COUNT,
    ];
    env.extend(text.map(|(name, value)| (name.into(), value.into())));
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the replacement of a program. Returns what it wrote into the pipe, and whether it succeeded.
    fn said(command: &[&str]) -> (String, bool) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::of(&dir.path().join("it's"), "i-0");
        folder.create(None).unwrap();
        // A file replaces the pipe.
        std::fs::remove_file(folder.path(POWER)).unwrap();
        let shadow = folder.path("bin").join(command[0]);
        let status = std::process::Command::new(shadow)
            .args(&command[1..])
            .env("PATH", format!("{}:/usr/bin:/bin", folder.path("bin").display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        (std::fs::read_to_string(folder.path(POWER)).unwrap_or_default(), status.unwrap().success())
    }

    #[test]
    fn shutdown_is_understood_as_systemd_does() {
        for (command, expected) in [
            (&["shutdown", "-h", "now"][..], "off 0\n"),
            (&["shutdown", "-P", "+120", "dead man"], "off 7200\n"),
            (&["shutdown"], "off 60\n"),
            (&["shutdown", "5"], "off 300\n"),
            (&["shutdown", "-r", "now"], "reboot 0\n"),
            (&["shutdown", "-c"], "cancel\n"),
            (&["shutdown", "-k", "now"], ""),
            (&["poweroff"], "off 0\n"),
            (&["systemctl", "--force", "reboot"], "reboot 0\n"),
            (&["sudo", "-n", "--", "shutdown", "now"], "off 0\n"),
            (&["sudo", "-E", "-u", "root", "A=1", "halt"], "off 0\n"),
        ] {
            assert_eq!(said(command), (expected.to_owned(), true), "{command:?}");
        }
        for command in
            [&["shutdown", "soon"][..], &["shutdown", "+1h"], &["shutdown", "+99999999"], &["sudo"], &["yum"]]
        {
            assert_eq!(said(command), (String::new(), false), "{command:?}");
        }
        let (at, _) = said(&["shutdown", "23:59"]);
        let seconds: u32 = at.trim().strip_prefix("off ").unwrap().parse().unwrap();
        assert!(seconds <= 86_400, "{at}");
    }
}
