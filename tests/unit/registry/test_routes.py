"""The public routes: uploads in every form, what refusals say, models, logs, keys and variables."""

import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from registry import errors, service
from tests.unit.registry import kit
from wire import names, specs

FILES = {"predict.py": kit.PREDICT, "requirements.txt": b"numpy\n", "sub/model.pt": b"weights"}
UPLOAD = "/v1/models/iris/versions"
FORM = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="file"'


async def upload(http: httpx.AsyncClient, files: dict[str, bytes] | None = None, **fields: str) -> httpx.Response:
    """Post a form."""
    return await http.post(UPLOAD, files=kit.form(files or FILES), data=fields)


def paths(answer: httpx.Response) -> list[str]:
    """Paths of a version's files."""
    return [file["path"] for file in answer.json()["files"]]


async def test_a_form(http: httpx.AsyncClient) -> None:
    # When
    answer = await upload(http, input="floats", framework="pytorch", sample="[1.5]")
    # Then
    body = answer.json()
    assert answer.status_code == 202
    assert (body["model"], body["version"], body["state"]) == ("iris", 1, "building")
    assert body["topic"] == names.jobs_topic("default", "iris")
    assert answer.headers["location"] == body["urls"]["self"] == "/v1/models/iris/versions/1"
    assert body["urls"]["log"] == "/v1/models/iris/versions/1/log"
    assert body["urls"]["jobs"] == "/v1/models/iris/jobs"
    assert body["options"]["input"] == "floats"
    assert body["options"]["weights"] == "sub/model.pt"
    assert body["created_at"].endswith("Z")
    assert paths(answer) == sorted(FILES)
    assert (await http.get(answer.headers["location"])).json() == body


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (kit.tar(FILES), "application/x-tar"),
        (kit.targz(FILES), "application/gzip"),
        (kit.zipped(FILES), "application/zip"),
        (kit.zipped(FILES), "application/octet-stream"),
    ],
)
async def test_an_archive_as_the_body(http: httpx.AsyncClient, data: bytes, kind: str) -> None:
    parameters = {"input": "ints", "sample": "[1]"}
    answer = await http.post(UPLOAD, content=data, headers={"Content-Type": kind}, params=parameters)
    assert answer.status_code == 202
    assert paths(answer) == sorted(FILES)
    assert answer.json()["options"]["input"] == "ints"


@pytest.mark.parametrize("name", ["bundle.zip", "bundle.tar.gz", "bundle.tgz", "bundle.tar"])
async def test_an_archive_inside_a_form(http: httpx.AsyncClient, name: str) -> None:
    pack = kit.zipped if name.endswith("zip") else kit.tar if name.endswith("tar") else kit.targz
    answer = await upload(http, {name: pack(FILES)})
    assert answer.status_code == 202
    assert paths(answer) == sorted(FILES)


async def test_every_way_gives_the_same_digest(http: httpx.AsyncClient) -> None:
    first = await upload(http)
    again = await upload(http, {f"folder/{name}": data for name, data in FILES.items()})
    packed = await upload(http, {"x.zip": kit.zipped({f"top/{name}": data for name, data in FILES.items()})})
    assert first.status_code == 202
    for answer in (again, packed):
        assert answer.status_code == 200
        assert answer.json() == first.json() | {"unchanged": True}


async def test_a_body_in_tiny_pieces(http: httpx.AsyncClient) -> None:
    # Given a form cut at every byte
    request = http.build_request("POST", UPLOAD, files=kit.form(FILES), data={"input": "json"})
    body, content_type = await request.aread(), request.headers["content-type"]

    async def pieces() -> AsyncIterator[bytes]:
        for place in range(len(body)):
            yield body[place : place + 1]

    # When
    answer = await http.post(UPLOAD, content=pieces(), headers={"Content-Type": content_type})
    # Then
    assert answer.status_code == 202
    assert paths(answer) == sorted(FILES)


