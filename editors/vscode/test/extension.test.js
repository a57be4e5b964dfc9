// The extension, with a stand-in for VS Code, and what it starts: the real language server.
"use strict";

const assert = require("node:assert/strict");
const { execFileSync, spawn } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { test } = require("node:test");
const { pathToFileURL } = require("node:url");
const rpc = require("vscode-jsonrpc/node");
const { standIn } = require("./stand-in.js");

const manifest = require("../package.json");
const program = process.env.OPSML;

async function activated(settings) {
  const { kept, extension } = standIn(settings);
  const context = { subscriptions: [] };
  await extension.activate(context);
  return { kept, extension, context };
}

test("it starts the server for Markdown, and stops it", async () => {
  const { kept, extension, context } = await activated({ "opsml.path": "/opt/opsml", "opsml.target": "aws", "opsml.region": "eu-west-1" });
  const [client] = kept.clients;
  assert.deepEqual(client.server, { command: "/opt/opsml", args: ["lsp", "--target", "aws", "--region", "eu-west-1"] });
  assert.deepEqual(client.options.documentSelector.map((one) => one.language), ["markdown", "markdown"]);
  assert.ok(client.runs);
  for (const { command } of manifest.contributes.commands) assert.ok(kept.commands[command], command);
  await extension.deactivate();
  assert.ok(!client.runs);
  context.subscriptions.forEach((one) => one.dispose());
  assert.deepEqual(kept.commands, {});
});

test("another setting starts it again, and it says if it can't", async () => {
  const settings = {};
  const { kept } = await activated(settings);
  assert.deepEqual(kept.clients[0].server, { command: "opsml", args: ["lsp"] });
  settings["opsml.path"] = "/no/such";
  await kept.watchers[0]({ affectsConfiguration: (section) => section === "opsml" });
  assert.equal(kept.clients.length, 2);
  assert.ok(!kept.clients[0].runs && kept.clients[1].runs);
  await kept.watchers[0]({ affectsConfiguration: () => false });
  assert.equal(kept.clients.length, 2);
  settings.fails = true;
  await kept.commands["opsml.restart"]();
  assert.match(kept.errors[0], /`\/no\/such lsp` did not start: spawn ENOENT.*opsml\.path/);
});

test("a lens runs its words in one terminal, after the file is saved", async () => {
  const { kept } = await activated({});
  const run = kept.commands["opsml.terminal"];
  await run(["opsml", "run", "/a b/it's $HOME.md", "--only", "train"]);
  await run(["opsml", "show", "x.md", ""]);
  assert.equal(kept.saved, 2);
  assert.equal(kept.terminals.length, 1);
  assert.deepEqual(kept.terminals[0].typed, ["opsml run '/a b/it'\\''s $HOME.md' --only train", "opsml show x.md ''"]);
  const words = ["/a b/it's $HOME.md", "`x`", "a\\b", "é;&|", ""];
  await run(["printf", "%s\\n", ...words]);
  const said = execFileSync("sh", ["-c", kept.terminals[0].typed[2]], { encoding: "utf8" });
  assert.deepEqual(said.split("\n").slice(0, -1), words);
  kept.terminals[0].exitStatus = { code: 0 };
  await run(["opsml"]);
  assert.equal(kept.terminals.length, 2);
  for (const wrong of [["a\nb"], ["\u001b[A"], "text", [1], undefined]) await assert.rejects(run(wrong));
  assert.equal(kept.terminals[1].typed.length, 1);
});

test("every setting that it reads is declared", () => {
  const source = fs.readFileSync(path.join(__dirname, "../extension.js"), "utf8");
  for (const name of ["path", "target", "region"]) {
    assert.ok(source.includes(`"${name}"`));
    assert.ok(manifest.contributes.configuration.properties[`opsml.${name}`].description);
  }
  for (const file of [manifest.main, ...manifest.contributes.grammars.map((grammar) => grammar.path)]) {
    assert.ok(fs.existsSync(path.join(__dirname, "..", file)), file);
  }
});

test("the server that it starts answers, and its lens runs", { skip: !program && "OPSML names no program" }, async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "opsml-editor-"));
  const file = path.join(folder, "says.md");
  const text = "```opsml say\ncommand:\n  run: [echo, é]\n```\n\n{{ sai.stdout }}\n";
  fs.writeFileSync(file, text);
  const { kept } = await activated({ "opsml.path": program });
  const { command, args } = kept.clients[0].server;
  const server = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => server.on("exit", resolve));
  const connection = rpc.createMessageConnection(
    new rpc.StreamMessageReader(server.stdout),
    new rpc.StreamMessageWriter(server.stdin),
  );
  const published = new Promise((resolve) => connection.onNotification("textDocument/publishDiagnostics", resolve));
  connection.listen();
  const uri = pathToFileURL(file).href;
  const { capabilities } = await connection.sendRequest("initialize", { processId: process.pid, rootUri: null, capabilities: {} });
  assert.equal(capabilities.hoverProvider, true);
  await connection.sendNotification("initialized", {});
  await connection.sendNotification("textDocument/didOpen", { textDocument: { uri, languageId: "markdown", version: 1, text } });
  const { diagnostics } = await published;
  assert.deepEqual(diagnostics.map((one) => one.range.start), [{ line: 5, character: 3 }]);
  const [lens] = await connection.sendRequest("textDocument/codeLens", { textDocument: { uri } });
  await kept.commands[lens.command.command](...lens.command.arguments);
  assert.deepEqual(kept.terminals[0].typed, [`${program} run ${file} --only say`]);
  await connection.sendRequest("shutdown");
  await connection.sendNotification("exit");
  assert.equal(await ended, 0);
  fs.rmSync(folder, { recursive: true });
});
