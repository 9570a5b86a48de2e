"""What every page goes through: who asks, from where, under which policy, and how errors look."""

import logging
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute

from dashboard import backend, errors, sessions, site

log = logging.getLogger(__name__)

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser sends `Origin: null` with our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
SAFE: Final = frozenset({"GET", "HEAD"})
FLASH: Final = "panini_flash"
THEMES: Final = frozenset({"light", "dark"})


class Visitor:
    """Who asks for a page, and with what."""

    def __init__(self, request: Request, here: site.Site, session: sessions.Session | None) -> None:
        self.request = request
        self.site = here
        self.session = session

    @property
    def api(self) -> backend.Backend:
        """The API with this visitor's key. Raises SignedOut."""
        return self.site.backend(self.signed_in.key)

    @property
    def signed_in(self) -> sessions.Session:
        """The session. Raises SignedOut."""
        if self.session is None:
            raise errors.SignedOut
        return self.session

    @property
    def scripted(self) -> bool:
        """Whether htmx asks, for a part of a page."""
        return self.request.headers.get("hx-request") == "true" and "hx-boosted" not in self.request.headers

    def page(self, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """A page as this visitor sees it."""
        cookies = self.request.cookies
        flash = self.site.sessions.open_flash(cookies.get(FLASH))
        theme = cookies.get("theme")
        html = self.site.pages.render(
            template,
            session=self.session,
            theme=theme if theme in THEMES else None,
            flash=flash,
            public_url=self.site.public_url,
            path=self.request.url.path,
            **context,
        )
        answer = HTMLResponse(html, status)
        if FLASH in cookies:
            answer.delete_cookie(FLASH, path="/")
        return answer

    def go(self, path: str, flash: sessions.Flash | None = None) -> Response:
        """Send the visitor on, with words that the next page says once."""
        answer = RedirectResponse(path, 303)
        if flash is not None:
            self.set_cookie(answer, FLASH, self.site.sessions.seal_flash(flash), sessions.FLASH_SECONDS)
        return answer

    def set_cookie(self, answer: Response, name: str, value: str, seconds: int) -> None:
        """A cookie that scripts cannot read and other sites cannot send."""
        secure = self.site.public_url.startswith("https:")
        answer.set_cookie(name, value, max_age=seconds, path="/", httponly=True, secure=secure, samesite="strict")


async def visitor(request: Request) -> Visitor:
    """Who asks, as a FastAPI dependency. Being signed in is asked for by what needs it."""
    here: site.Site = request.app.state.dashboard
    return Visitor(request, here, here.sessions.open(request.cookies.get(here.sessions.cookie)))


async def member(request: Request) -> Visitor:
    """Who asks, signed in. Raises SignedOut."""
    found = await visitor(request)
    _ = found.signed_in
    return found


Anyone = Annotated[Visitor, Depends(visitor)]
Member = Annotated[Visitor, Depends(member)]


class Page(APIRoute):
    """A route of the dashboard: its policy, the check of forms, and errors as pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handler = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                if request.method not in SAFE:
                    own_site(request)
                answer = await handler(request)
            except errors.DashboardError as error:
                answer = await _told(request, error)
            for name, value in HEADERS.items():
                answer.headers.setdefault(name, value)
            return answer

        return guarded


def own_site(request: Request) -> None:
    """A form is taken from our own pages only. Raises CrossSite.

    Browsers name the page that sends a form in `Origin`; what names none is no browser's form of today.
    """
    origin = request.headers.get("origin")
    here: site.Site = request.app.state.dashboard
    allowed = {request.headers.get("host", ""), urlsplit(here.public_url).netloc}
    if origin is None or urlsplit(origin).netloc not in allowed - {""}:
        raise errors.CrossSite
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise errors.CrossSite


async def _told(request: Request, error: errors.DashboardError) -> Response:
    """An error as its visitor sees it."""
    found = await visitor(request)
    if isinstance(error, errors.SignedOut):
        return _signed_out(found, error)
    status, title, detail = _words(error)
    if status >= 500:
        log.warning("%s %s: %s", request.method, request.url.path, error)
    if found.scripted:
        html = found.site.pages.render("_refused.html", title=title, detail=detail)
        return HTMLResponse(html, status, headers={"HX-Retarget": "#refused", "HX-Reswap": "innerHTML"})
    return found.page("refused.html", status=status, title=title, detail=detail)


def _words(error: errors.DashboardError) -> tuple[int, str, str]:
    match error:
        case errors.ApiRefused():
            return error.status, error.title or "The API said no", error.detail
        case errors.ApiUnavailable():
            return 503, "The API does not answer", str(error)
        case errors.CrossSite():
            return 403, "Not from here", str(error)
        case errors.NoSuchPage():
            return 404, "Not found", str(error)
        case errors.BadInput():
            return 422, "That cannot be read", str(error)
        case _:
            return 500, "The dashboard cannot do that", str(error)


def _signed_out(found: Visitor, error: errors.SignedOut) -> Response:
    request = found.request
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    login = f"/login?next={quote(back, safe='/')}" if request.method in SAFE and back != "/" else "/login"
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": login})
    if "text/event-stream" in request.headers.get("accept", ""):
        return Response(status_code=401)
    flash = sessions.Flash(kind="warn", text=str(error)) if found.session is not None else None
    answer = found.go(login, flash)
    answer.delete_cookie(found.site.sessions.cookie, path="/")
    return answer
