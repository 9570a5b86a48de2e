"""The short way of the hot addresses: it answers as the application does, and keeps to HTTP when a client is odd."""

import contextlib
import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e import kit
from wire import ids

ID = re.compile(r"j_[A-Za-z0-9_-]{32}")

GATED = "while not os.path.exists(os.environ['XDG_CACHE_HOME'] + '/gate'): time.sleep(.02)"
"""The body of a model whose jobs end when there is a file named gate."""


@pytest.fixture(scope="module")
def model(stack: kit.Stack) -> str:
    """Doubles; says of a large number only that it is large, raises for words."""
    code = "def predict(inputs):\n    return ['large' if x > 1000 else 2 * x for x in inputs]\n"
    return stack.deploy({"predict.py": code})


@pytest.fixture(scope="module")
def job(stack: kit.Stack, model: str) -> str:
    """A job that ended."""
    with stack.client() as client:
        return client.submit(model, 4, wait=20).id


def secret(stack: kit.Stack, name: str) -> str:
    return (stack.home / "secrets" / f"panini_{name}").read_text().strip()


def uids(stack: kit.Stack, model: str) -> tuple[int, int]:
    """Of the model and its account, as the ids of jobs have them."""
    with stack.http(headers={"Authorization": f"Bearer {secret(stack, 'internal_token')}"}) as http:
        endpoints = http.get("/internal/v1/snapshot").json()["endpoints"]
    return next((one["model_uid"], one["account_uid"]) for one in endpoints if one["model"] == model)


@pytest.fixture(scope="module")
def words(stack: kit.Stack, model: str, job: str) -> Iterator[dict[str, str]]:
    """What stands for the words in capitals of a request."""
    now, (uid, account) = time.time_ns() // 1_000_000, uids(stack, model)
    signer = ids.Signer({0: secret(stack, "signing_key").encode()}, 0)
    with stack.client() as client, stack.http() as http:
        failed = client.submit(model, "word", wait=20).id
        deleted = client.submit(model, 6, wait=20).id
        assert http.delete(f"/v1/jobs/{deleted}").status_code == 204
        upload = stack.upload({"predict.py": "raise ValueError\ndef predict(inputs): ...\n"}, "dead")
        kit.until(lambda: client.version("dead", upload.version).state == "failed", "it is known to fail")
    held = stack.deploy(kit.logging_model(GATED, timeout=600.0))
    with stack.client() as client:
        running = client.submit(held, 1).id
        kit.until(lambda: client.job(running).status == "running", "it runs")
    yield {
        "MODEL": model,
        "DEAD": "dead",
        "HELD": held,
        "KEY": stack.key,
        "JOB": job,
        "FAILED": failed,
        "DELETED": deleted,
        "RUNNING": running,
        "UNREAD": signer.new(model_uid=uid, account_uid=account, now_ms=now),
        "REPEATED": signer.new(model_uid=uid, account_uid=account, now_ms=now),
        "OLD": signer.new(model_uid=uid, account_uid=account, now_ms=1),
        "REMOVED": signer.new(model_uid=uid ^ 1, account_uid=account, now_ms=now),
        "FOREIGN": signer.new(model_uid=uid, account_uid=account ^ 1, now_ms=now),
    }
    (stack.cache(held) / "gate").touch()


SUBMIT, PREDICT, READ = "/v1/models/MODEL/jobs", "/v1/models/MODEL/predict", "/v1/jobs/JOB"
PLAIN = b'{"input": NUMBER}'


def job_with(members: str) -> bytes:
    return f'{{"input": NUMBER, {members}}}'.encode()


