"""Who calls, where the directory knows it, does not, and does not know anything yet."""

from typing import Any

import fastapi
import pytest

from tests.unit.wire import test_directory
from wire import access, directory, problems


def request(known: directory.Directory, key: str = "pn_x") -> fastapi.Request:
    """A request with that key at a process with that directory."""
    app = fastapi.FastAPI()
    app.state.directory = known
    headers = [(b"authorization", f"Bearer {key}".encode())]
    scope: dict[str, Any] = {"type": "http", "app": app, "headers": headers}
    return fastapi.Request(scope)


async def test_a_key_is_its_owners() -> None:
    known = directory.Directory(test_directory.Registry(test_directory.snapshot("1")).fetch)

    assert (await access.caller(request(known))).account == "default"


async def test_an_unknown_key_is_401() -> None:
    known = directory.Directory(test_directory.Registry(test_directory.snapshot("1")).fetch)

    with pytest.raises(problems.Problem) as caught:
        await access.caller(request(known, "pn_other"))

    assert caught.value.status == 401


async def test_a_process_that_started_while_the_registry_is_away_does_not_call_a_good_key_revoked() -> None:
    # Given a registry that is away, and a process that has just started
    registry = test_directory.Registry(test_directory.snapshot("1"))
    registry.away = True
    known = directory.Directory(registry.fetch)

    # When a client comes with its key
    with pytest.raises(problems.Problem) as caught:
        await access.caller(request(known))

    # Then it is to come again, and is let in once the registry is back
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "1")
    registry.away = False
    assert (await access.caller(request(known))).account == "default"
