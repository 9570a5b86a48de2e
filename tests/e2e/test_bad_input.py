"""Wrong requests: each is a problem document whose detail says the next step, and none is a 500."""

import io
import json
import tarfile
from typing import Any

import httpx
import pytest

from tests.e2e import kit


@pytest.fixture(scope="module")
def double(stack: kit.Stack) -> str:
    return stack.deploy(kit.DOUBLE)


@pytest.fixture(scope="module")
def floats(stack: kit.Stack) -> str:
    return stack.deploy(kit.ECHO, input="floats")


def problem(answer: httpx.Response, status: int, *words: str) -> dict[str, Any]:
    """The problem of an answer, which has this status and says these words."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["title"]
    for word in words:
        assert word in found["detail"], found
    return found


BODIES: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 422, "input"),
    "broken": (b'{"input": [1, 2', 422, "truncated"),
    "no-object": (b"[1]", 422, "object"),
    "no-utf8": (b'{"input": "\xff"}', 422, "utf-8"),
    "no-input": (b"{}", 422, "input"),
    "unknown-field": (b'{"input": 1, "inptu": 2}', 422, "inptu"),
    "nan": (b'{"input": NaN}', 422, "malformed"),
    "infinity": (b'{"input": [1, -Infinity]}', 422, "malformed"),
    "too-deep": (b'{"input": ' + b"[" * 2_000 + b"]" * 2_000 + b"}", 422, "deep"),
    "far-too-deep": (b'{"input": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", 422, "deep"),
    "too-large": (b'{"input": "' + b"x" * (1 << 20) + b'"}', 413, "bytes"),
    "far-too-large": (b'{"input": "' + b"x" * (17 << 20) + b'"}', 413, "bytes"),
    "version": (b'{"input": 1, "version": 0}', 422, "version"),
    "timeout": (b'{"input": 1, "timeout": -1}', 422, "timeout"),
    "deadline": (b'{"input": 1, "deadline": "tomorrow"}', 422, "deadline"),
    "metadata": (b'{"input": 1, "metadata": {"a": "' + b"x" * 20_000 + b'"}}', 422, "metadata"),
    "foreign-id": (b'{"input": 1, "id": "mine"}', 422, "Idempotency-Key"),
    "reply-to": (b'{"input": 1, "reply_to": "secrets"}', 422, "reply topics"),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies(http: httpx.Client, double: str, name: str) -> None:
    content, status, word = BODIES[name]
    problem(http.post(f"/v1/models/{double}/jobs", content=content), status, word)
    assert http.post(f"/v1/models/{double}/predict", json={"input": 1}).json()["output"] == 2


@pytest.mark.parametrize("value", ['"text"', "null", "7", "[true]", '["1"]', '[[1], {"a": 1}]'])
def test_inputs_of_the_wrong_type(http: httpx.Client, floats: str, value: str) -> None:
    content = f'{{"input": {value}}}'.encode()
    problem(http.post(f"/v1/models/{floats}/jobs", content=content), 422, "a list of numbers")


def test_a_ragged_array_is_the_models_invalid_input(http: httpx.Client, floats: str) -> None:
    answer = http.post(f"/v1/models/{floats}/jobs", json={"input": [1.5, 2]}, headers={"Prefer": "wait=20"})
    assert answer.json()["output"] == [1.5, 2.0]


@pytest.mark.parametrize("wait", ["-1", "61", "soon", "1e3", ""])
def test_waits_out_of_range(http: httpx.Client, double: str, wait: str) -> None:
    problem(http.post(f"/v1/models/{double}/jobs", params={"wait": wait}, json={"input": 1}), 422, "0 to 60")
    job = http.post(f"/v1/models/{double}/jobs", json={"input": 1}).json()["id"]
    problem(http.get(f"/v1/jobs/{job}", params={"wait": wait}), 422, "0 to")


def test_unknown_models(http: httpx.Client) -> None:
    for address in ("/v1/models/nobody/jobs", "/v1/models/nobody/predict", "/v1/models/No%20Name/jobs"):
        problem(http.post(address, json={"input": 1}), 404, "panini models")
    problem(http.get("/v1/models/nobody"), 404)


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer pn_wrong"}, {"Authorization": "Basic eDp5"}, {"X-API-Key": "ü".encode()}],
)
def test_wrong_keys(stack: kit.Stack, double: str, headers: dict[str, Any]) -> None:
    for method, path in (
        ("POST", f"/v1/models/{double}/jobs"),
        ("GET", "/v1/jobs/j_x"),
        ("GET", "/v1/models"),
        ("POST", "/v1/models/x/versions"),
        ("GET", f"/v1/models/{double}/jobs/x"),
    ):
        answer = httpx.request(method, stack.url + path, headers=headers, json={"input": 1}, trust_env=False)
        problem(answer, 401, "Authorization: Bearer pn_")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_key_may_come_as_x_api_key(stack: kit.Stack, double: str) -> None:
    headers = {"X-API-Key": stack.key}
    answer = httpx.post(f"{stack.url}/v1/models/{double}/predict", headers=headers, json={"input": 2}, trust_env=False)
    assert answer.json()["output"] == 4


def test_internal_addresses_are_not_for_a_users_key(http: httpx.Client) -> None:
    paths = {path for path in http.get("/openapi.json").json()["paths"] if "internal" in path}
    assert paths == set()
    for path in ("/internal/snapshot", "/internal/models"):
        assert http.get(path).status_code in {401, 404}


def test_addresses_and_methods_that_are_not_there(http: httpx.Client, double: str) -> None:
    problem(http.get("/v1/nothing/here"), 404, "/docs")
    problem(http.put(f"/v1/models/{double}/jobs", json={}), 405, "PUT")
    problem(http.get(f"/v1/models/{double}/predict"), 405, "GET")


def tar(**members: bytes) -> bytes:
    return archive(*[(name, content, None) for name, content in members.items()])


def archive(*members: tuple[str, bytes, str | None]) -> bytes:
    """A tar of (path, content, link's target)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        for path, content, link in members:
            info = tarfile.TarInfo(path)
            if link is not None:
                info.type, info.linkname = tarfile.SYMTYPE, link
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return out.getvalue()


GOOD = b"def predict(inputs):\n    return inputs\n"
UPLOADS: dict[str, tuple[bytes, int, str]] = {
    "no-predict": (archive(("weights.pt", b"x", None)), 422, "predict.py"),
    "syntax-error": (archive(("predict.py", b"def predict(inputs)\n    return 1\n", None)), 422, "predict.py"),
    "predict-missing": (archive(("predict.py", b"def prdict(inputs):\n    return 1\n", None)), 422, "predict"),
    "wrong-parameters": (archive(("predict.py", b"def predict():\n    return 1\n", None)), 422, "predict(inputs)"),
    "link": (archive(("predict.py", GOOD, None), ("x", b"", "/etc/passwd")), 400, "link"),
    "dots": (archive(("predict.py", GOOD, None), ("../x", b"1", None)), 400, ".."),
    "absolute": (archive(("predict.py", GOOD, None), ("/tmp/x", b"1", None)), 400, "absolute"),
    "twice": (archive(("predict.py", GOOD, None), ("a", b"1", None), ("a", b"2", None)), 400, "twice"),
    "no-archive": (b"PK but no zip", 400, "archive"),
    "git-requirement": (
        archive(("predict.py", GOOD, None), ("requirements.txt", b"git+https://example.com/x.git\n", None)),
        422,
        "requirements.txt",
    ),
    "two-weights": (
        archive(("predict.py", GOOD, None), ("a.pt", b"1", None), ("b.pt", b"2", None)),
        422,
        "panini.toml",
    ),
    "toml": (archive(("predict.py", GOOD, None), ("panini.toml", b"inptu = 'json'", None)), 422, "panini.toml"),
}


@pytest.mark.parametrize("name", UPLOADS)
def test_uploads_that_cannot_be_a_version(http: httpx.Client, name: str) -> None:
    content, status, word = UPLOADS[name]
    headers = {"Content-Type": "application/x-tar"}
    answer = http.post("/v1/models/never-made/versions", content=content, headers=headers)
    found = problem(answer, status)
    assert word in json.dumps(found, ensure_ascii=False), found
    problem(http.get("/v1/models/never-made"), 404)


@pytest.mark.parametrize("name", ["Upper", "a_b", "-a", "a" * 41, "ä"])
def test_bad_names(http: httpx.Client, name: str) -> None:
    headers = {"Content-Type": "application/x-tar"}
    content = archive(("predict.py", GOOD, None))
    answer = http.post(f"/v1/models/{name}/versions", content=content, headers=headers)
    problem(answer, 422, "a-z")


def test_a_bomb_is_stopped(stack: kit.Stack, http: httpx.Client) -> None:
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("predict.py", GOOD)
        packed.writestr("zeros", b"\0" * (256 << 20))
    headers = {"Content-Type": "application/zip"}
    answer = http.post("/v1/models/never-made/versions", content=out.getvalue(), headers=headers)
    problem(answer, 400, "bomb")


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["submit", "nobody", "1"], 2, "nobody"),
        (["deploy", "no-such-folder", "--name", "x"], 2, "no-such-folder"),
        (["submit", "x", "{"], 2, "JSON"),
        (["job", "j_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"], 2, ""),
        (["submit"], 2, "MODEL"),
    ],
)
def test_the_command_line_says_it_in_one_line(stack: kit.Stack, arguments: list[str], code: int, word: str) -> None:
    done = stack.panini(*arguments, code=code)
    assert word in done.stderr
    assert "Traceback" not in done.stderr
