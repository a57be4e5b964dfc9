//! FilterLogEvents: returns the events of a group's streams that match a pattern of terms.

use rusqlite::params;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{invalid, invalid_token, no_group};
use super::place::Request;
use super::retention;
use super::rows::{Position, has_group};
use crate::call::{AwsError, Reply};

/// The greatest number of events in one answer.
const LIMIT: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    #[serde(default)]
    log_stream_names: Vec<String>,
    #[serde(default)]
    log_stream_name_prefix: String,
    start_time: Option<i64>,
    end_time: Option<i64>,
    #[serde(default)]
    filter_pattern: String,
    next_token: Option<String>,
    limit: Option<usize>,
}

pub fn filter(request: &Request<'_>) -> Reply {
    let group = request.group();
    let input: Filter = request.read()?;
    let limit = input.limit.unwrap_or(LIMIT);
    retention::expire(&request.service.cloud, group)?;
    let pattern = Pattern::parse(&input.filter_pattern)?;
    let after = input.next_token.as_deref().map_or(Ok((-1, 0)), read_token)?;
    let (from, until) = (input.start_time.unwrap_or(0), input.end_time.unwrap_or(i64::MAX));
    let wanted = |stream: &str| {
        stream.starts_with(&input.log_stream_name_prefix)
            && (input.log_stream_names.is_empty() || input.log_stream_names.iter().any(|each| each == stream))
    };
    let (events, next) = request
        .service
        .cloud
        .store
        .transaction(|c| {
            if !has_group(c, group)? {
                return Ok(None);
            }
            let mut statement = c.prepare_cached(
                "SELECT time_ms, id, stream, ingested_ms, message FROM log_event
                 WHERE log_group = ?1 AND time_ms >= ?2 AND time_ms <= ?3 AND (time_ms, id) > (?4, ?5)
                 ORDER BY time_ms, id",
            )?;
            let mut rows = statement.query(params![group, from, until, after.0, after.1])?;
            let mut events: Vec<Value> = Vec::new();
            let (mut last, mut more) = (after, false);
            while let Some(row) = rows.next()? {
                let (time, id, stream): (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let (ingested, message): (i64, String) = (row.get(3)?, row.get(4)?);
                if !wanted(&stream) || !pattern.matches(&message) {
                    continue;
                }
                if events.len() == limit {
                    more = true;
                    break;
                }
                last = (time, id);
                events.push(json!({
                    "logStreamName": stream,
                    "timestamp": time,
                    "message": message,
                    "ingestionTime": ingested,
                    "eventId": format!("{id:056}"),
                }));
            }
            Ok(Some((events, more.then_some(last))))
        })?
        .ok_or_else(no_group)?;
    let mut answer = json!({"events": events, "searchedLogStreams": []});
    if let Some((time, id)) = next {
        answer["nextToken"] = json!(format!("{time}.{id}"));
    }
    Ok(answer)
}

fn read_token(token: &str) -> Result<Position, AwsError> {
    let position = token.split_once('.').and_then(|(time, id)| Some((time.parse().ok()?, id.parse().ok()?)));
    position.ok_or_else(invalid_token)
}

/// A pattern. It matches a message that has all of the terms, at least one of the `?` terms, and none of the `-` terms,
/// with the same upper and lower case.
struct Pattern {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, AwsError> {
        let mut pattern = Self { all: Vec::new(), any: Vec::new(), none: Vec::new() };
        let mut rest = text.trim();
        if rest.starts_with(['{', '[', '%']) {
            return Err(invalid(
                "The local cloud filters by terms only, not by JSON, columns or regular expressions.",
            ));
        }
        while !rest.is_empty() {
            let (list, term) = match rest.strip_prefix(['?', '-']) {
                Some(term) if rest.starts_with('?') => (&mut pattern.any, term),
                Some(term) => (&mut pattern.none, term),
                None => (&mut pattern.all, rest),
            };
            let (word, after) = match term.strip_prefix('"') {
                Some(quoted) => {
                    quoted.split_once('"').ok_or_else(|| invalid("Invalid filter pattern: open quote"))?
                }
                None => term.split_once(char::is_whitespace).unwrap_or((term, "")),
            };
            list.push(word.to_owned());
            rest = after.trim_start();
        }
        Ok(pattern)
    }

    fn matches(&self, message: &str) -> bool {
        let has = |term: &String| message.contains(term.as_str());
        self.all.iter().all(has)
            && (self.any.is_empty() || self.any.iter().any(has))
            && !self.none.iter().any(has)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn patterns_select_by_terms() {
        let matches = |pattern: &str, message: &str| Pattern::parse(pattern).unwrap().matches(message);
        assert!(matches("", "anything"));
        assert!(matches("ERROR disk", "disk: ERROR"));
        assert!(!matches("ERROR disk", "ERROR"));
        assert!(!matches("error", "ERROR"));
        assert!(matches("\"no space\" -test", "no space left"));
        assert!(!matches("\"no space\" -test", "no space left in test"));
        assert!(matches("?a ?b", "b") && !matches("?a ?b", "c"));
        assert!(Pattern::parse("\"open").is_err() && Pattern::parse("{ $.x = 1 }").is_err());
    }
}
