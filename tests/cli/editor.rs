//! An editor that speaks the Language Server Protocol with `opsml lsp`.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::env::Env;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Editor {
    server: Child,
    input: Option<ChildStdin>,
    received: Receiver<Value>,
    /// What was received and not yet looked at.
    kept: VecDeque<Value>,
    folder: PathBuf,
    last: i64,
    version: i64,
}

impl Editor {
    /// Starts the server with these options, and says what the editor can.
    pub fn new(env: &Env, options: &[&str]) -> Self {
        Self::with(env, options, json!({"workspace": {"codeLens": {"refreshSupport": true}}}))
    }

    pub fn with(env: &Env, options: &[&str], capabilities: Value) -> Self {
        let mut editor = Self::started(env, options);
        editor.initialize(capabilities);
        editor
    }

    /// Starts the server and says nothing yet.
    pub fn started(env: &Env, options: &[&str]) -> Self {
        let mut command = env.command(["lsp"]);
        command.args(options).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = command.spawn().unwrap();
        let input = server.stdin.take();
        let mut output = BufReader::new(server.stdout.take().unwrap());
        let (sender, received) = channel();
        std::thread::spawn(move || {
            while let Some(message) = read(&mut output) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let folder = env.work().canonicalize().unwrap();
        Self { server, input, received, kept: VecDeque::new(), folder, last: 0, version: 1 }
    }

    pub fn initialize(&mut self, capabilities: Value) -> Value {
        let answer =
            self.ask("initialize", json!({"processId": null, "rootUri": null, "capabilities": capabilities}));
        self.note("initialized", json!({}));
        answer
    }

    pub fn uri(&self, name: &str) -> String {
        url::Url::from_file_path(self.folder.join(name)).unwrap().to_string()
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(bytes).unwrap();
        input.flush().unwrap();
    }

    /// Sends the body of a message.
    pub fn send(&mut self, body: &str) {
        self.send_bytes(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    }

    pub fn note(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string());
    }

    /// Returns the first message that was received, or comes, and is the one.
    fn wait_for(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.kept.iter().position(&is_it) {
            return self.kept.remove(at).unwrap();
        }
        loop {
            let message =
                self.received.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("waited in vain for {what}"));
            if is_it(&message) {
                return message;
            }
            self.kept.push_back(message);
        }
    }

    /// Sends a request and returns the whole answer.
    pub fn asked_raw(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let id = self.last;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string());
        self.wait_for(method, |message| message["id"] == id && message.get("method").is_none())
    }

    /// Sends a request and returns its result, which must not be an error.
    #[track_caller]
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        let answer = self.asked_raw(method, params);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    pub fn at(&self, name: &str, position: Value) -> Value {
        json!({"textDocument": {"uri": self.uri(name)}, "position": position})
    }

    /// Asks for what is at a position.
    #[track_caller]
    pub fn ask_at(&mut self, method: &str, name: &str, position: Value) -> Value {
        let mut params = self.at(name, position);
        params["context"] = json!({"triggerKind": 1, "includeDeclaration": true});
        self.ask(&format!("textDocument/{method}"), params)
    }

    /// Asks for what is known of a whole document.
    #[track_caller]
    pub fn ask_of(&mut self, method: &str, name: &str) -> Value {
        let params =
            json!({"textDocument": {"uri": self.uri(name)}, "options": {"tabSize": 2, "insertSpaces": true}});
        self.ask(&format!("textDocument/{method}"), params)
    }

    /// Returns the edits of a renaming, or why it was refused.
    #[track_caller]
    pub fn rename(&mut self, name: &str, position: Value, new: &str) -> Result<Value, String> {
        let mut params = self.at(name, position);
        params["newName"] = json!(new);
        let answer = self.asked_raw("textDocument/rename", params);
        match answer.get("error") {
            Some(error) => {
                assert_eq!(error["code"], -32803, "{answer}");
                Err(error["message"].as_str().unwrap().to_owned())
            }
            None => Ok(answer["result"].clone()),
        }
    }

    pub fn open(&mut self, name: &str, text: &str) {
        self.open_at(&self.uri(name), text);
    }

    pub fn open_at(&mut self, uri: &str, text: &str) {
        let item = json!({"uri": uri, "languageId": "markdown", "version": 1, "text": text});
        self.note("textDocument/didOpen", json!({"textDocument": item}));
    }

    pub fn change(&mut self, name: &str, version: i64, changes: Value) {
        let document = json!({"uri": self.uri(name), "version": version});
        self.version = version;
        self.note("textDocument/didChange", json!({"textDocument": document, "contentChanges": changes}));
    }

    /// Replaces all of the text.
    pub fn change_all(&mut self, name: &str, text: &str) {
        self.change(name, self.version + 1, json!([{"text": text}]));
    }

    /// Returns the next problems that are published of a document.
    pub fn published(&mut self, name: &str) -> Value {
        let uri = self.uri(name);
        let is_it = |message: &Value| {
            message["method"] == "textDocument/publishDiagnostics" && message["params"]["uri"] == uri.as_str()
        };
        self.wait_for("diagnostics", is_it)["params"].clone()
    }

    /// Returns the problems that are published of a version of a document.
    pub fn diagnostics(&mut self, name: &str, version: i64) -> Vec<Value> {
        loop {
            let published = self.published(name);
            if published["version"] == version {
                return published["diagnostics"].as_array().unwrap().clone();
            }
        }
    }

    /// Waits until the server has asked for something.
    pub fn asked(&mut self, method: &str) {
        let asked = self.wait_for(method, |message| message["method"] == method);
        self.send(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": null}).to_string());
    }

    /// Returns the answer to what was no message.
    pub fn refused(&mut self) -> Value {
        self.wait_for("a refusal", |message| message.get("error").is_some())
    }

    /// Closes the server's input.
    pub fn hang_up(&mut self) {
        self.input = None;
    }

    pub fn wait(&mut self) -> i32 {
        self.server.wait().unwrap().code().unwrap_or(-1)
    }

    /// Ends the server as the protocol says, and returns its exit code.
    pub fn end(mut self) -> i32 {
        self.ask("shutdown", Value::Null);
        self.note("exit", Value::Null);
        self.wait()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        // An error is ignored: a process that has ended can't be killed.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn read(output: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some(("Content-Length", value)) => length = value.parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    output.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

/// Returns the position in a text of the `^` in a part of it, or in all of it. Columns are in units of UTF-16.
#[track_caller]
pub fn place(text: &str, marked: &str) -> Value {
    let within = marked.find('^').unwrap();
    let part = marked.replacen('^', "", 1);
    let start = text.find(&part).unwrap_or_else(|| panic!("no `{part}`"));
    let before = &text[..start + within];
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap().encode_utf16().count();
    json!({"line": line, "character": column})
}
