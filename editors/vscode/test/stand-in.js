// A stand-in for the modules that only VS Code has: it keeps what the extension does with them.
"use strict";

const Module = require("node:module");

/** Makes `vscode` and the client of the language server stand-ins, and returns what they keep. */
function standIn(settings = {}) {
  const kept = { commands: {}, clients: [], terminals: [], errors: [], saved: 0, watchers: [] };
  const vscode = {
    workspace: {
      getConfiguration: (section) => ({ get: (name) => settings[`${section}.${name}`] }),
      onDidChangeConfiguration: (watcher) => {
        kept.watchers.push(watcher);
        return { dispose() {} };
      },
    },
    commands: {
      registerCommand: (name, command) => {
        kept.commands[name] = command;
        return { dispose: () => delete kept.commands[name] };
      },
    },
    window: {
      activeTextEditor: { document: { save: async () => (kept.saved += 1) } },
      get terminals() {
        return kept.terminals;
      },
      createTerminal: (name) => {
        const terminal = { name, exitStatus: undefined, typed: [], show() {}, sendText: (text) => terminal.typed.push(text) };
        kept.terminals.push(terminal);
        return terminal;
      },
      showErrorMessage: (message) => kept.errors.push(message),
    },
  };
  class LanguageClient {
    constructor(id, name, server, options) {
      Object.assign(this, { id, name, server, options, runs: false });
      kept.clients.push(this);
    }
    async start() {
      if (settings.fails) throw new Error("spawn ENOENT");
      this.runs = true;
    }
    async stop() {
      this.runs = false;
    }
  }
  const load = Module._load;
  Module._load = function (name, ...rest) {
    if (name === "vscode") return vscode;
    if (name === "vscode-languageclient/node") return { LanguageClient };
    return load.call(this, name, ...rest);
  };
  delete require.cache[require.resolve("../extension.js")];
  try {
    return { kept, extension: require("../extension.js") };
  } finally {
    Module._load = load;
  }
}

module.exports = { standIn };
