//! Ctrl-C, and the other signals that ask a verb to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::output;
use crate::exit;

/// Returns a flag that the first Ctrl-C, SIGTERM or SIGHUP sets. The second one ends the process at once.
pub fn watch() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut hangup)) = signals else { return receiver };
    tokio::spawn(async move {
        let mut signal = async || {
            tokio::select! {
                result = tokio::signal::ctrl_c() => result.is_ok(),
                received = terminate.recv() => received.is_some(),
                received = hangup.recv() => received.is_some(),
            }
        };
        if !signal().await {
            return;
        }
        output::complain("stopping after the current call; Ctrl-C again stops at once");
        sender.send_replace(true);
        if signal().await {
            std::process::exit(i32::from(exit::KILLED));
        }
    });
    receiver
}
