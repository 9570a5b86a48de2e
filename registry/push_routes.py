"""The public routes of where a model's results are pushed to: default webhook, its secret, reply topics."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from registry import pushing, refusals, replies, service, tables
from wire import access, specs, webhooks

router = APIRouter(route_class=refusals.Route, tags=["models"])

Caller = Annotated[specs.Key, Depends(access.caller)]


@router.get(
    "/v1/models/{model}/webhook",
    summary="Show a model's default webhook",
    response_model=replies.Webhook,
    responses=refusals.documented(404, 503),
)
async def get_webhook(request: Request, model: str, caller: Caller) -> replies.Webhook:
    """Called for every job of the model that names none of its own; null: nobody is."""
    registry: service.Registry = request.app.state.registry
    return replies.Webhook(url=(await registry.model(caller.account, model)).webhook)


@router.put(
    "/v1/models/{model}/webhook",
    summary="Set a model's default webhook",
    response_model=replies.Webhook,
    responses=refusals.documented(404, 422, 503),
)
async def put_webhook(request: Request, model: str, wanted: replies.Webhook, caller: Caller) -> replies.Webhook:
    """For jobs that end from now on, however they came in. With null nobody is called."""
    row = await _change(request, caller, model, lambda row: pushing.set_webhook(row, wanted.url))
    return replies.Webhook(url=row.webhook)


@router.get(
    "/v1/models/{model}/webhook-secret",
    summary="Show the secret that signs a model's webhooks",
    response_model=replies.WebhookSecret,
    responses=refusals.documented(404, 503),
)
async def get_webhook_secret(request: Request, model: str, caller: Caller) -> replies.WebhookSecret:
    """Give it to any library of Standard Webhooks to check signatures with."""
    registry: service.Registry = request.app.state.registry
    return _secret(request, await registry.model(caller.account, model))


@router.post(
    "/v1/models/{model}/webhook-secret/rotate",
    summary="Replace the secret that signs a model's webhooks",
    response_model=replies.WebhookSecret,
    responses=refusals.documented(404, 503),
)
async def rotate_webhook_secret(request: Request, model: str, caller: Caller) -> replies.WebhookSecret:
    """For 24 hours the secret before it signs too, so that receivers can change over without missing any."""
    return _secret(request, await _change(request, caller, model, pushing.rotate))


@router.get(
    "/v1/models/{model}/reply-topics",
    summary="List the topics that reply_to may name",
    response_model=replies.ReplyTopics,
    responses=refusals.documented(404, 503),
)
async def get_reply_topics(request: Request, model: str, caller: Caller) -> replies.ReplyTopics:
    """By name."""
    registry: service.Registry = request.app.state.registry
    return replies.ReplyTopics(topics=pushing.reply_topics(await registry.model(caller.account, model)))


@router.put(
    "/v1/models/{model}/reply-topics",
    summary="Set the topics that reply_to may name",
    response_model=replies.ReplyTopics,
    responses=refusals.documented(404, 422, 503),
)
async def put_reply_topics(
    request: Request, model: str, wanted: replies.ReplyTopics, caller: Caller
) -> replies.ReplyTopics:
    """These and no others. Panini does not make them: they are yours, and must exist."""
    row = await _change(request, caller, model, lambda row: pushing.set_reply_topics(row, wanted.topics))
    return replies.ReplyTopics(topics=pushing.reply_topics(row))


async def _change(request: Request, caller: specs.Key, model: str, rule: service.Rule) -> tables.Model:
    registry: service.Registry = request.app.state.registry
    row = await registry.change_model(caller.account, model, rule)
    await request.app.state.directory.refresh()
    return row


def _secret(request: Request, row: tables.Model) -> replies.WebhookSecret:
    secrets: webhooks.Secrets = request.app.state.webhook_secrets
    rotated = row.webhook_rotated_at
    return replies.WebhookSecret(
        secret=secrets.secret(row.uid, row.webhook_rotation),
        rotated_at=None if rotated is None else replies.moment(rotated),
    )
