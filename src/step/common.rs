//! The keys that any step may have beside the key of its kind, and the durations among their values.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use jiff::SignedDuration;
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest duration that a field may have.
const MAX_DURATION: Duration = Duration::from_secs(30 * 24 * 3600);

/// The keys that any step may have beside the key of its kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Common {
    /// Steps that must be done first, in addition to those that the fields refer to.
    pub needs: Vec<String>,
    /// An expression. If it is false, the step and the steps that use it are skipped.
    pub when: Option<String>,
    /// The longest time that the step may take: `90s`, `20m`, `2h`.
    pub timeout: Option<String>,
    /// How many times a failed step is retried in the same run. The default is 0.
    #[schemars(range(max = 10))]
    pub retry: u32,
    /// Expressions over the step's outputs that must be true.
    pub expect: Vec<String>,
    /// The error code that the step must fail with. The outputs are then the error's code and message.
    pub expect_error: Option<String>,
    /// The caption of its main resource or table in the report. Without one, the cards of its resources fold away.
    pub caption: Option<String>,
    /// Which rows of its resources' facts the report shows: names, `all` or `none`, which hides its listings, too. The other rows
    /// fold away.
    pub show: Option<Show>,
    /// AWS tags for the resources that the step creates.
    pub tags: BTreeMap<String, String>,
    /// Names by which `--only`, `--from`, `--until`, `--skip` and `down` choose the step, as `label:NAME`. They are no AWS tags.
    #[schemars(inner(regex(pattern = r"^[A-Za-z0-9_.-]+$")))]
    pub labels: Vec<String>,
    /// Whether `opsml down` keeps what the step made, and what it needs for that.
    pub keep: bool,
}

impl Common {
    /// Whether the report shows no card and no listing of the step.
    pub fn hides_cards(&self) -> bool {
        self.show == Some(Show::Word(ShowWord::None))
    }

    /// Whether the report shows every row of the step's cards.
    pub fn shows_all_rows(&self) -> bool {
        self.show == Some(Show::Word(ShowWord::All))
    }

    /// Returns the rows that the report shows, if the step chooses them.
    pub fn rows(&self) -> Option<&[String]> {
        match &self.show {
            Some(Show::Rows(rows)) => Some(rows),
            _ => None,
        }
    }
}

/// Which rows of a card are shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Show {
    Word(ShowWord),
    Rows(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ShowWord {
    All,
    None,
}

pub fn common_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| schema_for!(Common).to_value())
}

pub fn common_keys() -> &'static [String] {
    static KEYS: OnceLock<Vec<String>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let schema = common_schema();
        let properties = schema.get("properties").and_then(Value::as_object);
        properties.into_iter().flat_map(|properties| properties.keys().cloned()).collect()
    })
}

/// Reads a duration, as `90s`, `20m` or `1h 30m`: at least a second.
pub fn duration(text: &str) -> Result<Duration, String> {
    let read = text.trim().parse::<SignedDuration>().ok().and_then(|read| Duration::try_from(read).ok());
    read.filter(|read| (Duration::from_secs(1)..=MAX_DURATION).contains(read))
        .ok_or_else(|| wrong(text.trim()))
}

/// Returns what is wrong with a duration, and how what it most likely means is written.
fn wrong(text: &str) -> String {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text[digits.len()..].trim();
    match (digits.parse::<u64>(), unit) {
        (Ok(0), _) => format!("`{text}` is no time: a duration is a second or longer"),
        (Ok(number), "") => format!("`{text}` has no unit: {number}s, {number}m or {number}h"),
        (Ok(days), "d" | "day" | "days") if days <= 30 => {
            format!("`{text}` is in days, and hours are the longest unit: {}h", days * 24)
        }
        (Ok(_), "s" | "m" | "h" | "d" | "day" | "days" | "min" | "minutes" | "hours" | "seconds") => {
            format!("`{text}` is too long: 720h at most")
        }
        _ => format!("`{text}` is not a duration: 90s, 20m, 2h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in
            [("90s", 90), ("20m", 1200), (" 2 h ", 7200), ("1h 30m", 5400), ("720h", 2_592_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "20", "m", "-1s", "0s", "1d", "721h", "500ms", "99999999999999999999h", "é", "1é"]
        {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(duration("10").unwrap_err(), "`10` has no unit: 10s, 10m or 10h");
        assert_eq!(duration("2d").unwrap_err(), "`2d` is in days, and hours are the longest unit: 48h");
        assert_eq!(duration("1000h").unwrap_err(), "`1000h` is too long: 720h at most");
    }
}
