"""Who calls: the API key of a request, checked against the directory that the entry point put into `app.state`."""

import hmac

from fastapi import Request

from wire import directory, problems, specs


def presented_key(authorization: str | None, x_api_key: str | None) -> str | None:
    """The key of `Authorization: Bearer …` or `X-API-Key: …`."""
    if authorization and authorization[:7].lower() == "bearer ":
        return authorization[7:].strip()
    return x_api_key


async def caller(request: Request) -> specs.Key:
    """The caller's key, as a FastAPI dependency. Raises Problem 401; 503 where no key is known here yet."""
    presented = presented_key(request.headers.get("authorization"), request.headers.get("x-api-key"))
    if not presented:
        raise unauthorized("no API key")
    known: directory.Directory = request.app.state.directory
    found = known.key(presented)
    if found is None:
        await known.fresh()
        found = known.key(presented)
    if found is None and not known.loaded:
        raise problems.Problem(
            503,
            "Keys cannot be checked yet",
            "this process has just started and the registry does not answer it; send it again",
            headers={"Retry-After": "1"},
        )
    if found is None:
        raise unauthorized("unknown or revoked API key")
    return found


async def endpoint(request: Request, key: specs.Key, model: str) -> specs.Endpoint:
    """The caller's model; one that is not live was perhaps made so a moment ago. Raises Problem 404."""
    known: directory.Directory = request.app.state.directory
    found = known.endpoint(key.account, model)
    if found is None or found.live is None:
        await known.fresh()
        found = known.endpoint(key.account, model)
    if found is None:
        raise unknown_model(model)
    return found


async def service(request: Request) -> None:
    """Only Panini's own processes pass: `Authorization: Bearer` with the internal token. Raises Problem 401."""
    presented = presented_key(request.headers.get("authorization"), None) or ""
    expected: str = request.app.state.internal_token
    if not expected or not hmac.compare_digest(presented.encode(), expected.encode()):
        raise problems.Problem(401, "Not a service of this installation", "send the internal token")


def unauthorized(why: str) -> problems.Problem:
    """The one 401 of the API."""
    return problems.Problem(
        401,
        "API key needed",
        f"{why}: send Authorization: Bearer pn_… (on a laptop the key lies in the file that `panini status` names)",
        headers={"WWW-Authenticate": "Bearer"},
    )


def unknown_model(model: str) -> problems.Problem:
    """The one 404 of a model."""
    return problems.Problem(404, "No such model", f"there is no model {model!r}; `panini models` lists yours")
