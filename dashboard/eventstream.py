"""Server-sent events (WHATWG HTML, section 9.2), read from the API and written to browsers. No I/O."""

from collections.abc import Iterator

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event; a heartbeat has neither name nor data."""

    name: str = ""
    data: str = ""
    id: str = ""


HEARTBEAT = Event()


class Parser:
    """Bytes to events. Lines end with a line feed and nowhere else, so that a log's other characters stay whole."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = self._id = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Take what arrived; the events that it completes."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for raw in lines:
            line = raw.removesuffix(b"\r").decode("utf-8", "replace")
            if not line:
                if self._data:
                    yield Event(name=self._name or "message", data="\n".join(self._data), id=self._id)
                self._name, self._data = "", []
            elif line.startswith(":"):
                yield HEARTBEAT
            else:
                self._field(*line.split(":", 1))

    def _field(self, name: str, value: str = "") -> None:
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id":
            self._id = value


def write(event: Event) -> bytes:
    """An event as it goes to a browser."""
    if event == HEARTBEAT:
        return b": still here\n\n"
    head = (f"id: {event.id}\n" if event.id else "") + f"event: {event.name}\n"
    lines = event.data.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return (head + "".join(f"data: {line}\n" for line in lines) + "\n").encode()
