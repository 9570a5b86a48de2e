"""A model's settings: how its live version runs, its variables, its removal."""

from typing import Annotated

from fastapi import APIRouter, Form, Response

from dashboard import errors, guards, sessions, subjects

router = APIRouter(route_class=guards.Page)


@router.get("/models/{model}/settings")
async def settings(visitor: guards.Member, model: str) -> Response:
    """What can be set."""
    subject = await subjects.find(visitor, model)
    try:
        variables, failure = await visitor.api.environ(model), ""
    except errors.ApiRefused as error:
        variables, failure = [], error.detail
    return subjects.page(visitor, "settings.html", subject, variables=variables, failure=failure)


@router.post("/models/{model}/environ")
async def environ(
    visitor: guards.Member, model: str, name: Annotated[str, Form()], value: Annotated[str | None, Form()] = None
) -> Response:
    """Set a variable, or with no value remove it."""
    subject = await subjects.find(visitor, model)
    back = f"/models/{subject.model.model}/settings"
    try:
        await visitor.api.change_environ(model, {name.strip(): value})
    except errors.ApiRefused as error:
        return visitor.go(back, sessions.Flash(kind="bad", text="Nothing was changed.", detail=error.detail))
    said = f"{name.strip()} is removed." if value is None else f"{name.strip()} is set."
    return visitor.go(back, sessions.Flash(text=said, detail="Runners that start from now on have it so."))


@router.post("/models/{model}/remove")
async def remove(visitor: guards.Member, model: str, name: Annotated[str, Form()] = "") -> Response:
    """Remove a model, once its name was typed."""
    subject = await subjects.find(visitor, model)
    if name.strip() != subject.model.model:
        words = sessions.Flash(kind="bad", text=f"{model} stays.", detail=f"To remove it, type its name: {model}")
        return visitor.go(f"/models/{model}/settings", words)
    await visitor.api.remove(model)
    return visitor.go("/", sessions.Flash(text=f"{model} is removed.", detail="So are its versions, logs and topics."))