def refused(answer: httpx.Response, status: int) -> str:
    """The detail of a problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    return str(body["detail"])


@pytest.mark.parametrize(
    ("files", "status", "why"),
    [
        ({"a.txt": b""}, 422, "no predict.py"),
        ({"predict.py": b"def predict(inputs:\n"}, 422, "line 1"),
        ({"predict.py": b"x = 1"}, 422, "no function predict"),
        (FILES | {"requirements.txt": b"-e ."}, 422, "requirements.txt, line 1"),
        (FILES | {"panini.toml": b"inptu = 1"}, 422, "did you mean 'input'"),
        (FILES | {"b.pt": b""}, 422, "2 weights files"),
        (FILES | {"../evil": b""}, 400, "leads out of the bundle"),
        (FILES | {"Predict.py": b""}, 400, "only in case"),
        ({"x.zip": b"no zip"}, 400, "cannot be read"),
        ({"x.zip": kit.zipped({})}, 422, "the bundle is empty"),
    ],
)
async def test_bad_bundles(
    http: httpx.AsyncClient, topics: kit.Topics, files: dict[str, bytes], status: int, why: str
) -> None:
    assert why in refused(await upload(http, files), status)
    assert topics.uuids == {}
    refused(await http.get("/v1/models/iris"), 404)


async def test_a_refusal_names_file_and_line(http: httpx.AsyncClient) -> None:
    body = (await upload(http, {"predict.py": b"x = 1\ndef predict(inputs)\n"})).json()
    assert (body["file"], body["line"]) == ("predict.py", 2)


@pytest.mark.parametrize("name", ["Iris", "-iris", "iris-", "a_b", "x" * 41, "%20"])
async def test_bad_names(http: httpx.AsyncClient, name: str) -> None:
    answer = await http.post(f"/v1/models/{name}/versions", files=kit.form(FILES))
    assert "cannot be a model's name" in refused(answer, 422)


@pytest.mark.parametrize(
    ("content", "kind", "status", "why"),
    [
        (b"", "application/x-tar", 400, "the body is empty"),
        (b"{}", "application/json", 415, "multipart/form-data"),
        (b"x", "", 415, "no Content-Type"),
        (b"x", "multipart/form-data", 400, "without a boundary"),
        (b"nothing of the kind", FORM, 400, "multipart body"),
        (PART + b'; filename="a"\r\n\r\ncut', FORM, 400, "too early"),
        (PART + b"\r\n\r\nx\r\n--b--\r\n", FORM, 400, "no option"),
        (PART + b'; filename=""\r\n\r\nx\r\n--b--\r\n', FORM, 400, "without a name"),
        (PART + b'; filename=""\r\n\r\n\r\n--b--\r\n', FORM, 422, "empty"),
    ],
)
async def test_bodies_that_cannot_be_read(
    http: httpx.AsyncClient, content: bytes, kind: str, status: int, why: str
) -> None:
    assert why in refused(await http.post(UPLOAD, content=content, headers={"Content-Type": kind}), status)


async def test_wrong_fields(http: httpx.AsyncClient) -> None:
    assert "the field 'colour' is no option" in refused(await upload(http, colour="red"), 400)
    assert "input is 'image'" in refused(await upload(http, input="image"), 422)
    assert "larger than" in refused(await upload(http, input="x" * 100_000), 400)
    assert "no JSON" in refused(await upload(http, sample="{"), 422)


async def test_larger_than_allowed(http: httpx.AsyncClient, registry: service.Registry) -> None:
    # Given a limit of 1000 bytes
    small = registry.settings.model_copy(update={"upload_bytes": 1000})
    registry.settings = small

    def stream() -> Iterator[bytes]:
        yield kit.tar({"predict.py": kit.PREDICT, "big": bytes(5000)})

    # When / Then it is refused by its announced length, by its real one, and inside a form
    tar = {"Content-Type": "application/x-tar"}
    assert "1,000 bytes" in refused(await http.post(UPLOAD, content=b"x" * 1001, headers=tar), 413)
    assert "1,000 bytes" in refused(await http.post(UPLOAD, content=_async(stream()), headers=tar), 413)
    assert "1,000 bytes" in refused(await upload(http, {"predict.py": kit.PREDICT, "big": bytes(5000)}), 413)
    staged = registry.settings.registry_folder / "staging"
    assert list(staged.iterdir()) == []


async def _async(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_kafka_down(http: httpx.AsyncClient, topics: kit.Topics) -> None:
    topics.failure = errors.KafkaUnavailable()
    answer = await upload(http)
    assert "Kafka does not answer" in refused(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    assert (await http.get("/v1/models")).json() == {"models": []}


async def test_models_and_versions(http: httpx.AsyncClient, registry: service.Registry) -> None:
    # Given
    await upload(http, input="floats")
    await registry.passed("default", "iris", 1, specs.Verdict(batching=specs.Batching.OPEN, why="the same"))
    await upload(http, input="ints")
    await registry.failed("default", "iris", 2, step="load", error="no such file")
    # When
    model = (await http.get("/v1/models/iris")).json()
    versions = (await http.get(UPLOAD)).json()["versions"]
    # Then
    assert (model["live"], model["newest"], model["state"], model["building"]) == (1, 2, "live", False)
    assert (model["input"], model["account"]) == ("floats", "default")
    assert (await http.get("/v1/models")).json() == {"models": [model]}
    assert [(each["version"], each["state"]) for each in versions] == [(2, "failed"), (1, "live")]
    assert (versions[0]["failed_step"], versions[0]["error"]) == ("load", "no such file")
    moment = "1970-01-01T00:00:00.000Z"
    assert versions[1]["verdict"] == {"batching": "open", "why": "the same", "advice": None, "judged_at": moment}
    assert "3" in refused(await http.get(f"{UPLOAD}/3"), 404)


async def test_rollback(http: httpx.AsyncClient, registry: service.Registry) -> None:
    for number, kind in enumerate(("floats", "ints", "json"), 1):
        await upload(http, input=kind)
        if number < 3:
            await registry.passed("default", "iris", number)
    answer = await http.post("/v1/models/iris/rollback", json={"version": 1})
    assert (answer.status_code, answer.json()["live"]) == (200, 1)
    assert "is building" in refused(await http.post("/v1/models/iris/rollback", json={"version": 3}), 409)
    refused(await http.post("/v1/models/iris/rollback", json={"version": 4}), 404)
    refused(await http.post("/v1/models/tulip/rollback", json={"version": 1}), 404)


async def test_removing(http: httpx.AsyncClient) -> None:
    await upload(http)
    assert (await http.delete("/v1/models/iris")).status_code == 204
    refused(await http.get("/v1/models/iris"), 404)
    refused(await http.delete("/v1/models/iris"), 404)


async def test_the_log_as_text(http: httpx.AsyncClient, registry: service.Registry) -> None:
    # Given
    await upload(http)
    await registry.append_log("default", "iris", 1, "making the environment\nloading")
    # When
    answer = await http.get(f"{UPLOAD}/1/log")
    # Then
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.splitlines()[2:] == ["making the environment", "loading"]
    assert answer.text.startswith("version 1 of iris: 3 files, 52 bytes\n")
    assert (await http.get("/v1/models/iris/log")).text == answer.text
    assert (await http.get(f"{UPLOAD}/1/log", params={"after": 3})).text == "loading\n"
    refused(await http.get(f"{UPLOAD}/2/log"), 404)
    refused(await http.get("/v1/models/tulip/log"), 404)


def events(text: str) -> list[dict[str, str]]:
    """Server-Sent Events as dicts."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


