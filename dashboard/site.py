"""The dashboard as an app holds it: `app.state.dashboard`, made by the entry point."""

import asyncio
import functools

import httpx

from dashboard import assets, backend, pages, sessions, settings, snippets


class Site:
    """What every page needs: the API, the visitors' sessions, the addresses to show, and the templates."""

    def __init__(
        self,
        api: httpx.AsyncClient,
        secret: bytes,
        public_url: str,
        *,
        config: settings.Settings | None = None,
        kafka: snippets.Kafka | None = None,
    ) -> None:
        """
        Args:
            api: asks the public HTTP API over a real socket (`backend.client`): logs are followed through it.
            secret: the installation's internal secret; login links and cookies are sealed with keys derived from it.
            public_url: address that visitors and clients reach, without a slash at its end.
            config: none: the defaults.
            kafka: where pipelines reach Kafka; none: the pages do not show it.
        """
        self.api = api
        self.public_url = public_url.rstrip("/")
        self.config = config or settings.Settings.load()
        self.kafka = kafka
        self.sessions = sessions.Sessions(secret, hours=self.config.dashboard_session_hours)
        self.assets = assets.Assets()
        self.closing = asyncio.Event()
        """Set: every page's stream ends."""

    @functools.cached_property
    def pages(self) -> pages.Pages:
        """The templates, read at the first page."""
        return pages.Pages(self.assets)

    def backend(self, key: str) -> backend.Backend:
        """The API with a visitor's key."""
        return backend.Backend(self.api, key)

    def release(self) -> None:
        """End every page's stream: call it when the process is asked to stop."""
        self.closing.set()
