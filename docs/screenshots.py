"""Pictures of every page, in light, dark and phone size: `python -m docs.screenshots [FOLDER]` (`make screenshots`).

Starts a local stack of its own in a temporary folder, deploys small models, sends them jobs, and visits the pages with
the system's Chromium. What is seen is real: nothing is drawn that the stack did not do.
"""  # noqa: INP001 - docs/ is no package, it is run with `-m`

import functools
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, Final

from playwright import sync_api

from tests.e2e import kit as stacks
from tests.e2e.dashboard import kit

FOLDER: Final = pathlib.Path("docs/screenshots")
LOOKS: Final[dict[str, dict[str, Any]]] = {
    "light": {"viewport": kit.DESK, "color_scheme": "light"},
    "dark": {"viewport": kit.DESK, "color_scheme": "dark"},
    "phone": {"viewport": kit.PHONE, "color_scheme": "light", "device_scale_factor": 1.5, "has_touch": True},
}
FLOWERS: Final = b'''"""Which iris it is, from four measures in centimetres."""


def load(path):
    print("reading", path)
    return [tuple(map(float, line.split(","))) for line in open(path)]


def predict(model, inputs):
    return [nearest(model, flower) for flower in inputs]


def nearest(model, flower):
    apart = [sum((a - b) ** 2 for a, b in zip(flower, kind)) for kind in model]
    kinds = ["setosa", "versicolor", "virginica"]
    return {"kind": kinds[apart.index(min(apart))], "distance": round(min(apart) ** 0.5, 3)}
'''
IRIS: Final = {
    "predict.py": FLOWERS,
    "requirements.txt": b"",
    "iris.pkl": b"5.0,3.4,1.5,0.2\n5.9,2.8,4.3,1.3\n6.6,3.0,5.6,2.0\n",
}
BROKEN: Final = {
    "predict.py": b"import joblib\n\n\ndef load(path):\n    return joblib.load(path)\n\n\ndef predict(model, inputs):\n"
    b"    return [model(x) for x in inputs]\n",
    "requirements.txt": b"",
    "prices.joblib": b"not really",
}


def main() -> None:
    """Take every picture."""
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as root, kit.chromium() as browser:
        stack = stacks.Stack(pathlib.Path(root))
        try:
            take(stack.start(), browser, folder)
            stack.stop()
        finally:
            stack.end()


def take(stack: stacks.Stack, browser: sync_api.Browser, folder: pathlib.Path) -> None:
    """The empty account, a deploy as it goes, and then a lived-in one."""
    served = kit.Served(stack)
    visitors = {look: visitor(served, browser, words) for look, words in LOOKS.items()}

    def shoot(name: str, go: Callable[[sync_api.Page], object]) -> None:
        for look, page in visitors.items():
            go(page)
            whole(page, LOOKS[look]["viewport"])
            page.screenshot(path=folder / f"{name}-{look}.png")
            page.set_viewport_size(LOOKS[look]["viewport"])
        sys.stdout.write(f"{name}\n")

    shoot("models-empty", lambda page: page.goto(served.url))
    shoot("deploy", lambda page: filled(page, served, kit.READER))
    shoot("deploy-upload", slowly)
    for page in visitors.values():
        kit.throttle(page, upload=-1)
        page.goto(served.url)
    for name, path in lived_in(stack):
        shoot(name, functools.partial(settled, url=served.url + path))
    shoot("model-try-answer", lambda page: answered(page, served))
    shoot("keys-new", lambda page: key_made(page, served))


def whole(page: sync_api.Page, least: dict[str, Any]) -> None:
    """Make the window as high as the page, so that what sticks to its edges does so in the picture, too."""
    page.mouse.move(0, 0)
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": least["width"], "height": max(height, least["height"])})


def visitor(served: kit.Served, browser: sync_api.Browser, words: dict[str, Any]) -> sync_api.Page:
    """A page that is signed in."""
    page = browser.new_context(**words).new_page()
    page.goto(served.login())
    page.wait_for_url(f"{served.url}/")
    return page


def settled(page: sync_api.Page, url: str) -> None:
    """The page, its stream open where it has one."""
    page.goto(url)
    if page.locator("[sse-connect]").count():
        page.locator("[data-conn]:not([hidden])").wait_for()


def filled(page: sync_api.Page, served: kit.Served, files: dict[str, bytes]) -> None:
    """The deploy form with files in it."""
    page.goto(served.url)
    kit.drop(page, "[data-hero] [data-drop]", files)
    page.get_by_text("What we found").wait_for()
    page.get_by_label("Name").fill("size-reader")
    page.locator("[data-files] li").first.wait_for()


def slowly(page: sync_api.Page) -> None:
    """An upload in its middle, over a slow line."""
    large = sync_api.FilePayload(name="reader.pkl", mimeType="application/octet-stream", buffer=bytes(4_000_000))
    page.locator("[data-deploying] input[type=file]").set_input_files(large)
    kit.throttle(page, upload=1_000_000)
    page.get_by_role("button", name="Deploy version").click()
    stacks.until(lambda: page.evaluate("document.querySelector('[data-up-meter]').value > 20"), "it is under way")


def lived_in(stack: stacks.Stack) -> Iterator[tuple[str, str]]:
    """Pages, each as soon as there is something to see."""
    stack.upload(kit.READER, "size-reader", input="bytes")
    yield "building", "/models/size-reader/versions/1"
    with stack.client() as client:
        stack.deploy(IRIS, name="iris", input="floats")
        stack.deploy(IRIS | {"notes.txt": b"rounder"}, name="iris", input="floats")
        stack.upload(BROKEN, "price-forecast", input="doubles")
        for place in range(12):
            client.submit("iris", [5.0 + place / 10, 3.4, 1.5 + place / 3, 0.2], wait=10)
        good = client.submit("iris", [6.1, 2.9, 4.7, 1.4], wait=20, metadata={"shelf": "B12"})
        bad = client.submit("size-reader", b"no image", wait=20)
    yield "models", "/"
    yield "deploy-done", "/models/iris/versions/2"
    yield "deploy-failed", "/models/price-forecast/versions/1"
    yield "model", "/models/iris"
    yield "model-try", "/models/size-reader/try"
    yield "model-jobs", "/models/iris/jobs"
    yield "model-versions", "/models/iris/versions"
    yield "model-logs", "/models/size-reader/logs"
    yield "model-settings", "/models/iris/settings"
    yield "jobs", "/jobs"
    yield "job", f"/jobs/{good.id}"
    yield "job-failed", f"/jobs/{bad.id}"
    yield "keys", "/keys"
    yield "deploy-next", "/deploy?model=iris"
    yield "not-found", "/models/nothing-here"


def answered(page: sync_api.Page, served: kit.Served) -> None:
    """`Try it` with its answer."""
    page.goto(f"{served.url}/models/size-reader/try")
    image = sync_api.FilePayload(name="seven.png", mimeType="image/png", buffer=kit.png(28, 28, 200))
    page.locator("[data-try-file]").set_input_files(image)
    page.get_by_role("button", name="Run").click()
    page.locator("#result .code").wait_for()
    page.wait_for_timeout(300)


def key_made(page: sync_api.Page, served: kit.Served) -> None:
    """A key, shown once."""
    page.goto(f"{served.url}/keys")
    page.get_by_label("What is it for?").fill("nightly pipeline")
    page.get_by_role("button", name="Make a key").click()
    page.locator(".copy--once").wait_for()


if __name__ == "__main__":
    main()
