"""API keys."""

from typing import Annotated

from fastapi import APIRouter, Form, Response

from dashboard import errors, guards, sessions

router = APIRouter(route_class=guards.Page)


@router.get("/keys")
async def keys(visitor: guards.Member) -> Response:
    """The account's keys."""
    return visitor.page("keys.html", keys=list(reversed(await visitor.api.keys())))


@router.post("/keys")
async def create(
    visitor: guards.Member, name: Annotated[str, Form(max_length=100)] = "", back: Annotated[str, Form()] = "/keys"
) -> Response:
    """Make a key. Its text travels in a sealed cookie to the next page, is shown there, and is gone."""
    made = await visitor.api.create_key(name.strip())
    flash = sessions.Flash(text=f"Key “{made.name or 'without a name'}” is ready.", key=made.key)
    return visitor.go(back if back.startswith("/models/") else "/keys", flash)


@router.get("/keys/{key_id}/revoke")
async def ask_revoke(visitor: guards.Member, key_id: str) -> Response:
    """Ask: nothing brings a revoked key back."""
    found = next((key for key in await visitor.api.keys() if key.id == key_id), None)
    if found is None:
        raise errors.NoSuchPage("There is no such key; it may have been revoked already.")
    return visitor.page("revoke.html", key=found)


@router.post("/keys/{key_id}/revoke")
async def revoke(visitor: guards.Member, key_id: str) -> Response:
    """Revoke a key."""
    try:
        await visitor.api.revoke_key(key_id)
    except errors.ApiRefused as error:
        return visitor.go("/keys", sessions.Flash(kind="bad", text="The key still holds.", detail=error.detail))
    if key_id == visitor.signed_in.key_id:
        return visitor.go("/login", sessions.Flash(text="The key is revoked.", detail="It was this session's own."))
    return visitor.go(
        "/keys", sessions.Flash(text="The key is revoked.", detail="It stops working everywhere within 5 s.")
    )
