//! The loop of the language server: it answers requests one after the other, and checks what has changed when nothing waits.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, TryRecvError, sync_channel};
use std::time::Duration;

use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response};
use lsp_types::{
    CompletionParams, DidChangeTextDocumentParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams,
    DocumentFormattingParams, DocumentRangeFormattingParams, DocumentSymbolParams, FoldingRangeParams,
    HoverParams, Position, Range, ReferenceParams, RenameParams, TextDocumentPositionParams,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::completion::completion;
use super::diagnostics::diagnostics;
use super::document::{Document, Host};
use super::folding::folding;
use super::format::format;
use super::hover::hover;
use super::lens::lenses;
use super::rename::{definition, prepare, references, rename};
use super::symbols::symbols;
use super::wire::{self, Received};

/// How often the server looks whether a run has written the journal.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// How many messages may wait.
const WAITING: usize = 64;

/// An error of a request: its code and why.
type Refused = (ErrorCode, String);

/// Answers the messages on a stream until the editor ends it. Returns whether it did so in the order of the protocol.
pub fn serve(input: impl BufRead + Send + 'static, output: &mut dyn Write, host: Host) -> io::Result<bool> {
    let (sender, receiver) = sync_channel(WAITING);
    std::thread::spawn(move || wire::receive_all(input, &sender));
    let mut server = Server {
        host,
        output,
        documents: HashMap::new(),
        stage: Stage::New,
        snippets: false,
        refreshes: false,
        asked: 0,
    };
    loop {
        let received = match receiver.try_recv() {
            Err(TryRecvError::Empty) => {
                server.publish()?;
                match receiver.recv_timeout(LOOKS_EVERY) {
                    Err(RecvTimeoutError::Timeout) => {
                        server.look_at_journals()?;
                        continue;
                    }
                    received => received.ok(),
                }
            }
            received => received.ok(),
        };
        match received {
            Some(Received::Message(Message::Notification(note))) if note.method == "exit" => break,
            Some(Received::Message(message)) => server.receive(message)?,
            Some(Received::Bad(id, code, why)) => wire::refuse(server.output, &id, code, &why)?,
            None => break,
        }
    }
    Ok(server.stage == Stage::ShutDown)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Ready,
    ShutDown,
}

struct Open {
    document: Document,
    /// Whether the editor has not yet been sent what is known of this text.
    is_new: bool,
}

struct Server<'a> {
    host: Host,
    output: &'a mut dyn Write,
    documents: HashMap<String, Open>,
    stage: Stage,
    /// Whether the editor knows snippets, and asks for lenses again when the server wants it to.
    snippets: bool,
    refreshes: bool,
    /// How many requests were sent.
    asked: i32,
}