async def test_the_log_as_events(http: httpx.AsyncClient, registry: service.Registry) -> None:
    # Given
    await upload(http)
    await registry.append_log("default", "iris", 1, "loading")
    await registry.failed("default", "iris", 1, step="load", error="no such file")
    # When
    answer = await http.get(f"{UPLOAD}/1/log", headers={"Accept": "text/event-stream"})
    # Then
    found = events(answer.text)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [(each.get("id"), each["event"]) for each in found] == [
        ("1", "line"),
        ("2", "line"),
        ("3", "line"),
        (None, "state"),
    ]
    assert found[2]["data"] == "loading"
    assert json.loads(found[3]["data"])["failed_step"] == "load"
    # and it resumes
    resumed = await http.get(f"{UPLOAD}/1/log", params={"follow": True}, headers={"Last-Event-ID": "2"})
    assert events(resumed.text) == found[2:]
    newest = await http.get("/v1/models/iris/log", params={"follow": True, "until": "built", "after": 3})
    assert events(newest.text) == found[3:]


async def test_keys(http: httpx.AsyncClient, registry: service.Registry) -> None:
    # Given
    made = await http.post("/v1/keys", json={"name": "pipeline"})
    assert made.status_code == 201
    key = made.json()
    other = {"Authorization": f"Bearer {key['key']}"}
    # When it is used at once, and listed
    assert (await http.get("/v1/models", headers=other)).status_code == 200
    current = (await http.get("/v1/keys/current", headers={"Authorization": f"Bearer {made.json()['key']}"})).json()
    assert current == {"id": made.json()["id"], "account": "default", "last_four": made.json()["last_four"]}
    listed = (await http.get("/v1/keys")).json()["keys"]
    assert [each["name"] for each in listed] == ["first", "pipeline"]
    assert "key" not in listed[1]
    assert listed[1]["last_four"] == key["key"][-4:]
    # Then revoked it is refused at once
    assert (await http.delete(f"/v1/keys/{key['id']}")).status_code == 204
    assert "revoked" in refused(await http.get("/v1/models", headers=other), 401)
    refused(await http.delete(f"/v1/keys/{key['id']}"), 404)
    assert "make another first" in refused(await http.delete(f"/v1/keys/{listed[0]['id']}"), 409)
    assert (await http.post("/v1/keys")).status_code == 201


