"""Runs batches: one predict() call an input, or one for all, and sends what comes of it."""

import mmap
import os
import time
from collections.abc import Callable
from typing import Any

from . import answers, codec, frames, messages, model, tracebacks, values

_FLUSH_SECONDS = 0.005
"""Results wait this long for company at most (while others are being computed)."""
_FLUSH_BYTES = 1 << 20
_EVENT_SECONDS = 0.05
"""Progress more often than this is thinned."""
_MESSAGE = 4000


class Executor:
    """Runs the batches of one loaded model."""

    def __init__(
        self, *, channel: frames.Frames, journal: mmap.mmap | None, loaded: model.Model, shim: Any,
        decode: Callable[[bytes], Any], encode: Callable[[Any], answers.Encoded],
    ) -> None:  # fmt: skip
        self._channel = channel
        self._journal = journal
        self._room = len(journal) if journal is not None else 0
        self._model = loaded
        self._shim = shim
        self._decode = decode
        self._encode = encode
        self._pack = codec.msgpack.Packer(autoreset=True).pack
        self._batch = 0
        self._place: int | None = None
        self._base = 0
        self._items: list[bytes] = []
        self._size = 0
        self._flushed = 0.0
        self._spent = 0.0
        self._reported = 0.0
        self.canceled: set[str] = set()
        """Ids of inputs that shall not begin."""
        self.ending = False
        """Set when this process was asked to end: the exception in flight is ours, not the model's."""
        self.forked = False
        """Set in a process that the model forked: it must never speak for the runner."""

    def run(self, batch: int, together: bool, inputs: list[bytes], ids: list[str]) -> None:
        """Run one batch and send its results."""
        self._batch, self._base, self._spent = batch, 0, 0.0
        self._flushed = time.monotonic()
        self._note(self._flushed)
        failure = None
        if together:
            failure = self._all(inputs, ids)
        else:
            self._one_by_one(inputs, ids)
        self._flush(done=True, failure=failure)
        self._batch = 0
        self._note(0.0)

    def report(self, fraction: float, text: str) -> None:
        """What panini.progress calls."""
        now = time.monotonic()
        if self._batch and (fraction >= 1.0 or now - self._reported >= _EVENT_SECONDS):
            self._reported = now
            self._channel.send([messages.EVENT, self._batch, self._place, "progress", [fraction, text]])

    def yielded(self, value: Any) -> None:
        """What a generator's values go through."""
        self._channel.send([messages.EVENT, self._batch, self._place, "output", self._encode(value)])

    def _one_by_one(self, inputs: list[bytes], ids: list[str]) -> None:
        decode, predict, encode, pack = self._decode, self._model.predict, self._encode, self._pack
        clock, unwrap = time.monotonic, answers.unwrap
        begun = clock()
        for place, raw in enumerate(inputs):
            self._place = place
            if self.canceled and self._skips(ids, place):
                self._add(pack(None), begun)
                continue
            try:
                value = decode(raw)
                before = clock()
                try:
                    result, stream = predict([value])
                finally:
                    self._spent += clock() - before
                item = pack(encode(result if stream else unwrap(result)))
            except BaseException as error:  # noqa: BLE001  boundary: whatever the model raises ends its input only
                item = pack(self._failure(error))
            if self.forked:
                os._exit(0)
            begun = clock()
            self._add(item, begun)

    def _all(self, inputs: list[bytes], ids: list[str]) -> list[Any] | None:
        """One call for all inputs: the failure that spoilt it, if one did."""
        self._place = None
        items, places, given = self._read(inputs, ids)
        if given:
            try:
                outputs = answers.split(self._timed(given), len(given))
            except answers.WrongOutput as error:
                outputs = [error] * len(given)
            except BaseException as error:  # noqa: BLE001  boundary: whatever the model raises ends this batch only
                failure = self._failure(error)
                if len(given) > 1:
                    return failure
                items[places[0]] = failure
                outputs = []
            for place, output in zip(places, outputs, strict=False):
                items[place] = self._encoded(output)
        if self.forked:
            os._exit(0)
        for item in items:  # they all leave now: none needs the journal
            packed = self._pack(item)
            self._items.append(packed)
            self._size += len(packed)
            if self._size > _FLUSH_BYTES:
                self._flush(done=False, failure=None)
        return None

    def _read(self, inputs: list[bytes], ids: list[str]) -> tuple[list[Any], list[int], list[Any]]:
        """Items with the failures of what cannot be read, and the places and values of the rest."""
        items: list[Any] = [None] * len(inputs)
        places, given = [], []
        for place, raw in enumerate(inputs):
            if self.canceled and self._skips(ids, place):
                continue
            try:
                given.append(self._decode(raw))
                places.append(place)
            except BaseException as error:  # noqa: BLE001  boundary: an input that cannot be read fails alone
                items[place] = self._failure(error)
        return items, places, given

    def _timed(self, given: list[Any]) -> Any:
        before = time.monotonic()
        try:
            return self._model.predict(given)[0]
        finally:
            self._spent += time.monotonic() - before

    def _encoded(self, output: Any) -> Any:
        if isinstance(output, answers.WrongOutput):
            return self._failure(output)
        try:
            return self._encode(output)
        except BaseException as error:  # noqa: BLE001  boundary: an output that cannot be sent fails alone
            return self._failure(error)

    def _skips(self, ids: list[str], place: int) -> bool:
        return place < len(ids) and ids[place] in self.canceled

    def _failure(self, error: BaseException) -> list[Any]:
        """Type, words, traceback and seconds to a retry."""
        if self.forked:
            os._exit(1)
        if self.ending:
            raise error
        if isinstance(error, (values.WrongInput, self._shim.InvalidInput)):
            return [messages.INVALID_INPUT, str(error)[:_MESSAGE] or "the model refused this input", "", None]
        if isinstance(error, answers.WrongOutput):
            return [messages.INVALID_OUTPUT, str(error)[:_MESSAGE], "", None]
        if isinstance(error, self._shim.Retry):
            return [messages.PREDICT_ERROR, str(error)[:_MESSAGE], "", error.after]
        if isinstance(error, SystemExit):
            words = f"predict() called sys.exit({error.code!r:.100})"
            return [messages.PREDICT_ERROR, words, tracebacks.text(error, self._model.bundle), None]
        kind = messages.OUT_OF_MEMORY if isinstance(error, MemoryError) else messages.PREDICT_ERROR
        return [kind, tracebacks.summary(error), tracebacks.text(error, self._model.bundle), None]

    def _add(self, item: bytes, now: float) -> None:
        """Take a result; `now` is also when the next input begins."""
        start, end = messages.HEADER.size + self._size, messages.HEADER.size + self._size + len(item)
        self._items.append(item)
        self._size += len(item)
        if end > self._room or self._size > _FLUSH_BYTES or now - self._flushed > _FLUSH_SECONDS:
            self._flush(done=False, failure=None)
            now = self._flushed
        elif self._journal is not None:
            self._journal[start:end] = item
        self._note(now)

    def _note(self, now: float) -> None:
        if self._journal is not None:
            messages.HEADER.pack_into(self._journal, 0, self._batch, self._base, len(self._items), self._size, now)

    def _flush(self, *, done: bool, failure: list[Any] | None) -> None:
        items, self._items, self._size = self._items, [], 0
        tail = self._pack([done, self._spent * 1000, failure])[1:]
        head = b"\x96%c\xce%b\xdd%b" % (messages.RESULTS, self._batch.to_bytes(4, "big"), len(items).to_bytes(4, "big"))
        self._channel.send_packed(b"".join((head, *items, tail)))
        self._base += len(items)
        if not done:
            self._flushed = time.monotonic()
            self.canceled.update(*(m[1] for m in self._channel.waiting() if m[0] == messages.CANCEL))
