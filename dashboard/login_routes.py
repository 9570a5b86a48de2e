"""Signing in with a one-time link or an API key, and out."""

from typing import Annotated

from fastapi import APIRouter, Form, Response

from dashboard import errors, guards, sessions

router = APIRouter(route_class=guards.Page)


@router.get("/login")
async def login(visitor: guards.Anyone, token: str = "", next: str = "/") -> Response:  # noqa: A002 - of the address
    """The form; or, with the token of a one-time link, in."""
    if token:
        key = visitor.site.sessions.redeem(token)
        if key is not None:
            return await _enter(visitor, key, next)
        return visitor.page(
            "login.html",
            status=403,
            next=_inside(next),
            refusal="This link was used already, or is older than ten minutes. `panini up` prints a new one; "
            "or sign in with an API key.",
        )
    return visitor.page("login.html", next=_inside(next), refusal="")


@router.post("/login")
async def with_key(
    visitor: guards.Anyone,
    key: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002
) -> Response:
    """Sign in with an API key."""
    return await _enter(visitor, key.strip(), next)


@router.post("/logout")
async def logout(visitor: guards.Anyone) -> Response:
    """Forget the session in this browser."""
    answer = visitor.go("/login", sessions.Flash(text="You are signed out.", detail="Your models run on."))
    answer.delete_cookie(visitor.site.sessions.cookie, path="/")
    return answer


async def _enter(visitor: guards.Visitor, key: str, onward: str) -> Response:
    """Check the key with the API and make a session of it.

    The answer is a page that moves on by itself: after a redirect that began on another site, such as a link in a
    chat, a browser would not yet send a strict cookie.
    """
    refused = "This is no API key of this installation, or it was revoked."
    try:
        current = await visitor.site.backend(key).who() if key.isascii() and key.isprintable() and key else None
    except errors.SignedOut:
        current = None
    if current is None:
        return visitor.page("login.html", status=403, next=_inside(onward), refusal=refused)
    held = sessions.Session(key=key, key_id=current.id, account=current.account, last_four=current.last_four)
    answer = visitor.page("entered.html", next=_inside(onward))
    here = visitor.site.sessions
    visitor.set_cookie(answer, here.cookie, here.seal(held), here.seconds)
    return answer


def _inside(path: str) -> str:
    """A path of this site, whatever the address said."""
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if safe and not path.startswith("/login") else "/"
