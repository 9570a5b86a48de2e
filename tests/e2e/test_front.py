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

from tests.e2e import asked, kit
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


@pytest.mark.parametrize("name", asked.REQUESTS)
def test_both_ways_answer_alike(bare: httpx.Client, words: dict[str, str], name: str) -> None:
    def ask(tail: str) -> httpx.Response:
        method, path, headers, body = asked.filled(asked.REQUESTS[name], words)
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


@pytest.mark.parametrize("name", asked.REQUESTS)
def test_a_head_that_came_before_is_answered_alike(
    line: Line, bare: httpx.Client, words: dict[str, str], name: str
) -> None:
    # When the parser reads it the first time only, and the application the other
    for _ in range(3):
        method, path, headers, body = asked.filled(asked.REQUESTS[name], words)
        line.send(line.request(f"{method} {path}", body, *[f"{key}: {value}" for key, value in headers.items()]))
        status, told_so, content = line.answer(head=method == "HEAD")
    method, path, headers, body = asked.filled(asked.REQUESTS[name], words)
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
