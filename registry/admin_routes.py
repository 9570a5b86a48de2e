"""The public routes of what an account keeps beside its models' versions: API keys, and models' variables."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request

from registry import refusals, replies, service
from wire import access, specs

router = APIRouter(route_class=refusals.Route)

Caller = Annotated[specs.Key, Depends(access.caller)]

_VARIABLES = {"HF_TOKEN": "hf_…", "THRESHOLD": "0.5"}


@router.post(
    "/v1/keys",
    status_code=201,
    summary="Make an API key",
    response_model=replies.CreatedKey,
    responses=refusals.documented(422, 503),
    tags=["keys"],
)
async def create_key(request: Request, caller: Caller, wanted: replies.NewKey | None = None) -> replies.CreatedKey:
    """Its text is in this answer and never shown again."""
    registry: service.Registry = request.app.state.registry
    made = await registry.create_key(caller.account, (wanted or replies.NewKey()).name)
    await request.app.state.directory.refresh()
    return replies.created_key(made)


@router.get(
    "/v1/keys",
    summary="List the API keys",
    response_model=replies.Keys,
    responses=refusals.documented(503),
    tags=["keys"],
)
async def list_keys(request: Request, caller: Caller) -> replies.Keys:
    """Those that are not revoked, oldest first."""
    registry: service.Registry = request.app.state.registry
    return replies.Keys(keys=[replies.key(row) for row in await registry.list_keys(caller.account)])


@router.get(
    "/v1/keys/current",
    summary="Show the key of this request",
    response_model=replies.CurrentKey,
    responses=refusals.documented(),
    tags=["keys"],
)
async def current_key(caller: Caller) -> replies.CurrentKey:
    """Whether a key holds, and whose it is."""
    return replies.CurrentKey(id=caller.id, account=caller.account, last_four=caller.last_four)


@router.delete(
    "/v1/keys/{key_id}",
    status_code=204,
    summary="Revoke an API key",
    responses=refusals.documented(404, 409, 503),
    tags=["keys"],
)
async def revoke_key(request: Request, key_id: str, caller: Caller) -> None:
    """It holds everywhere within 5 seconds. The last key cannot be revoked."""
    registry: service.Registry = request.app.state.registry
    await registry.revoke_key(caller.account, key_id)
    await request.app.state.directory.refresh()


@router.get(
    "/v1/models/{model}/environ",
    summary="List the names of a model's variables",
    response_model=replies.Environ,
    responses=refusals.documented(404, 503),
    tags=["models"],
)
async def get_environ(request: Request, model: str, caller: Caller) -> replies.Environ:
    """Names only: values are never shown."""
    registry: service.Registry = request.app.state.registry
    return replies.Environ(names=await registry.environ_names(caller.account, model))


@router.put(
    "/v1/models/{model}/environ",
    summary="Set a model's variables",
    response_model=replies.Environ,
    responses=refusals.documented(404, 422, 503),
    tags=["models"],
)
async def put_environ(
    request: Request, model: str, caller: Caller, environ: Annotated[dict[str, str], Body(examples=[_VARIABLES])]
) -> replies.Environ:
    """These and no others: variables that are not named are gone. Encrypted at rest, and never logged."""
    registry: service.Registry = request.app.state.registry
    return replies.Environ(names=await registry.set_environ(caller.account, model, environ, replace=True))


@router.patch(
    "/v1/models/{model}/environ",
    summary="Change some of a model's variables",
    response_model=replies.Environ,
    responses=refusals.documented(404, 422, 503),
    tags=["models"],
)
async def patch_environ(
    request: Request, model: str, caller: Caller, environ: Annotated[dict[str, str | None], Body(examples=[_VARIABLES])]
) -> replies.Environ:
    """Those that are named are set, or with null removed; the others stay."""
    registry: service.Registry = request.app.state.registry
    return replies.Environ(names=await registry.set_environ(caller.account, model, environ, replace=False))
