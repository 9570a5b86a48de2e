"""Frames over the runner's blocking socket."""

import collections
import contextlib
import socket
import threading
from typing import Any

from . import codec

_CHUNK = 1 << 16
_LARGE = 1 << 20


class Frames:
    """Reads and writes messages. Closed by the other side: `read` raises EOFError."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self._ready: collections.deque[list[Any]] = collections.deque()
        self._lock = threading.Lock()
        self._all_read = False
        """Whether a message was just read of a socket that had no more."""
        self._pack = codec.msgpack.Packer(autoreset=True).pack
        self._unpack = codec.msgpack.unpackb

    def read(self) -> list[Any]:
        """The next message; waits for it."""
        self._all_read = False
        while not self._ready:
            self._fill(0)
        return self._ready.popleft()

    def behind(self) -> collections.deque[list[Any]]:
        """Messages that came with the one just read, or while it lay here; the caller may take from them."""
        return self._ready if self._all_read else self.waiting()

    def waiting(self) -> collections.deque[list[Any]]:
        """Messages that are here already, without waiting; the caller may take from them."""
        with contextlib.suppress(BlockingIOError):
            self._fill(socket.MSG_DONTWAIT)
        return self._ready

    def send(self, message: list[Any]) -> None:
        """Send one message. Any thread may."""
        with self._lock:
            self._write(self._pack(message))

    def send_packed(self, body: bytes) -> None:
        """Send one message that is packed already."""
        with self._lock:
            self._write(body)

    def close(self) -> None:
        """Close this process's end."""
        self._sock.close()

    def _write(self, body: bytes) -> None:
        self._sock.sendall(len(body).to_bytes(4, "big") + body)

    def _fill(self, flags: int) -> None:
        buffer = self._buffer
        missing = int.from_bytes(buffer[:4], "big") + 4 - len(buffer) if len(buffer) >= 4 else 0
        most = _CHUNK if missing <= _CHUNK else min(missing, _LARGE)
        data = self._sock.recv(most, flags)
        if not data:
            raise EOFError("the worker closed the socket")
        self._all_read = len(data) < most
        buffer += data
        start = 0
        while len(buffer) - start >= 4:
            end = start + 4 + int.from_bytes(buffer[start : start + 4], "big")
            if end > len(buffer):
                break
            with memoryview(buffer) as view, view[start + 4 : end] as body:
                self._ready.append(self._unpack(body, raw=False, strict_map_key=False, max_bin_len=len(body)))
            start = end
        del buffer[:start]
