"""Opens pages in Chromium, and prints what is wrong with each, one line for each problem.

look.py CHROMIUM PAGE...
"""

import json, sys, tempfile

from browser import Browser

WIDTHS = [1280, 360]
# What reaches out of the window, but for what scrolls inside of something narrower.
WIDE = """(() => {
  const width = document.documentElement.clientWidth;
  const scrolls = e => e && (['auto', 'scroll', 'hidden'].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
  const wide = [...document.querySelectorAll('body *')].filter(e => {
    const box = e.getBoundingClientRect();
    return box.width > 0 && box.right > width + 1 && !scrolls(e.parentElement) && !e.closest('svg');
  });
  const name = e => e.tagName + '.' + e.className + ': ' + e.textContent.trim().slice(0, 60);
  return JSON.stringify({
    width, page: document.documentElement.scrollWidth, wide: wide.slice(0, 3).map(name),
    text: document.body.innerText.length, ground: getComputedStyle(document.body).backgroundColor,
  });
})()"""
# What is cut off on paper, where nothing scrolls.
CUT = """(() => {
  const cut = [...document.querySelectorAll('pre, .wide, .chart, table')].filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0);
  return JSON.stringify(cut.slice(0, 3).map(e => e.tagName + '.' + e.className + ': ' + e.textContent.trim().slice(0, 60)));
})()"""


def look(browser, page):
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    call = lambda method, **params: browser.call(method, session, **params)
    value = lambda code: json.loads(call("Runtime.evaluate", expression=code)["result"]["value"])
    for domain in ["Page", "Runtime", "Log", "Network"]:
        call(f"{domain}.enable")
    grounds = set()
    for width in WIDTHS:
        for scheme in ["light", "dark"]:
            browser.events.clear()
            call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
            call("Emulation.setEmulatedMedia", media="screen", features=[{"name": "prefers-color-scheme", "value": scheme}])
            call("Page.navigate", url="file://" + page)
            browser.wait("Page.loadEventFired")
            seen = value(WIDE)
            grounds.add((scheme, seen["ground"]))
            place = f"{page}, {width} px, {scheme}"
            if seen["page"] > seen["width"] or seen["wide"]:
                yield f"{place}: {seen['page']} px wide: {seen['wide']}"
            if seen["text"] < 200:
                yield f"{place}: only {seen['text']} characters"
            for event in browser.events:
                if event.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
                    yield f"{place}: {json.dumps(event['params'])[:300]}"
                url = event.get("params", {}).get("request", {}).get("url", "")
                if url and not url.startswith(("file://", "data:")):
                    yield f"{place}: fetches {url[:100]}"
    if len(grounds) != 2 or len({ground for _, ground in grounds}) != 2:
        yield f"{page}: light and dark look alike: {sorted(grounds)}"
    # A4 with Chromium's margins, in CSS pixels.
    call("Emulation.setDeviceMetricsOverride", width=718, height=1000, deviceScaleFactor=1, mobile=False)
    call("Emulation.setEmulatedMedia", media="print", features=[])
    for cut in value(CUT):
        yield f"{page}, printed: cut off: {cut}"
    printed = call("Page.printToPDF", printBackground=True)["data"]
    if len(printed) < 5000:
        yield f"{page}: printed, it has only {len(printed)} bytes"
    browser.call("Target.closeTarget", targetId=target)


with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    browser = Browser(sys.argv[1], folder)
    try:
        for page in sys.argv[2:]:
            for problem in look(browser, page):
                print(problem)
    finally:
        browser.process.kill()
        browser.process.wait()
