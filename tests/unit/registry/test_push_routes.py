"""Where a model's results are pushed to, as its author sets it."""

import httpx
import pytest

from registry import service
from tests.unit.registry import kit
from wire import webhooks

MODEL = "/v1/models/iris"


@pytest.fixture(autouse=True)
async def deployed(http: httpx.AsyncClient) -> None:
    answer = await http.post(f"{MODEL}/versions", files=kit.form({"predict.py": kit.PREDICT}))
    assert answer.status_code == 202


async def test_the_default_webhook(http: httpx.AsyncClient, registry: service.Registry) -> None:
    assert (await http.get(f"{MODEL}/webhook")).json() == {"url": None}

    answer = await http.put(f"{MODEL}/webhook", json={"url": "https://example.com/hook"})

    assert (answer.status_code, answer.json()) == (200, {"url": "https://example.com/hook"})
    snapshot = await registry.snapshot()
    assert snapshot is not None
    assert snapshot.endpoints[0].webhook == "https://example.com/hook"
    assert (await registry.specs()).models[0].webhook == "https://example.com/hook"
    await http.put(f"{MODEL}/webhook", json={"url": None})
    assert (await http.get(f"{MODEL}/webhook")).json() == {"url": None}


@pytest.mark.parametrize("url", ["ftp://example.com", "https://u:p@example.com", "https://" + "x" * 3000, 7])
async def test_a_bad_webhook_is_refused(http: httpx.AsyncClient, url: object) -> None:
    assert (await http.put(f"{MODEL}/webhook", json={"url": url})).status_code == 422
    assert (await http.put("/v1/models/tulip/webhook", json={"url": "https://example.com"})).status_code == 404


async def test_the_secret_and_its_rotation(http: httpx.AsyncClient, registry: service.Registry) -> None:
    first = (await http.get(f"{MODEL}/webhook-secret")).json()
    assert first["secret"].startswith("whsec_")
    assert first["rotated_at"] is None

    second = (await http.post(f"{MODEL}/webhook-secret/rotate")).json()

    assert second["secret"] != first["secret"]
    assert second["rotated_at"] is not None
    assert (await http.get(f"{MODEL}/webhook-secret")).json() == second
    snapshot = await registry.snapshot()
    assert snapshot is not None
    [endpoint] = snapshot.endpoints
    assert (endpoint.webhook_rotation, endpoint.webhook_rotated_at is not None) == (1, True)
    secrets = webhooks.Secrets(b"signing")
    assert second["secret"] == secrets.secret(endpoint.model_uid, 1)


async def test_reply_topics(http: httpx.AsyncClient, registry: service.Registry) -> None:
    assert (await http.get(f"{MODEL}/reply-topics")).json() == {"topics": []}

    answer = await http.put(f"{MODEL}/reply-topics", json={"topics": ["orders.results", "b", "b"]})

    assert answer.json() == {"topics": ["b", "orders.results"]}
    snapshot = await registry.snapshot()
    assert snapshot is not None
    assert snapshot.endpoints[0].reply_topics == ["b", "orders.results"]
    assert (await registry.specs()).models[0].reply_topics == ["b", "orders.results"]


@pytest.mark.parametrize(
    "named",
    [["panini.default.iris.jobs"], ["__consumer_offsets"], ["a b"], [""], [".."], ["x" * 250], [7]],
)
async def test_bad_reply_topics_are_refused(http: httpx.AsyncClient, named: list[object]) -> None:
    assert (await http.put(f"{MODEL}/reply-topics", json={"topics": named})).status_code == 422
    many = [f"t{number}" for number in range(51)]
    assert (await http.put(f"{MODEL}/reply-topics", json={"topics": many})).status_code == 422
