//! The environment variables of the processes that the cloud runs for its users: training jobs, endpoints, functions,
//! user data.
//!
//! A child inherits only PATH, so that it never reaches real AWS: it gets local keys, a home of its own, no shared
//! configuration, and this server as the endpoint of every service.

use std::ffi::OsString;
use std::path::Path;

use crate::authority::Session;
use crate::cloud::Cloud;

/// Returns the variables of a child that acts as `session`'s role and has the home `home`, for
/// `Command::env_clear().envs(…)`. The caller adds the child's own (`SM_*`, …).
pub fn child_env(cloud: &Cloud, home: &Path, session: &Session) -> Vec<(OsString, OsString)> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let mut env =
        vec![(OsString::from("PATH"), path), ("HOME".into(), home.into()), ("TMPDIR".into(), home.into())];
    let text = [
        ("LANG", "C.UTF-8"),
        ("TZ", "UTC"),
        ("AWS_ACCESS_KEY_ID", &session.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &session.secret_access_key),
        ("AWS_SESSION_TOKEN", &session.session_token),
        ("AWS_REGION", &cloud.region),
        ("AWS_DEFAULT_REGION", &cloud.region),
        ("AWS_ENDPOINT_URL", cloud.endpoint()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("NO_PROXY", "127.0.0.1,localhost"),
    ];
    env.extend(text.map(|(name, value)| (name.into(), value.into())));
    env
}

/// Returns the variables of this process by which pip reaches a package index: a proxy, an index of one's own.
pub fn pip_env() -> impl Iterator<Item = (String, String)> {
    let reaches = |name: &str| {
        (name.starts_with("PIP_") && name != "PIP_USER")
            || (name.to_lowercase().ends_with("_proxy") && name != "NO_PROXY")
            || ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"].contains(&name)
    };
    std::env::vars().filter(move |(name, _)| reaches(name))
}
