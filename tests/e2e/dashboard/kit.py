"""The pages of a running stack, and a real Chromium that visits them."""

import contextlib
import dataclasses
import os
import shutil
import struct
import zlib
from collections.abc import Iterator

from playwright import sync_api

from tests.e2e import kit

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PHONE: sync_api.ViewportSize = {"width": 390, "height": 844}
DESK: sync_api.ViewportSize = {"width": 1280, "height": 800}


@dataclasses.dataclass(frozen=True)
class Served:
    """The pages of a running stack."""

    stack: kit.Stack

    @property
    def url(self) -> str:
        """Their address."""
        return self.stack.url

    def login(self) -> str:
        """A one-time login link, as a person gets it."""
        return self.stack.panini("login").stdout.strip()


@contextlib.contextmanager
def chromium() -> Iterator[sync_api.Browser]:
    """A browser: the one that PANINI_CHROMIUM names, else the system's."""
    program = os.environ.get("PANINI_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "no Chromium: `apt-get install chromium`, or name one in PANINI_CHROMIUM"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def drop(page: sync_api.Page, selector: str, files: dict[str, bytes]) -> None:
    """Drop files on an element, as a person drags them from a file manager."""
    given = [{"name": name, "content": list(content)} for name, content in files.items()]
    transfer = page.evaluate_handle(
        """files => {
            const transfer = new DataTransfer()
            for (const file of files) transfer.items.add(new File([new Uint8Array(file.content)], file.name))
            return transfer
        }""",
        given,
    )
    for kind in ("dragenter", "dragover", "drop"):
        page.dispatch_event(selector, kind, {"dataTransfer": transfer})


def throttle(page: sync_api.Page, *, upload: int) -> None:
    """A line that takes `upload` bytes a second."""
    line = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": upload}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", line)


def png(width: int, height: int, shade: int = 128) -> bytes:
    """A grey image."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" + bytes([shade]) * width) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


SIZES = (
    b"import struct\n"
    b"import time\n"
    b"\n"
    b"import panini\n"
    b"\n"
    b"\n"
    b"def load(path):\n"
    b'    print("reading", path)\n'
    b"    time.sleep(1)  # a load that can be watched\n"
    b"    return open(path, 'rb').read()\n"
    b"\n"
    b"\n"
    b"def predict(model, inputs):\n"
    b"    return [size(data) for data in inputs]\n"
    b"\n"
    b"\n"
    b"def size(data):\n"
    b'    if data[:4] != b"\\x89PNG":\n'
    b'        raise panini.InvalidInput("not a PNG image")\n'
    b'    width, height = struct.unpack(">II", data[16:24])\n'
    b'    return {"width": width, "height": height}\n'
)
"""Tells an image's size: a model of bytes without any package."""

READER = {"predict.py": SIZES, "requirements.txt": b"", "reader.pkl": b"weights" * 1000}