impl Server<'_> {
    fn receive(&mut self, message: Message) -> io::Result<()> {
        match message {
            Message::Request(request) => {
                let response = self.respond(request);
                Message::Response(response).write(&mut self.output)
            }
            Message::Notification(note) => {
                // A text that makes the server fail stays what it was, and the next one is read.
                let _ = catch_unwind(AssertUnwindSafe(|| self.note(note)));
                Ok(())
            }
            // Of what was asked, no answer is needed.
            Message::Response(_) => Ok(()),
        }
    }

    fn respond(&mut self, request: Request) -> Response {
        let Request { id, method, params } = request;
        let answered = catch_unwind(AssertUnwindSafe(|| self.answer(&method, params)));
        match answered {
            Ok(Ok(result)) => Response::new_ok(id, result),
            Ok(Err((code, why))) => Response::new_err(id, code as i32, why),
            Err(_) => {
                let why = format!("`{method}` has met a bug in opsml; please report it");
                Response::new_err(id, ErrorCode::InternalError as i32, why)
            }
        }
    }

    fn answer(&mut self, method: &str, params: Value) -> Result<Value, Refused> {
        match (self.stage, method) {
            (Stage::New, "initialize") => return Ok(self.initialize(&params)),
            (Stage::New, _) => {
                return Err((
                    ErrorCode::ServerNotInitialized,
                    format!("`{method}` came before `initialize`"),
                ));
            }
            (Stage::ShutDown, _) => {
                return Err((ErrorCode::InvalidRequest, format!("`{method}` came after `shutdown`")));
            }
            (Stage::Ready, "initialize") => {
                return Err((ErrorCode::InvalidRequest, "`initialize` came twice".to_owned()));
            }
            (Stage::Ready, "shutdown") => {
                self.stage = Stage::ShutDown;
                return Ok(Value::Null);
            }
            (Stage::Ready, _) => {}
        }
        let host = &self.host;
        match method {
            "textDocument/completion" => {
                let params: CompletionParams = read(params)?;
                let (document, position) = self.at(&params.text_document_position)?;
                answer(completion(document, host, position, self.snippets))
            }
            "textDocument/hover" => {
                let params: HoverParams = read(params)?;
                let (document, position) = self.at(&params.text_document_position_params)?;
                answer(hover(document, host, position))
            }
            "textDocument/definition" => {
                let params: TextDocumentPositionParams = read(params)?;
                let (document, position) = self.at(&params)?;
                answer(definition(document, host, position).map(|range| located(&params, range)))
            }
            "textDocument/references" => {
                let params: ReferenceParams = read(params)?;
                let place = &params.text_document_position;
                let (document, position) = self.at(place)?;
                let found = references(document, host, position, params.context.include_declaration);
                let located = |range| located(place, range);
                answer(found.map(|found| found.into_iter().map(located).collect::<Vec<_>>()))
            }
            "textDocument/documentHighlight" => {
                let params: TextDocumentPositionParams = read(params)?;
                let (document, position) = self.at(&params)?;
                let found = references(document, host, position, true);
                let lit = |range: Range| json!({"range": range});
                answer(found.map(|found| found.into_iter().map(lit).collect::<Vec<_>>()))
            }
            "textDocument/prepareRename" => {
                let params: TextDocumentPositionParams = read(params)?;
                let (document, position) = self.at(&params)?;
                let prepared = prepare(document, host, position);
                answer(prepared.map(|(range, name)| json!({"range": range, "placeholder": name})))
            }
            "textDocument/rename" => {
                let params: RenameParams = read(params)?;
                let place = &params.text_document_position;
                let (document, position) = self.at(place)?;
                let edits = rename(document, host, position, &params.new_name)
                    .map_err(|why| (ErrorCode::RequestFailed, why))?;
                let uri = place.text_document.uri.as_str();
                answer(json!({"changes": {uri: edits}}))
            }
            "textDocument/codeLens" => {
                let params: lsp_types::CodeLensParams = read(params)?;
                answer(lenses(self.document(params.text_document.uri.as_str())?, host))
            }
            "textDocument/foldingRange" => {
                let params: FoldingRangeParams = read(params)?;
                answer(folding(self.document(params.text_document.uri.as_str())?, host))
            }
            "textDocument/documentSymbol" => {
                let params: DocumentSymbolParams = read(params)?;
                answer(symbols(self.document(params.text_document.uri.as_str())?, host))
            }
            "textDocument/formatting" => {
                let params: DocumentFormattingParams = read(params)?;
                answer(format(self.document(params.text_document.uri.as_str())?, host, None))
            }
            "textDocument/rangeFormatting" => {
                let params: DocumentRangeFormattingParams = read(params)?;
                let document = self.document(params.text_document.uri.as_str())?;
                answer(format(document, host, Some(params.range)))
            }
            _ => Err((ErrorCode::MethodNotFound, format!("there is no method `{method}` here"))),
        }
    }

    fn initialize(&mut self, params: &Value) -> Value {
        self.stage = Stage::Ready;
        let can = |path: &str| params.pointer(path) == Some(&Value::Bool(true));
        self.snippets = can("/capabilities/textDocument/completion/completionItem/snippetSupport");
        self.refreshes = can("/capabilities/workspace/codeLens/refreshSupport");
        json!({
            "serverInfo": {"name": "opsml", "version": env!("CARGO_PKG_VERSION")},
            "capabilities": {
                "positionEncoding": "utf-16",
                "textDocumentSync": {"openClose": true, "change": 2},
                "completionProvider": {"triggerCharacters": [".", "{", "|", "(", "\"", "'", " ", "-"]},
                "hoverProvider": true,
                "definitionProvider": true,
                "referencesProvider": true,
                "documentHighlightProvider": true,
                "renameProvider": {"prepareProvider": true},
                "codeLensProvider": {},
                "foldingRangeProvider": true,
                "documentSymbolProvider": true,
                "documentFormattingProvider": true,
                "documentRangeFormattingProvider": true,
            },
        })
    }

    fn document(&self, uri: &str) -> Result<&Document, Refused> {
        let open = self.documents.get(uri);
        open.map(|open| &open.document)
            .ok_or_else(|| (ErrorCode::InvalidParams, format!("`{uri}` is not open")))
    }

    fn at(&self, place: &TextDocumentPositionParams) -> Result<(&Document, Position), Refused> {
        Ok((self.document(place.text_document.uri.as_str())?, place.position))
    }

    /// Reads a notification. What can't be read is passed over, since nothing answers it.
    fn note(&mut self, note: Notification) -> Option<()> {
        if self.stage != Stage::Ready {
            return None;
        }
        match note.method.as_str() {
            "textDocument/didOpen" => {
                let params: DidOpenTextDocumentParams = serde_json::from_value(note.params).ok()?;
                let item = params.text_document;
                let mut document = Document::new(item.uri.as_str(), item.version, item.text);
                document.refresh(&self.host);
                self.documents.insert(item.uri.as_str().to_owned(), Open { document, is_new: true });
            }
            "textDocument/didChange" => {
                let params: DidChangeTextDocumentParams = serde_json::from_value(note.params).ok()?;
                let open = self.documents.get_mut(params.text_document.uri.as_str())?;
                for change in params.content_changes {
                    open.document.change(change.range, change.text);
                }
                open.document.version = params.text_document.version;
                open.is_new = true;
            }
            "textDocument/didClose" => {
                let params: DidCloseTextDocumentParams = serde_json::from_value(note.params).ok()?;
                let uri = params.text_document.uri.as_str();
                self.documents.remove(uri)?;
                // What was said of it is taken back.
                self.tell("textDocument/publishDiagnostics", json!({"uri": uri, "diagnostics": []})).ok()?;
            }
            _ => {}
        }
        Some(())
    }

    /// Sends the problems of the documents that have changed.
    fn publish(&mut self) -> io::Result<()> {
        let new = self.documents.iter_mut();
        let new = new.filter_map(|(uri, open)| std::mem::take(&mut open.is_new).then(|| uri.clone()));
        for uri in new.collect::<Vec<_>>() {
            let Some(open) = self.documents.get(&uri) else { continue };
            let found = catch_unwind(AssertUnwindSafe(|| diagnostics(&open.document, &self.host)));
            let version = open.document.version;
            let params = json!({"uri": uri, "version": version, "diagnostics": found.unwrap_or_default()});
            self.tell("textDocument/publishDiagnostics", params)?;
        }
        Ok(())
    }

    /// Reads the journals that were written meanwhile, and has the editor ask for the lenses again.
    fn look_at_journals(&mut self) -> io::Result<()> {
        let host = &self.host;
        let changed = self.documents.values_mut().filter_map(|open| {
            catch_unwind(AssertUnwindSafe(|| open.document.refresh(host))).ok().filter(|changed| *changed)
        });
        if changed.count() == 0 || !self.refreshes {
            return Ok(());
        }
        self.asked += 1;
        let request = Request {
            id: RequestId::from(self.asked),
            method: "workspace/codeLens/refresh".to_owned(),
            params: Value::Null,
        };
        Message::Request(request).write(&mut self.output)
    }

    fn tell(&mut self, method: &str, params: Value) -> io::Result<()> {
        let note = Notification { method: method.to_owned(), params };
        Message::Notification(note).write(&mut self.output)
    }
}

fn read<T: DeserializeOwned>(params: Value) -> Result<T, Refused> {
    serde_json::from_value(params).map_err(|error| (ErrorCode::InvalidParams, error.to_string()))
}

fn answer(result: impl Serialize) -> Result<Value, Refused> {
    serde_json::to_value(result).map_err(|error| (ErrorCode::InternalError, error.to_string()))
}

fn located(place: &TextDocumentPositionParams, range: Range) -> Value {
    json!({"uri": place.text_document.uri.as_str(), "range": range})
}
