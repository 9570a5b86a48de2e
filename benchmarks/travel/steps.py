"""Every step of a job's way, in its order."""

import dataclasses
from collections.abc import Sequence

from benchmarks.travel import api, fetch, meter, place, worker
from results import link


@dataclasses.dataclass(frozen=True, kw_only=True)
class Way:
    """What was measured."""

    sizes: Sequence[int]
    """How many jobs travelled together."""
    steps: Sequence[meter.Step]
    """Of a waiting POST, in order; together they are all that it costs."""
    reading: Sequence[meter.Step]
    """Of a GET, which takes the place of being woken where the client polls."""
    commit: meter.Costs
    """One commit of offsets, whatever it covers."""


async def measure(at: place.Place, sizes: Sequence[int]) -> Way:
    """All of it, on a stack that is idle."""
    over = link.Link(at.connections)
    try:
        await over.call("PING")
        await at.meter.rest()
        request, get = await api.requests(at, sizes)
        accepted, said = await api.accepting(at, over, sizes)
        produced = await api.producing(at, sizes)
        fetched, commit = await fetch.measure(at, sizes, produced)
        decoded = await worker.decoding(at, sizes)
        carried = await worker.carrying(at, sizes, decoded)
        claimed, finished, ended = await worker.storing(at, over, sizes)
        ran, predicted = await worker.running(at, sizes)
        woken = await api.waking(at, sizes)
        looked = await api.reading(at, over, ended[sizes[-1]], sizes)
    finally:
        await over.aclose()
    first = (request, accepted, produced, fetched, decoded, carried, claimed, ran, predicted, finished, woken, said)
    return Way(sizes=sizes, steps=first, reading=(get, looked), commit=commit)
