"""What outbox.lua is told of the webhooks of a batch's jobs."""

from results import keys, link, protocol, records
from wire import webhooks


def codes(hook: protocol.Hook) -> bytes:
    """The ends that are delivered; none: all."""
    return b"" if hook.statuses is None else b"".join(records.CODES[one] for one in hook.statuses)


def url(hook: protocol.Hook) -> str:
    """Where to, as long as an address may be."""
    return hook.url[: webhooks.MAX_URL]


def add(
    account: str,
    model: str,
    hooks: list[tuple[str, protocol.Hook, int]],
    names: list[str],
    arguments: list[link.Argument],
) -> None:
    """To a script's keys and arguments the hooks of its jobs (id, hook, number of the job), where there are any."""
    if not hooks:
        return
    names.append(keys.due(account, model))
    arguments += [keys.DUE, f"{account}:{model}"]
    for job_id, hook, number in hooks:
        names.append(keys.delivery(account, model, job_id))
        arguments += [number, codes(hook), url(hook)]
