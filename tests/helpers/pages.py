"""Pages as a browser shows them."""

import json
import re
import time

LARGEST = 6_000_000
STRANGE = {"network": "</script><script>alert(1)</script>", "layer": "<img src=x onerror=alert(1)>", "inputs": "<b>b</b>&amp;"}


def figures(text):
    """(attributes, what Plotly draws) of all figures of a page."""
    found = re.findall(r'<figure class="plot"([^>]*)>.*?<script type="application/json">(.*?)</script></figure>', text, re.S)
    return [(attributes, json.loads(data)) for attributes, data in found]


def bare(text):
    """A page without its scripts."""
    return re.sub(r"<script.*?</script>", "", text, flags=re.S)


def opened(browser, path):
    """Milliseconds until all figures of a page were drawn."""
    browser.get(path.as_uri())
    return int(until(lambda: browser.execute_script("return document.documentElement.dataset.drawn")))


def until(found, seconds=20):
    """What *found* finds, as soon as it finds something."""
    end = time.monotonic() + seconds
    while not (answer := found()) and time.monotonic() < end:
        time.sleep(0.05)
    assert answer
    return answer


def hover(browser, number, across, down):
    """The text that appears where the pointer rests on figure *number*, at these shares of its axes."""
    from selenium.webdriver import ActionChains

    plane = browser.find_elements("css selector", "figure.plot")[number].find_element("css selector", ".nsewdrag")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", plane)
    size = plane.size
    x, y = ((share - 0.5) * size[side] for share, side in ((across, "width"), (down, "height")))
    for nudge in (3, 0):
        ActionChains(browser).move_to_element_with_offset(plane, int(x) + nudge, int(y)).perform()
    script = "return [...document.querySelectorAll('.hoverlayer .hovertext')].map(e => e.textContent).join('|')"
    return until(lambda: browser.execute_script(script))