# what else a body may say, and what it may not
GOOD = {
    "lane": '"lane": "bulk"',
    "deadline": '"deadline": 4000000000',
    "deadline as a time": '"deadline": "2100-01-01T00:00:00Z"',
    "deadline that is over": '"deadline": 1',
    "timeout": '"timeout": 5',
    "metadata": '"metadata": {"order": 17, "words": ["ä", null]}',
    "webhook": '"webhook": "http://127.0.0.1:9/nobody", "webhook_events": ["failed"]',
    "version": '"version": 1',
    "version that is none": '"version": 99',
    "cache": '"cache": false',
}
BAD = {
    "lane": '"lane": "fast"',
    "deadline": '"deadline": "tomorrow"',
    "deadline before all time": '"deadline": -1',
    "timeout": '"timeout": -1',
    "timeout without end": '"timeout": 1e300',
    "metadata": '"metadata": [1]',
    "metadata too large": '"metadata": {"a": "%s"}' % ("x" * 20_000),
    "webhook": '"webhook": "ftp://127.0.0.1/"',
    "events without a webhook": '"webhook_events": ["failed"]',
    "event": '"webhook": "http://127.0.0.1:9/", "webhook_events": ["queued"]',
    "version": '"version": 0',
    "cache": '"cache": "no"',
    "reply topic": '"reply_to": "secrets"',
    "unknown member": '"inptu": 1',
    "id of a client's own": '"id": "mine"',
    "id of another account": '"id": "FOREIGN"',
    "id of another model": '"id": "REMOVED"',
}
BODIES = {
    "nothing": b"",
    "no object": b"[1]",
    "no input": b"{}",
    "half a job": b'{"input": [1, 2',
    "more than a job": b'{"input": 1} {"input": 2}',
    "the same member twice": b'{"input": 1, "input": NUMBER}',
    "broken UTF-8": b'{"input": "\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"input": 1}',
    "NaN": b'{"input": NaN}',
    "too deep": b'{"input": ' + b"[" * 2_000 + b"]" * 2_000 + b"}",
    "too large for the model": b'{"input": "' + b"x" * (1 << 20) + b'"}',
    "too large for all": b'{"input": "' + b"x" * (17 << 20) + b'"}',
}
KEYS = {
    "as X-API-Key": {"X-API-Key": "KEY"},
    "as X-API-Key beside another scheme": {"Authorization": "Basic eDp5", "X-API-Key": "KEY"},
    "as X-API-Key beside a wrong one": {"Authorization": "Bearer pn_x", "X-API-Key": "KEY"},
    "in small letters": {"authorization": "bearer KEY"},
    "twice, first right": {"Authorization": "Bearer KEY", "authorization": "Bearer pn_x"},
    "twice, first wrong": {"Authorization": "Bearer pn_x", "authorization": "Bearer KEY"},
    "wrong": {"Authorization": "Bearer pn_x"},
    "wrong as X-API-Key": {"X-API-Key": "pn_x"},
    "none": {"Authorization": ""},
}
PREFERENCES = {
    "a wait": {"Prefer": "wait=20"},
    "a fraction": {"Prefer": "wait=20.5"},
    "too long a wait": {"Prefer": "wait=9999999"},
    "no number": {"Prefer": "wait=abc"},
    "less than nothing": {"Prefer": "wait=-1"},
    "in quotes": {"Prefer": 'wait="20"'},
    "respond-async": {"Prefer": "respond-async"},
    "both": {"Prefer": "respond-async, wait=20"},
    "both, the other way round": {"Prefer": "WAIT = 20; respond-async"},
    "twice": {"Prefer": "wait=20", "prefer": "wait=1"},
    "on two lines": {"Prefer": "respond-async", "prefer": "wait=20"},
}
TAGS = {
    "its own": '"JOB"',
    "its own, weak": 'W/"JOB"',
    "one of several": '"x", "JOB"',
    "another": '"x"',
    "any": "*",
    "none": "",
}
IDS = {
    "that failed": "FAILED",
    "whose result was deleted": "DELETED",
    "that runs": "RUNNING",
    "that no worker has read": "UNREAD",
    "that is too old": "OLD",
    "of a removed model": "REMOVED",
    "of another account": "FOREIGN",
    "of nobody": "j_" + "x" * 32,
    "of a set": "b_" + "x" * 32,
    "that is too short": "j_" + "x" * 31,
    "that is too long": "JOBx",
    "of a client's own": "mine-17",
    "written in percent": "%6A_" + "x" * 32,
}

Asked = tuple[str, str, dict[str, str], bytes]
"""Method, path, headers, body."""

