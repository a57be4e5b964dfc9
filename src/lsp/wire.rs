//! Messages of the protocol on a stream: a header with the length, and JSON. One that can't be read is answered, and the next
//! one is read.

use std::io::{self, BufRead, Read, Write};
use std::sync::mpsc::SyncSender;

use lsp_server::{ErrorCode, Message};
use serde_json::{Value, json};

/// The most bytes of a message: the largest document that is checked, with every character escaped.
const MAX_MESSAGE: u64 = 64 << 20;
/// The most bytes of a line of a header.
const MAX_HEADER: u64 = 4096;

/// What was received.
pub enum Received {
    Message(Message),
    /// What is no message: its id, if it has one, the error's code and why.
    Bad(Value, ErrorCode, String),
}

/// Sends what is received from a stream until the stream ends, or is no longer one of messages.
pub fn receive_all(mut input: impl BufRead, received: &SyncSender<Received>) {
    while let Ok(Some(one)) = receive(&mut input) {
        if received.send(one).is_err() {
            return;
        }
    }
}

/// Returns the next message, or `None` at the end.
fn receive(input: &mut impl BufRead) -> io::Result<Option<Received>> {
    let Some(length) = header(input)? else { return Ok(None) };
    if length > MAX_MESSAGE {
        // It is read and dropped, so that the next message is found.
        let passed = io::copy(&mut input.by_ref().take(length), &mut io::sink())?;
        let why = format!("a message of {length} bytes, and the most is {MAX_MESSAGE}");
        return Ok((passed == length).then_some(Received::Bad(Value::Null, ErrorCode::InvalidRequest, why)));
    }
    let mut body = Vec::new();
    if input.by_ref().take(length).read_to_end(&mut body)? as u64 != length {
        return Ok(None);
    }
    let value: Value = match serde_json::from_slice(&body) {
        Ok(value) => value,
        Err(error) => {
            return Ok(Some(Received::Bad(Value::Null, ErrorCode::ParseError, error.to_string())));
        }
    };
    let id = value.get("id").cloned().unwrap_or_default();
    Ok(Some(match serde_json::from_value(value) {
        Ok(Message::Notification(_)) if !id.is_null() => {
            Received::Bad(id, ErrorCode::InvalidRequest, "an id is an integer of 32 bits, or text".into())
        }
        Ok(message) => Received::Message(message),
        Err(_) => Received::Bad(id, ErrorCode::InvalidRequest, "neither a request nor a notification".into()),
    }))
}

/// Reads a header and returns the length of the message behind it, or `None` at the end.
fn header(input: &mut impl BufRead) -> io::Result<Option<u64>> {
    let mut length = None;
    loop {
        let mut line = Vec::new();
        if input.by_ref().take(MAX_HEADER).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        if !line.ends_with('\n') {
            return Err(io::ErrorKind::InvalidData.into());
        }
        match (line.trim_end(), line.split_once(':')) {
            ("", _) if length.is_some() => return Ok(length),
            // A blank line before a header is none of it.
            ("", _) => {}
            (_, Some((name, value))) if name.eq_ignore_ascii_case("content-length") => {
                length = Some(value.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?);
            }
            _ => {}
        }
    }
}

/// Sends an answer to what is no message.
pub fn refuse(output: &mut dyn Write, id: &Value, code: ErrorCode, why: &str) -> io::Result<()> {
    let text =
        json!({"jsonrpc": "2.0", "id": id, "error": {"code": code as i32, "message": why}}).to_string();
    write!(output, "Content-Length: {}\r\n\r\n{text}", text.len())?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(100);
        receive_all(text.as_bytes(), &sender);
        drop(sender);
        let shown = receiver.iter().map(|one| match one {
            Received::Message(Message::Request(request)) => format!("request {}", request.method),
            Received::Message(Message::Notification(notification)) => format!("note {}", notification.method),
            Received::Message(Message::Response(_)) => "response".to_owned(),
            Received::Bad(id, code, _) => format!("bad {id} {}", code as i32),
        });
        shown.collect()
    }

    fn framed(body: &str) -> String {
        format!("Content-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn what_is_no_message_is_answered_and_the_next_one_is_read() {
        let good = framed(r#"{"jsonrpc":"2.0","id":1,"method":"a"}"#);
        for (bad, shown) in [
            ("{", "bad null -32700"),
            ("", "bad null -32700"),
            ("[]", "bad null -32600"),
            ("1", "bad null -32600"),
            (r#"{"id":7}"#, "bad 7 -32600"),
            (r#"{"id":1.5,"method":"a"}"#, "bad 1.5 -32600"),
            (r#"{"id":99999999999,"method":"a"}"#, "bad 99999999999 -32600"),
            (r#"{"method":"b"}"#, "note b"),
            (r#"{"id":"x","result":null}"#, "response"),
        ] {
            assert_eq!(read(&format!("{}{good}", framed(bad))), [shown, "request a"], "{bad}");
        }
        let deep = format!("{}1", "[".repeat(100_000));
        assert_eq!(read(&format!("{}{good}", framed(&deep))), ["bad null -32700", "request a"]);
    }

    #[test]
    fn a_stream_that_is_not_one_of_messages_ends() {
        let good = framed(r#"{"method":"a"}"#);
        for text in
            ["hello", "Content-Length: -1\r\n\r\n{}", "Content-Length: x\r\n\r\n{}", &"a".repeat(1 << 20)]
        {
            assert_eq!(read(&format!("{good}{text}")), ["note a"], "{}", &text[..5]);
        }
        assert_eq!(read(&format!("{good}Content-Length: 99999999999999\r\n\r\n{{}}")), ["note a"]);
        assert_eq!(
            read(&format!("\r\nX: y\r\ncontent-length:{}\r\n\r\n{}", 14, r#"{"method":"a"}"#)),
            ["note a"]
        );
    }
}
