"""The body of an upload, streamed to disk: multipart/form-data, or one archive."""

import contextlib

import python_multipart
from python_multipart import exceptions as multipart_exceptions
from python_multipart import multipart

from registry import archives, checks, errors, options, paths, staging

SAMPLE = "sample"
MAX_FIELD = 64 << 10
MAX_SAMPLE = 1 << 20
MAX_HEADERS = 100


class Archive:
    """A body that is one archive."""

    def __init__(self, into: staging.Staging, *, max_ratio: int) -> None:
        self.fields: dict[str, bytes] = {}
        self._into = into
        self._max_ratio = max_ratio
        self._place = into.fresh("archive")
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of the body. Blocks. Raises TooLarge."""
        self._size += len(chunk)
        if self._size > self._into.max_bytes:
            raise staging.too_large(self._into.max_bytes)
        with self._place.open("ab") as file:
            file.write(chunk)

    def finish(self) -> None:
        """The body is complete: unpack it. Blocks. Raises BadArchive, TooLarge."""
        if self._size == 0:
            raise errors.BadUpload("the body is empty; send a tar, tar.gz or zip archive, or multipart/form-data")
        archives.extract(self._place, self._into, max_ratio=self._max_ratio)
        self._place.unlink()
        _strip(self._into)


class Form:
    """A body of multipart/form-data: files under their paths, options and the sample as fields."""

    def __init__(self, into: staging.Staging, content_type: str, *, max_ratio: int) -> None:
        self.fields: dict[str, bytes] = {}
        self._into = into
        self._max_ratio = max_ratio
        _, parameters = multipart.parse_options_header(content_type)
        boundary = parameters.get(b"boundary")
        if not boundary:
            raise errors.BadUpload("multipart/form-data without a boundary; let your HTTP library write Content-Type")
        self._parser = python_multipart.MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._complete,
            },
        )
        self._finished = False
        self._part = contextlib.ExitStack()
        self._header: tuple[bytes, bytes] = (b"", b"")
        self._disposition = b""
        self._name = ""
        self._sink: staging.Sink | None = None
        self._pending = ""  # a file's name until its first byte: browsers send an empty file where none was chosen

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of the body. Blocks. Raises BadUpload, BadArchive, TooLarge."""
        try:
            self._parser.write(chunk)
        except multipart_exceptions.FormParserError as error:
            self.abort()
            raise errors.BadUpload(f"the multipart body is broken ({error}); send it anew") from error
        except BaseException:
            self.abort()
            raise

    def finish(self) -> None:
        """The body is complete. Blocks. Raises BadUpload, BadArchive, TooLarge."""
        self.abort()
        if not self._finished:
            raise errors.BadUpload("the multipart body ends too early; send it anew")
        only = list(self._into.files)
        if len(only) == 1 and archives.is_archive_name(only[0]):
            place = self._into.place(only[0])
            self._into.drop(only[0])
            archives.extract(place, self._into, max_ratio=self._max_ratio)
        _strip(self._into)

    def abort(self) -> None:
        """Close what is open."""
        self._part.close()

    def _begin(self) -> None:
        self._disposition, self._name, self._pending, self._sink = b"", "", "", None

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], self._header[1])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def _header_end(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            self._disposition = self._header[1]
        self._header = (b"", b"")

    def _headers_finished(self) -> None:
        _, parameters = multipart.parse_options_header(self._disposition)
        self._name = parameters.get(b"name", b"").decode("utf-8", "replace")
        filename = parameters.get(b"filename")
        if filename is not None and self._name != SAMPLE:
            self._pending = filename.decode("utf-8", "replace")
            if self._pending:
                self._open()
            return
        if self._name in self.fields or len(self.fields) > MAX_HEADERS:
            raise errors.BadUpload(f"the field {self._name!r} is there twice; send each once")
        self.fields[self._name] = b""

    def _open(self) -> None:
        self._sink = self._part.enter_context(self._into.open(self._pending))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._sink is not None:
            self._sink.write(data[start:end])
        elif self._name in self.fields:
            self.fields[self._name] += data[start:end]
            limit = MAX_SAMPLE if self._name == SAMPLE else MAX_FIELD
            if len(self.fields[self._name]) > limit:
                raise errors.BadUpload(f"the field {self._name!r} is larger than {limit:,} bytes; send a smaller one")
        elif end > start:
            raise errors.BadUpload("a file without a name; give it its path in the bundle as filename")

    def _end(self) -> None:
        self._part.close()
        self._sink = None

    def _complete(self) -> None:
        self._finished = True


def options_of(fields: dict[str, bytes]) -> dict[str, str]:
    """The options among the fields, empty ones left out. Raises BadUpload for a field that is no option."""
    given = {}
    for name, value in fields.items():
        if name == SAMPLE or not value:
            continue
        if name not in options.FIELDS:
            raise errors.BadUpload(
                f"the field {name!r} is no option; the options are {', '.join(options.FIELDS)} and sample, and every "
                "file needs a filename"
            )
        given[name] = value.decode("utf-8", "replace")
    return given


def _strip(into: staging.Staging) -> None:
    folder = paths.common_folder(list(into.files), checks.ENTRIES)
    if folder:
        into.strip(folder)
