"""panini.client: Panini's API in Python, `Client` for ordinary programs and `AsyncClient` for asyncio.

Requests, retries, waiting and parsing are plain flows (`exchange`, `calls`, `logs`); the two clients only carry them.
Nothing here knows Kafka or Redis.

    from panini.client import Client
    c = Client()
    print(c.predict("iris", [5.1, 3.5, 1.4, 0.2]))
"""

from panini.client import errors
from panini.client.asynchronous import AsyncClient, AsyncJob
from panini.client.events import JobEvent
from panini.client.records import Line, Model, Version
from panini.client.sync import Client, Job

__all__ = ["AsyncClient", "AsyncJob", "Client", "Job", "JobEvent", "Line", "Model", "Version", "errors"]
