// The grammars, read by the engine that VS Code has for them, inside its own grammars of Markdown and YAML.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");
const oniguruma = require("vscode-oniguruma");
const { INITIAL, Registry, parseRawGrammar } = require("vscode-textmate");

const root = path.join(__dirname, "..");
const contributed = require("../package.json").contributes.grammars;
/** The grammars of other languages, by scope. */
const others = { "text.html.markdown": "markdown", "source.yaml": "yaml" };

async function registry() {
  const wasm = fs.readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm"));
  await oniguruma.loadWASM(wasm);
  return new Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async (scope) => {
      const own = contributed.find((grammar) => grammar.scopeName === scope);
      const file = own ? path.join(root, own.path) : others[scope] && require.resolve(`tm-grammars/grammars/${others[scope]}.json`);
      return file ? parseRawGrammar(fs.readFileSync(file, "utf8"), `${scope}.json`) : null;
    },
    getInjections: (scope) =>
      contributed.filter((grammar) => grammar.injectTo.includes(scope)).map((grammar) => grammar.scopeName),
  });
}

/** Returns a function that says the scopes of the first `part` in a line of a text. */
async function scopesOf(text) {
  const grammar = await (await registry()).loadGrammar("text.html.markdown");
  let state = INITIAL;
  const lines = text.split("\n").map((line) => {
    const read = grammar.tokenizeLine(line, state);
    state = read.ruleStack;
    return { line, tokens: read.tokens };
  });
  return (number, part) => {
    const { line, tokens } = lines[number - 1];
    const at = line.indexOf(part);
    assert.notEqual(at, -1, `no ${part} in ${line}`);
    return tokens.find((token) => token.startIndex <= at && at < token.endIndex).scopes.join(" ");
  };
}

const TEXT = `# Title {{ a.b }}

\`\`\`opsml train
train:
  role: "{{ role.arn | upper }}" # {{ why }}
  instance_count: 2
  open: "{{ never
when: params.x > 1
\`\`\`

prose opsml

~~~opsml  other
bucket: {}
~~~

\`\`\`\`
\`\`\`opsml no
bucket: {}
\`\`\`
\`\`\`\`

\`\`\`opsmlx y
bucket: {}
\`\`\`

prose`;

test("a step's block is YAML with templates", async () => {
  const scopes = await scopesOf(TEXT);
  assert.match(scopes(3, "opsml"), /fenced_code\.block\.language/);
  assert.match(scopes(3, "train"), /entity\.name\.function\.step\.opsml/);
  assert.match(scopes(4, "train"), /meta\.embedded\.block\.opsml.*entity\.name\.tag/);
  assert.match(scopes(5, "role:"), /entity\.name\.tag/);
  assert.match(scopes(5, "{{"), /string\.quoted.*meta\.template\.opsml punctuation\.section\.embedded\.begin/);
  assert.match(scopes(5, "role.arn"), /variable\.other\.readwrite\.opsml/);
  assert.match(scopes(5, "arn"), /variable\.other\.property\.opsml/);
  assert.match(scopes(5, "upper"), /support\.function\.filter\.opsml/);
  assert.match(scopes(5, "}}"), /punctuation\.section\.embedded\.end/);
  // A comment is one, braces or not.
  assert.match(scopes(5, "why"), /comment/);
  assert.doesNotMatch(scopes(5, "why"), /meta\.template/);
  assert.match(scopes(6, "2"), /constant\.numeric/);
  assert.match(scopes(13, "~~~"), /punctuation\.definition\.markdown/);
  assert.match(scopes(13, "other"), /entity\.name\.function\.step\.opsml/);
  assert.match(scopes(14, "bucket"), /meta\.embedded\.block\.opsml/);
});

test("what is open ends with the block", async () => {
  const scopes = await scopesOf(TEXT);
  assert.match(scopes(7, "never"), /meta\.template\.opsml/);
  for (const [line, part] of [[9, "\`\`\`"], [11, "prose"], [15, "~~~"], [27, "prose"]]) {
    assert.doesNotMatch(scopes(line, part), /meta\.embedded|meta\.template|string/, `line ${line}`);
  }
});

test("other blocks and prose are left to Markdown", async () => {
  const scopes = await scopesOf(TEXT);
  for (const [line, part] of [[1, "a.b"], [18, "no"], [19, "bucket"], [24, "bucket"]]) {
    assert.doesNotMatch(scopes(line, part), /opsml/, `line ${line}`);
  }
});
