"""Opens the page of `opsml watch` in Chromium, lets the run go on, and prints what is wrong.

watch.py CHROMIUM URL FILE: the run's second step waits for FILE.
"""

import json, pathlib, sys, tempfile, time

from browser import Browser

chromium, url, file = sys.argv[1:]
SEEN = """JSON.stringify((() => {
  const [frame, state] = ['report', 'state'].map(id => document.getElementById(id));
  const page = frame && frame.contentDocument;
  return {
    state: state ? state.textContent : '',
    text: page && page.body ? page.body.innerText : '',
    folded: page ? [...page.querySelectorAll('details')].map(one => one.open) : [],
  };
})())"""

with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    browser = Browser(chromium, folder)
    try:
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        call = lambda method, **params: browser.call(method, session, **params)
        value = lambda code: json.loads(call("Runtime.evaluate", expression=code)["result"]["value"])
        for domain in ["Page", "Runtime", "Log"]:
            call(f"{domain}.enable")
        call("Page.navigate", url=url)

        def until(what, holds):
            deadline = time.monotonic() + 60
            while not holds(seen := value(SEEN)):
                assert time.monotonic() < deadline, f"waited in vain for {what}: {seen}"
                time.sleep(0.05)
            return seen

        seen = until("the first step", lambda seen: "said by the first" in seen["text"] and "goes on: second" in seen["state"])
        assert "said by the second" not in seen["text"], seen["text"]
        assert seen["folded"], "nothing folds"
        # What the reader does stays: the first part that is folded is unfolded, and the other way round.
        wanted = not seen["folded"][0]
        toggle = f"document.getElementById('report').contentDocument.querySelector('details').open = {json.dumps(wanted)}"
        call("Runtime.evaluate", expression=toggle)
        pathlib.Path(file).touch()
        seen = until("the second step", lambda seen: "said by the second" in seen["text"] and seen["state"] == "run 1: done")
        assert seen["folded"][0] == wanted, seen["folded"]
        for event in browser.events:
            if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                print(json.dumps(event["params"])[:300])
    finally:
        browser.process.kill()
        browser.process.wait()
