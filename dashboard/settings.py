"""Settings of the dashboard."""

import pydantic

from wire import settings


class Settings(settings.Base):
    """How the pages behave."""

    dashboard_api: str = ""
    """Address of the API that the pages ask, such as `http://127.0.0.1:8080`; empty: the entry point names it."""
    dashboard_session_hours: float = pydantic.Field(168.0, gt=0)
    """Hours after which a visitor signs in again; default 168 (7 days). A revoked key ends its sessions at once."""
    dashboard_refresh: float = pydantic.Field(2.0, ge=0.1)
    """Seconds between two looks at the API while a page shows a live list; default 2. One look a page that is open."""
    dashboard_try_wait: float = pydantic.Field(20.0, ge=0, le=60)
    """Seconds that `Try it` waits for its answer before the page follows the job instead; default 20."""
    dashboard_form_bytes: int = pydantic.Field(2 << 30, ge=1024)
    """Bytes of an upload from a browser without script at most; default 2 GiB. Such a form is kept on this disk before
    it goes on to the API; with script it streams through."""
