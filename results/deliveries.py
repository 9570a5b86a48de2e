"""The outbox of webhooks in Redis: taken in leases by any number of processes, and the log of what became of each.

A delivery is a hash that `outbox.lua` makes together with the job's end: url, state, step (tries of this round), tries
(in all), lease (token of whoever tries it now), try1, try2 … (JSON of `Try`). When its next try is due, a sorted set
says. Who takes it moves that moment to the lease's end, so that a process which dies over it loses nothing.
"""

import enum
import secrets
from typing import Any, Final

import msgspec

from results import keys, link, lua, schedule

KEPT: Final = 30
"""Tries whose outcome is kept for a delivery: a round of ten, and some redeliveries by hand."""

OFF_MS: Final = 7 * 24 * 3600 * 1000
"""Milliseconds for which a webhook that answered 410 is called no more."""


class State(enum.StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """All its tries failed."""
    DISABLED = "disabled"
    """Its receiver answered 410: it wants no more."""


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """What one try came to."""

    at: int
    """Unix milliseconds."""
    duration_ms: int
    status: int | None = None
    """HTTP status; none: there was no answer."""
    error: str | None = None
    """Why it did not arrive."""
    reply: str = ""
    """The beginning of the receiver's answer."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that this process is to try now."""

    account: str
    model: str
    id: str
    url: str
    step: int
    """Tries of this round so far."""
    off: bool
    """The URL answered 410 to an earlier delivery."""
    token: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery and its log."""

    url: str
    state: State
    tries: list[tuple[int, Try]]
    """Number and outcome, the newest last."""
    next_at: int | None
    """Unix milliseconds of the next try."""


class Outbox:
    """Deliveries. Every method raises StoreUnavailable when Redis is away."""

    def __init__(self, over: link.Link) -> None:
        self._link = over
        self._scripts = lua.Scripts(over)

    async def take(
        self, account: str, model: str, *, now_ms: int, lease_ms: int, limit: int
    ) -> tuple[list[Taken], int | None]:
        """Deliveries that are due, and when (Unix ms) to look again; none: there are no others."""
        token = secrets.token_hex(8)
        names = [keys.due(account, model), keys.off(account, model)]
        prefix = keys.delivery(account, model, "")
        found = await self._scripts.run("due", names, [prefix, now_ms, now_ms + lease_ms, limit, token])
        taken = [
            Taken(
                account=account,
                model=model,
                id=found[i].decode(),
                url=found[i + 1].decode(),
                step=int(found[i + 2]),
                off=bool(found[i + 4]),
                token=token,
            )
            for i in range(1, len(found), 5)
        ]
        return taken, int(float(found[0])) if found[0] else None

    async def settle(
        self,
        taken: Taken,
        state: State,
        *,
        now_ms: int,
        step: int,
        next_at: int | None,
        tried: Try | None,
    ) -> bool:
        """Write down what a delivery came to. False: its lease was over, and another has it."""
        account, model = taken.account, taken.model
        names = [keys.due(account, model), keys.delivery(account, model, taken.id), keys.off(account, model)]
        arguments: list[link.Argument] = [
            taken.id,
            taken.token,
            state,
            step,
            "" if next_at is None else next_at,
            "" if tried is None else msgspec.json.encode(tried),
            taken.url if state is State.DISABLED else "",
            now_ms,
            OFF_MS,
            KEPT,
        ]
        return bool(await self._scripts.run("settle", names, arguments))

    async def redeliver(self, account: str, model: str, job_id: str, *, now_ms: int) -> bool | None:
        """Begin a delivery anew. False: the job has none. None: its result is gone."""
        names = [
            keys.due(account, model),
            keys.delivery(account, model, job_id),
            keys.off(account, model),
            keys.job(account, model, job_id),
        ]
        arguments: list[link.Argument] = [job_id, now_ms, schedule.SPAN_MS, keys.DUE, f"{account}:{model}"]
        done: int = await self._scripts.run("redeliver", names, arguments)
        return None if done < 0 else bool(done)

    async def show(self, account: str, model: str, job_id: str) -> Delivery | None:
        """A job's delivery; none: it has no webhook, or has not ended."""
        flat: list[Any] = await self._link.call("HGETALL", keys.delivery(account, model, job_id))
        if not flat:
            return None
        fields = {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}
        numbers = sorted(int(name[3:]) for name in fields if name[:3] == "try" and name[3:].isdigit())
        due = await self._link.call("ZSCORE", keys.due(account, model), job_id)
        return Delivery(
            url=fields["url"].decode(),
            state=State(fields["state"].decode()),
            tries=[(number, msgspec.json.decode(fields[f"try{number}"], type=Try)) for number in numbers],
            next_at=int(float(due)) if due is not None else None,
        )
