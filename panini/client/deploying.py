"""The upload of a folder as a request: where it goes, with which words, and how far it is. No I/O but the files'."""

import dataclasses
import itertools
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypedDict

from panini.client import bundle, exchange, records, values

Progress = Callable[[int, int], None]
"""Called with the bytes sent so far and the bytes of the whole."""


LONGEST_QUERY: Final = 2000
"""Characters of a sample in the address; a longer one (an image) goes into a form beside the archive."""


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
    before: bytes = b""  # what the body holds before and after the archive, where it is a form
    after: bytes = b""
    on_progress: Progress | None = None

    @property
    def length(self) -> int:
        """Bytes of the body, known before a byte is read."""
        return len(self.before) + self.archive.length + len(self.after)

    @property
    def headers(self) -> dict[str, str]:
        """The request's headers."""
        return dict(self.request.headers) | {"Content-Length": str(self.length)}

    def __iter__(self) -> Iterator[bytes]:
        """The body, reporting on the way."""
        sent = 0
        for piece in itertools.chain([self.before], self.archive, [self.after]):
            if piece:
                yield piece
                sent += len(piece)
                if self.on_progress is not None:
                    self.on_progress(sent, self.length)


def upload(folder: str | Path, name: str, words: Words) -> Upload:
    """The upload of `folder` as the next version of model `name`.

    Raises:
        BundleUnusable: the folder cannot be deployed. InvalidInput: the sample is no JSON.
    """
    told = {"framework": words.get("framework"), "input": words.get("input")}
    fields = {word: text for word, text in told.items() if text is not None}
    if "sample" in words:
        fields["sample"] = values.encode(words["sample"]).decode()
    archive = bundle.plan(Path(folder))
    request = exchange.Request(method="POST", path=exchange.path("models", name, "versions"))
    on_progress = words.get("on_progress")
    if len(fields.get("sample", "")) <= LONGEST_QUERY:
        request = dataclasses.replace(request, query=fields, headers={"Content-Type": "application/x-tar"})
        return Upload(request=request, archive=archive, on_progress=on_progress)
    boundary = secrets.token_hex(24)
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return Upload(
        request=dataclasses.replace(request, headers=headers),
        archive=archive,
        before=_form(fields, boundary),
        after=f"\r\n--{boundary}--\r\n".encode(),
        on_progress=on_progress,
    )


def _form(fields: Mapping[str, str], boundary: str) -> bytes:
    """The parts of a form that come before the archive's bytes (RFC 7578)."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="bundle"; filename="bundle.tar"\r\n'
        "Content-Type: application/x-tar\r\n\r\n"
    )
    return "".join(parts).encode()


def version(reply: exchange.Reply, name: str) -> records.Version:
    """The version that an upload's reply names. Raises Refused and its kinds, NotUnderstood."""
    if reply.status >= 300:
        raise exchange.refusal(reply)
    return records.version(reply.document(), model=name)
