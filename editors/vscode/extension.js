// The extension: it starts `opsml lsp` for Markdown, and runs what the lenses name in a terminal.
"use strict";

const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

/** @type {LanguageClient | undefined} */
let client;

/** Returns the program and its arguments, by the settings. */
function server() {
  const settings = vscode.workspace.getConfiguration("opsml");
  const args = ["lsp"];
  for (const name of ["target", "region"]) {
    const value = settings.get(name);
    if (value) args.push(`--${name}`, value);
  }
  return { command: settings.get("path") || "opsml", args };
}

/** Returns a word as a POSIX shell reads it back. */
function quoted(word) {
  return /^[A-Za-z0-9_\-./=:,@%+]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Runs a command, given as its words, in the terminal named opsml. */
async function runInTerminal(words) {
  // A line break or another control character would be typed into the terminal as a key.
  if (!Array.isArray(words) || !words.every((word) => typeof word === "string" && !/[\u0000-\u001f\u007f]/.test(word))) {
    throw new Error("opsml: this is no command");
  }
  // A run reads the file.
  await vscode.window.activeTextEditor?.document.save();
  const open = vscode.window.terminals.find((one) => one.name === "opsml" && one.exitStatus === undefined);
  const terminal = open ?? vscode.window.createTerminal("opsml");
  terminal.show(true);
  terminal.sendText(words.map(quoted).join(" "));
}

async function start() {
  const { command, args } = server();
  client = new LanguageClient("opsml", "opsml", { command, args }, {
    documentSelector: [{ scheme: "file", language: "markdown" }, { scheme: "untitled", language: "markdown" }],
  });
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    vscode.window.showErrorMessage(
      `\`${command} lsp\` did not start: ${error.message}. The setting opsml.path names the program.`,
    );
  }
}

async function stop() {
  const old = client;
  client = undefined;
  await old?.stop();
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("opsml.terminal", runInTerminal),
    vscode.commands.registerCommand("opsml.restart", async () => {
      await stop();
      await start();
    }),
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (event.affectsConfiguration("opsml")) {
        await stop();
        await start();
      }
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
