// Keeps the write-up in the frame as new as the journal. The server says when it has changed, and what a run does now.
"use strict";
const frame = document.getElementById("report");
const state = document.getElementById("state");

// Puts the new write-up in the place of the old one. The reader stays where they are, and what they unfolded stays open.
async function refresh() {
  const answer = await fetch("report");
  const text = await answer.text();
  const old = frame.contentDocument;
  if (!old || !old.querySelector("main")) {
    frame.src = "report";
    return;
  }
  const next = new DOMParser().parseFromString(text, "text/html");
  const open = [...old.querySelectorAll("details")].map((one) => one.open);
  next.querySelectorAll("details").forEach((one, index) => {
    if (index < open.length) one.open = open[index];
  });
  old.title = next.title;
  old.body.replaceWith(old.adoptNode(next.body));
}

let busy = Promise.resolve();
const events = new EventSource("events");
events.addEventListener("changed", () => {
  busy = busy.then(refresh).catch((error) => {
    state.textContent = `the write-up can't be fetched: ${error.message}`;
  });
});
events.addEventListener("state", (event) => {
  state.textContent = JSON.parse(event.data);
});
events.onerror = () => {
  state.textContent = "opsml watch has ended; this is the last that it has shown";
};