REQUESTS: dict[str, Asked] = {
    "a job": ("POST", SUBMIT, {}, PLAIN),
    "predict": ("POST", PREDICT, {}, PLAIN),
    "a predict that fails": ("POST", PREDICT, {}, b'{"input": "word"}'),
    "a job that fails": ("POST", SUBMIT, {"Prefer": "wait=20"}, b'{"input": "word"}'),
    "a predict whose answer is known": ("POST", PREDICT, {}, b'{"input": 4}'),
    "a job whose answer is known": ("POST", SUBMIT, {"Prefer": "wait=20"}, b'{"input": 4}'),
    "an id again": ("POST", SUBMIT, {"Prefer": "wait=20"}, b'{"input": 5, "id": "REPEATED"}'),
    "an id of what has ended": ("POST", SUBMIT, {}, b'{"input": 4, "id": "JOB"}'),
    "an id of what has failed": ("POST", PREDICT, {}, b'{"input": "word", "id": "FAILED"}'),
    "no wait for what runs": ("POST", "/v1/models/HELD/jobs", {"Prefer": "wait=0"}, PLAIN),
    "no wait for a predict that runs": ("POST", "/v1/models/HELD/predict", {"Prefer": "wait=0.01"}, PLAIN),
    "a traceparent": ("POST", SUBMIT, {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}, PLAIN),
    "a traceparent that is none": ("POST", SUBMIT, {"traceparent": "x"}, PLAIN),
    "an idempotency key": ("POST", SUBMIT, {"Idempotency-Key": "NUMBER", "Prefer": "wait=20"}, PLAIN),
    "an idempotency key that is none": ("POST", SUBMIT, {"Idempotency-Key": "a b"}, PLAIN),
    "no such model": ("POST", "/v1/models/no-such/jobs", {}, PLAIN),
    "predict of no such model": ("POST", "/v1/models/no-such/predict", {}, PLAIN),
    "a name that is none": ("POST", "/v1/models/NO_SUCH/jobs", {}, PLAIN),
    "no name": ("POST", "/v1/models//jobs", {}, PLAIN),
    "a model without a live version": ("POST", "/v1/models/DEAD/jobs", {}, PLAIN),
    "predict of it": ("POST", "/v1/models/DEAD/predict", {}, PLAIN),
    "a job of another media type": ("POST", SUBMIT, {"Content-Type": "application/x-www-form-urlencoded"}, PLAIN),
    "a job in an encoding": ("POST", SUBMIT, {"Content-Encoding": "gzip"}, PLAIN),
    "an answer of another media type": ("POST", SUBMIT, {"Accept": "text/html"}, PLAIN),
    "a page's job": ("POST", SUBMIT, {"Origin": "http://elsewhere", "Content-Type": "text/plain"}, PLAIN),
    "a state": ("GET", READ, {}, b""),
    "a state, with a body": ("GET", READ, {}, b"{}"),
    **{f"a job, {name}": ("POST", SUBMIT, {}, job_with(some)) for name, some in GOOD.items()},
    **{f"predict, {name}": ("POST", PREDICT, {}, job_with(some)) for name, some in GOOD.items()},
    **{f"a job, wrong {name}": ("POST", SUBMIT, {}, job_with(some)) for name, some in BAD.items()},
    **{f"predict, wrong {name}": ("POST", PREDICT, {}, job_with(some)) for name, some in BAD.items()},
    **{f"a body, {name}": ("POST", SUBMIT, {}, body) for name, body in BODIES.items()},
    **{f"a key, {name}": ("POST", SUBMIT, some, PLAIN) for name, some in KEYS.items()},
    **{f"a key to read, {name}": ("GET", READ, some, b"") for name, some in KEYS.items()},
    **{f"prefer {name}": ("POST", SUBMIT, some, PLAIN) for name, some in PREFERENCES.items()},
    **{f"predict, prefer {name}": ("POST", PREDICT, some, PLAIN) for name, some in PREFERENCES.items()},
    **{f"a state, prefer {name}": ("GET", READ, some, b"") for name, some in PREFERENCES.items()},
    **{f"a state, tag {name}": ("GET", READ, {"If-None-Match": tag}, b"") for name, tag in TAGS.items()},
    **{f"a job {name}": ("GET", f"/v1/jobs/{job_id}", {}, b"") for name, job_id in IDS.items()},
    **{f"{method} of a job": (method, READ, {}, b"") for method in ("HEAD", "OPTIONS", "POST", "PUT")},
    **{f"{method} of jobs": (method, SUBMIT, {}, b"") for method in ("HEAD", "OPTIONS", "PUT", "DELETE")},
    **{f"{method} of predict": (method, PREDICT, {}, b"") for method in ("GET", "HEAD", "OPTIONS", "PUT")},
}


def filled(asked: Asked, words: dict[str, str]) -> Asked:
    """The request, with no number that came before: no answer of one way is the other's cache."""
    method, path, headers, body = asked
    known = words | {"NUMBER": str(time.time_ns())}
    pattern = re.compile("|".join(known))

    def fill(text: str) -> str:
        return pattern.sub(lambda found: known[found[0]], text)

    named = {name: fill(value) for name, value in headers.items()}
    if not {"authorization", "x-api-key"} & {name.lower() for name in headers}:
        named["Authorization"] = f"Bearer {words['KEY']}"
    return method, fill(path), named, fill(body.decode("latin-1")).encode("latin-1")


def heads(answer: httpx.Response) -> dict[str, str]:
    """What its headers say, without what differs from one moment or id to the next."""
    kept = {name: ID.sub("ID", value) for name, value in answer.headers.items()} | {"date": "TIME"}
    return kept | {"content-length": "LENGTH"} if "content-length" in kept else kept


