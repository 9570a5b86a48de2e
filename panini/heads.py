"""Heads of requests that came before: one that equals such a head, byte for byte, is not parsed again.

A client says the same with each of its requests, but for a job's id and a body's length. A head is learned only where
the parser has read it, from its first byte, as an ordinary request that `hot` takes; equal bytes then mean the same.
"""

from typing import Final

from panini import hot

MOST: Final = 1024
"""Heads that are kept, some hundred bytes each."""

LONGEST: Final = 4096
"""Bytes of a head that is kept."""

_END: Final = b"\r\n\r\n"
_GET: Final = b"GET " + hot.JOB
_NAMED: Final = len(_GET) + hot.LENGTH
"""Where the id of a GET ends."""
_POST: Final = b"POST /"


class Heads:
    """The heads that clients of this process sent lately, of callers whose key was right."""

    def __init__(self) -> None:
        self._gets: dict[bytes, hot.Way] = {}
        """By what follows the id."""
        self._posts: dict[bytes, hot.Way] = {}

    def find(self, data: bytes) -> tuple[hot.Way, bytes] | None:
        """The way of `data` and what it says (a body; for a GET the id), if it is one whole request with a head that is
        known. It must begin where a request begins."""
        if data.startswith(_GET):
            way, said = self._gets.get(data[_NAMED:]), data[len(_GET) : _NAMED]
            whole = hot.ID.fullmatch(said) is not None
        else:
            end = data.find(_END, 0, LONGEST) + len(_END)
            way, said = self._posts.get(data[:end]), data[end:]
            whole = way is not None and way.length == len(said)
        if way is None or not whole:
            return None
        if not way.holds:
            self._gets, self._posts = {}, {}
            return None
        return way, said

    def learn(self, data: bytes, way: hot.Way) -> None:
        """A parsed request, with whose head `data` begins, went this way."""
        head = data[: data.find(_END, 0, LONGEST) + len(_END)]
        if not way.lasting or not head.endswith(_END) or head.count(b"\n") != head.count(b"\r\n"):
            return
        if len(self._gets) + len(self._posts) >= MOST:
            self._gets, self._posts = {}, {}
        if head.startswith(_POST):
            self._posts[head] = way
        elif head.startswith(_GET) and head == data:
            self._gets[head[_NAMED:]] = way
