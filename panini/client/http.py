"""What both clients ask of httpx: settings, requests, replies, and its errors in our words."""

from typing import Any, Final

import httpx

from panini.client import address, errors, exchange, logs

KEPT_ALIVE: Final = 3.0
"""Seconds an idle connection is kept: less than servers keep it, so that a POST never meets one just closed."""


def settings(place: address.Address, timeout: float) -> dict[str, Any]:
    """Arguments of httpx.Client and httpx.AsyncClient."""
    headers = {"User-Agent": "panini-client", "Accept": "application/json"}
    if place.key:
        headers["Authorization"] = f"Bearer {place.key}"
    return {
        "base_url": place.url,
        "headers": headers,
        "timeout": timeout,
        "limits": httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=KEPT_ALIVE),
        "trust_env": not place.local,  # a proxy of the environment must not come between us and this machine
    }


def arguments(request: exchange.Request, timeout: float) -> dict[str, Any]:
    """Arguments of `request()`."""
    return {
        "method": request.method,
        "url": request.path,
        "params": dict(request.query),
        "headers": dict(request.headers),
        "content": request.body,
        "timeout": httpx.Timeout(timeout, read=timeout + request.patience),
    }


def stream_arguments(request: exchange.Request, timeout: float) -> dict[str, Any]:
    """Arguments of `stream()` for a log."""
    return {
        "method": request.method,
        "url": request.path,
        "headers": dict(request.headers),
        "timeout": httpx.Timeout(timeout, read=logs.SILENCE),
    }


def reply(response: httpx.Response) -> exchange.Reply:
    """The answer as a plain value; its body is read already."""
    return exchange.Reply(status=response.status_code, headers=response.headers, body=response.content)


def check_stream(response: httpx.Response) -> None:
    """Whether the answer is an event stream. Raises NotUnderstood."""
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        raise errors.NotUnderstood("it does not come as an event stream; does the address lead to Panini's API?")


def unreachable(error: httpx.RequestError, place: address.Address) -> errors.Unreachable:
    """httpx's error in our words."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        hint = "is it running? `panini up` starts it" if place.local else "check PANINI_URL and the network"
        return errors.Unreachable(f"no Panini answers at {place.url}: {hint} ({_reason(error)})", unsent=True)
    if isinstance(error, httpx.TimeoutException):
        return errors.Unreachable(f"{place.url} did not answer in time; try again, or give more `timeout`")
    return errors.Unreachable(f"the connection to {place.url} was lost ({_reason(error)}); try again")


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