@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer pn_wrong", "Basic x", f"Bearer {kit.TOKEN}"])
async def test_no_key(http: httpx.AsyncClient, authorization: str | None) -> None:
    del http.headers["Authorization"]
    headers = {"Authorization": authorization} if authorization else {}
    for method, path in (("GET", "/v1/models"), ("POST", UPLOAD), ("GET", "/v1/keys"), ("DELETE", "/v1/models/x")):
        answer = await http.request(method, path, headers=headers)
        assert "Authorization: Bearer" in refused(answer, 401)


async def test_variables(http: httpx.AsyncClient, registry: service.Registry) -> None:
    await upload(http)
    path = "/v1/models/iris/environ"
    assert (await http.put(path, json={"B": "secret", "A": "1"})).json() == {"names": ["A", "B"]}
    assert (await http.patch(path, json={"A": None, "C": "3"})).json() == {"names": ["B", "C"]}
    assert (await http.get(path)).json() == {"names": ["B", "C"]}
    assert "secret" not in (await http.get("/v1/models/iris")).text
    assert "'1' cannot be" in refused(await http.put(path, json={"1": "x"}), 422)
    refused(await http.put("/v1/models/tulip/environ", json={}), 404)


async def test_internal_routes_want_the_token(http: httpx.AsyncClient) -> None:
    for method, path in (
        ("GET", "/internal/v1/snapshot"),
        ("GET", "/internal/v1/models"),
        ("GET", "/internal/v1/blobs/" + "0" * 64),
        ("POST", "/internal/v1/models/default/iris/versions/1/state"),
    ):
        refused(await http.request(method, path), 401)


async def test_openapi_is_complete(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    assert not any(path.startswith("/internal") for path in document["paths"])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            assert "401" in operation["responses"], (method, path)
            assert any(status.startswith("2") for status in operation["responses"])
    body = document["paths"]["/v1/models/{model}/versions"]["post"]
    assert set(body["requestBody"]["content"]) >= {"multipart/form-data", "application/x-tar", "application/zip"}
    assert {"200", "202", "400", "413", "415", "422", "503"} <= set(body["responses"])
