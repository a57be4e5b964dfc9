//! The states of an instance, and how and why it ends.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The state that an instance is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Pending,
    Running,
    ShuttingDown,
    Terminated,
    Stopping,
    Stopped,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }

    pub fn described(self) -> Value {
        json!({"Code": self.code(), "Name": self.name()})
    }

    pub fn is_terminated(self) -> bool {
        self == Self::Terminated
    }
}

/// Why an instance stopped or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    User,
    Itself,
    Spot,
    Internal,
}

impl Reason {
    pub fn described(self) -> Value {
        let (code, message) = match self {
            Self::User => ("Client.UserInitiatedShutdown", "User initiated shutdown"),
            Self::Itself => ("Client.InstanceInitiatedShutdown", "Instance initiated shutdown"),
            Self::Spot => ("Server.SpotInstanceTermination", "Spot instance termination"),
            Self::Internal => ("Server.InternalError", "The local cloud lost the instance"),
        };
        json!({"Code": code, "Message": format!("{code}: {message}")})
    }
}

/// How a running instance must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Terminate(Reason),
    Stop(Reason),
}

/// What `shutdown` inside an instance does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shutdown {
    Stop,
    Terminate,
}
