"""What `panini up` says: progress, how long each step took, and the words to begin with."""

import asyncio
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Final

from panini.cli import curl
from panini.client import AsyncClient, address
from panini.client import errors as client_errors
from panini.stack import home
from wire import names

READY: Final = "Panini is ready"

EXAMPLE: Final = pathlib.Path(__file__).resolve().parent.parent / "examples" / "iris"
SAMPLE: Final = [5.1, 3.5, 1.4, 0.2]


class Times:
    """How long each step took."""

    def __init__(self, began: float | None) -> None:
        self._steps: list[tuple[str, float]] = []
        self._began = time.monotonic()
        self._last = self._began
        if began is not None:
            self._steps.append(("environment and install", max(time.time() - began, 0.0)))

    def mark(self, step: str) -> None:
        """The step ended now."""
        now = time.monotonic()
        self._steps.append((step, now - self._last))
        self._last = now

    def line(self) -> str:
        """All steps, and their sum."""
        whole = sum(seconds for _, seconds in self._steps)
        parts = " · ".join(f"{step} {seconds:.1f} s" for step, seconds in self._steps)
        return f"{parts} · together {whole:.1f} s"


_said: dict[str, int] = {"tenth": -1}


def progress(there: int, whole: int, fetched: int) -> None:
    """Kafka's jars, as they arrive: a line each tenth, and none where all are there."""
    tenth = there * 10 // whole
    if fetched and tenth != _said["tenth"]:
        _said["tenth"] = tenth
        print(f"fetching Kafka: {there} of {whole} jars, {fetched / 1e6:.0f} MB", flush=True)


async def greet(place: home.Home, url: str, login: Callable[[], str], times: Times, *, example: bool) -> None:
    """Deploy and call the example in an empty home; tell where everything is."""
    key = await asyncio.to_thread(key_of, place)
    async with AsyncClient(url, key) as api:
        models = [model.model for model in await api.models()]
        if example and not models and EXAMPLE.is_dir():
            await _example(api, times)
            models = ["iris"]
    print(f"\n{READY}: {times.line()}\n")
    print(f"  pages   {login()}")
    print("          (signs you in once, within ten minutes; `panini login` makes another)")
    print(f"  API     {url}/v1        (every address: {url}/docs)")
    print(f"  key     {place.key_file}")
    shown = home.noted(place.ports_file).get("environ", {})
    model = "iris" if "iris" in models else (models[0] if models else None)
    topic = names.jobs_topic(names.DEFAULT_ACCOUNT, model or "MODEL")
    print(f"  Kafka   {shown.get('PANINI_KAFKA', 'yours')}   topic {topic}   (`panini status --json` has the login)")
    if model == "iris":
        place_of = address.Address(url=url, key=key, key_file=place.key_file)
        print(f"\n  {curl.line(place_of, 'iris', 'floats', sample=SAMPLE)}")
    print(
        "\n  panini deploy DIR --name NAME     your own model\n  Ctrl-C                            stop\n", flush=True
    )


def key_of(place: home.Home) -> str:
    """The home's API key."""
    return place.key_file.read_text(encoding="ascii").strip()


async def _example(api: AsyncClient, times: Times) -> None:
    print("deploying the example model iris", flush=True)
    try:
        await api.deploy(EXAMPLE, "iris", sample=SAMPLE, on_line=lambda line: print(f"  {line.text}", flush=True))
        times.mark("iris deployed")
        answer = await api.predict("iris", SAMPLE)
        times.mark("first answer")
        print(f"iris says of {SAMPLE}: {answer}", flush=True)
    except client_errors.ClientError as error:
        print(f"the example could not be deployed: {error}", file=sys.stderr, flush=True)
