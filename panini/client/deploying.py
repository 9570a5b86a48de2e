"""The upload of a folder as a request: where it goes, with which words, and how far it is. No I/O but the files'."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypedDict

from panini.client import bundle, exchange, records, values

Progress = Callable[[int, int], None]
"""Called with the bytes sent so far and the bytes of the whole."""


class Words(TypedDict, total=False):
    """What may be said of a version besides folder and model. The folder's panini.toml wins over it."""

    framework: str | None  # pytorch, python or fastai: which hints the log gives
    input: str | None  # what one input is: bytes, ints, floats, doubles, strings or json
    sample: Any  # one example input, run as the deploy's check; bytes for an input of bytes
    on_progress: Progress | None  # called while the folder is sent


@dataclasses.dataclass(frozen=True, kw_only=True)
class Upload:
    """One upload to be sent."""

    request: exchange.Request
    archive: bundle.Archive
    on_progress: Progress | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The request's headers, with the length, which is known before a byte is read."""
        return dict(self.request.headers) | {"Content-Length": str(self.archive.length)}

    def __iter__(self) -> Iterator[bytes]:
        """The body, reporting on the way."""
        total, sent = self.archive.length, 0
        for piece in self.archive:
            yield piece
            sent += len(piece)
            if self.on_progress is not None:
                self.on_progress(sent, total)


def upload(folder: str | Path, name: str, words: Words) -> Upload:
    """The upload of `folder` as the next version of model `name`.

    Raises:
        BundleUnusable: the folder cannot be deployed. InvalidInput: the sample is no JSON.
    """
    told = {"framework": words.get("framework"), "input": words.get("input")}
    query = {word: text for word, text in told.items() if text is not None}
    if "sample" in words:
        query["sample"] = values.encode(words["sample"]).decode()
    request = exchange.Request(
        method="POST",
        path=exchange.path("models", name, "versions"),
        query=query,
        headers={"Content-Type": "application/x-tar"},
    )
    return Upload(request=request, archive=bundle.plan(Path(folder)), on_progress=words.get("on_progress"))


def version(reply: exchange.Reply, name: str) -> records.Version:
    """The version that an upload's reply names. Raises Refused and its kinds, NotUnderstood."""
    if reply.status >= 300:
        raise exchange.refusal(reply)
    return records.version(reply.document(), model=name)
