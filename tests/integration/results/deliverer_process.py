"""A process that delivers webhooks, for tests that kill it: URL of Redis, signing key, endpoint as JSON."""

import asyncio
import sys

import msgspec

from results import deliverer, link, sending, settings, store
from wire import ids, specs, webhooks
from wire import settings as wire_settings


async def main() -> None:
    """Deliver until killed."""
    over = link.Link(wire_settings.Connections(redis=sys.argv[1]))
    key = sys.argv[2].encode()
    endpoint = msgspec.json.decode(sys.argv[3], type=specs.Endpoint)
    made = deliverer.Deliverer(
        over,
        store.Store(over),
        endpoints=lambda: [endpoint],
        secrets=webhooks.Secrets(key),
        signer=ids.Signer({0: key}, 0),
        sender=sending.Sender(private=True, timeout=30),
        options=settings.Push(webhook_timeout=30),
    )
    await made.run()


if __name__ == "__main__":
    asyncio.run(main())