def told(answer: httpx.Response) -> Any:
    """The body, with ids and times replaced."""
    text = ID.sub("ID", answer.text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    return re.sub(r'"(queued_ms|batch_ms|predict_ms)":[\d.e-]+', r'"\1":MS', text)


def assert_alike(short: httpx.Response, long: httpx.Response) -> None:
    assert (short.status_code, told(short)) == (long.status_code, told(long))
    assert heads(short) == heads(long)
    assert short.status_code < 500 or short.headers["content-type"] == "application/problem+json"


@pytest.fixture
def bare(stack: kit.Stack) -> Iterator[httpx.Client]:
    """A client that has no key of its own."""
    with httpx.Client(base_url=stack.url, trust_env=False, timeout=60) as client:
        yield client


@pytest.mark.parametrize("name", REQUESTS)
def test_both_ways_answer_alike(bare: httpx.Client, words: dict[str, str], name: str) -> None:
    def ask(tail: str) -> httpx.Response:
        method, path, headers, body = filled(REQUESTS[name], words)
        return bare.request(method, path + tail, headers=headers, content=body)

    # When it is asked as usual, and with a query that says nothing, which the short way leaves to the application
    assert_alike(ask(""), ask("?"))


class Line:
    """One connection, spoken to in bytes."""

    def __init__(self, stack: kit.Stack) -> None:
        self.socket = socket.create_connection(("127.0.0.1", stack.port), timeout=30)
        self.host = f"Host: 127.0.0.1:{stack.port}\r\n".encode()
        self.key = f"Authorization: Bearer {stack.key}\r\n".encode()
        self.read = self.socket.makefile("rb")

    def request(self, line: str, body: bytes = b"", *more: str, version: str = "HTTP/1.1") -> bytes:
        """The bytes of a request; with the first key, where it says none."""
        key = b"" if any(re.match("authorization:|x-api-key:", one, re.IGNORECASE) for one in more) else self.key
        extra = "".join(f"{one}\r\n" for one in more).encode()
        length = b"" if any("chunked" in one for one in more) or not body else b"Content-Length: %d\r\n" % len(body)
        return f"{line} {version}\r\n".encode() + self.host + key + extra + length + b"\r\n" + body

    def send(self, data: bytes) -> None:
        """Write."""
        self.socket.sendall(data)

    def answer(self, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by small name, body of the next response, which has none where the question was a HEAD."""
        status = int(self.read.readline().split()[1])
        headers = {}
        while line := self.read.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, b"" if head else self.read.read(int(headers.get("content-length", "0")))

    def close(self) -> None:
        """Hang up."""
        self.read.close()
        self.socket.close()

    @property
    def over(self) -> bool:
        """Whether the server closed it; waits for that, or for bytes that nobody asked for."""
        return self.read.read(1) == b""


@pytest.fixture
def line(stack: kit.Stack) -> Iterator[Line]:
    with contextlib.closing(Line(stack)) as made:
        yield made


@pytest.mark.parametrize("name", REQUESTS)
def test_a_head_that_came_before_is_answered_alike(
    line: Line, bare: httpx.Client, words: dict[str, str], name: str
) -> None:
    # When the parser reads it the first time only, and the application the other
    for _ in range(3):
        method, path, headers, body = filled(REQUESTS[name], words)
        line.send(line.request(f"{method} {path}", body, *[f"{key}: {value}" for key, value in headers.items()]))
        status, told_so, content = line.answer(head=method == "HEAD")
    method, path, headers, body = filled(REQUESTS[name], words)
    long = bare.request(method, path + "?", headers=headers, content=body)

    assert_alike(httpx.Response(status, headers=told_so, content=content), long)


def test_a_known_answer_is_told_at_once_both_ways(http: httpx.Client, model: str, job: str) -> None:
    def known(tail: str) -> httpx.Response | None:
        answer = http.post(f"/v1/models/{model}/jobs{tail}", json={"input": 4})
        return answer if answer.json()["status"] == "succeeded" else None

    # When Redis says in time that an identical job has ended
    short, long = [kit.until(lambda tail=tail: known(tail), "it is told") for tail in ("", "?")]  # type: ignore[misc]

    assert_alike(short, long)


def test_a_head_holds_no_longer_than_its_model(stack: kit.Stack, line: Line) -> None:
    model = stack.deploy({"predict.py": "def predict(inputs):\n    return [3 * x for x in inputs]\n"})
    request = line.request(f"POST /v1/models/{model}/predict", b'{"input": 4}')
    for _ in range(2):
        line.send(request)
        assert output(line.answer()[2]) == 12

    # When the model is removed
    with stack.client() as client:
        client.remove(model)

    def gone() -> bool:
        line.send(request)
        return line.answer()[0] == 404

    kit.until(gone, "its head is known no more")


def output(body: bytes) -> Any:
    return json.loads(body)["output"]


def test_a_connection_is_used_again_and_again(line: Line, model: str, job: str) -> None:
    for number in range(5):
        line.send(line.request(f"POST /v1/models/{model}/predict", json.dumps({"input": number}).encode()))
        assert output(line.answer()[2]) == 2 * number
        line.send(line.request(f"GET /v1/jobs/{job}"))
        assert output(line.answer()[2]) == 8
        line.send(line.request("GET /healthz"))  # not a hot one, in between
        assert line.answer()[0] == 200


def test_requests_that_do_not_wait_for_each_other_are_answered_in_order(line: Line, model: str, job: str) -> None:
    bodies = [json.dumps({"input": number}).encode() for number in range(6)]
    posts = [line.request(f"POST /v1/models/{model}/predict", body) for body in bodies]

    line.send(b"".join([*posts[:3], line.request(f"GET /v1/jobs/{job}"), line.request("GET /healthz"), *posts[3:]]))

    answers = [line.answer() for _ in range(8)]
    assert [status for status, _, _ in answers] == [200] * 8
    assert [output(body) for _, _, body in (*answers[:4], *answers[5:])] == [0, 2, 4, 8, 6, 8, 10]


def test_a_request_in_single_bytes(line: Line, model: str) -> None:
    for byte in line.request(f"POST /v1/models/{model}/predict", b'{"input": 21}'):
        line.send(bytes([byte]))

    assert output(line.answer()[2]) == 42


@pytest.mark.parametrize(
    ("more", "body", "version"),
    [
        (["Connection: close"], b'{"input": 5}', "HTTP/1.1"),
        ([], b'{"input": 5}', "HTTP/1.0"),
    ],
)
def test_a_client_that_wants_the_connection_closed(
    line: Line, model: str, more: list[str], body: bytes, version: str
) -> None:
    line.send(line.request(f"POST /v1/models/{model}/predict", body, *more, version=version))

    assert output(line.answer()[2]) == 10
    assert line.over


def test_a_body_in_chunks(line: Line, model: str) -> None:
    body = b'5\r\n{"inp\r\n8\r\nut": 11}\r\n0\r\n\r\n'

    line.send(line.request(f"POST /v1/models/{model}/predict", body, "Transfer-Encoding: chunked"))

    assert output(line.answer()[2]) == 22


def test_a_body_that_waits_to_be_asked_for(line: Line, model: str) -> None:
    request = line.request(f"POST /v1/models/{model}/predict", b'{"input": 7}', "Expect: 100-continue")

    line.send(request.removesuffix(b'{"input": 7}'))
    assert line.read.readline() == b"HTTP/1.1 100 Continue\r\n"
    line.read.readline()
    line.send(b'{"input": 7}')

    assert output(line.answer()[2]) == 14


def test_clients_that_leave_in_the_middle_hurt_nobody(stack: kit.Stack, model: str, http: httpx.Client) -> None:
    for cut in (30, 200, None):
        left = Line(stack)
        left.send(left.request(f"POST /v1/models/{model}/predict", b'{"input": 1}')[:cut])
        left.close()

    assert http.post(f"/v1/models/{model}/predict", json={"input": 8}).json()["output"] == 16
    assert "error of ours" not in (stack.home / "logs" / "api.log").read_text()


def test_what_is_no_http_is_refused(line: Line) -> None:
    line.send(b"GET /v1/jobs/x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")

    assert line.read.readline().split()[1] == b"400"


def test_a_post_that_waits_is_answered_before_the_server_stops(own_stack: kit.Stack) -> None:
    own_stack.start()
    model = own_stack.deploy(kit.logging_model(GATED))
    with contextlib.closing(Line(own_stack)) as waits:
        waits.send(waits.request(f"POST /v1/models/{model}/predict", b'{"input": 4}'))
        kit.until(lambda: kit.seen(own_stack, model), "it runs")

        # When the server is told to stop, and takes no more connections
        os.kill(own_stack.pid("api"), signal.SIGTERM)
        kit.until(lambda: not listens(own_stack.port), "the server stops")
        (own_stack.cache(model) / "gate").touch()

        status, headers, body = waits.answer()
        assert (status, output(body)) == (200, 8)
        assert headers["connection"] == "close"
        assert waits.over


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
