"""Who may see and do what: sessions, forms of other sites, keys that were revoked, an API that is away."""

import httpx
import pytest

from dashboard import sessions
from tests.unit.dashboard import kit

POSTS = (
    "/deploy",
    "/models/iris/upload",
    "/models/iris/try",
    "/models/iris/rollback",
    "/models/iris/environ",
    "/models/iris/remove",
    "/keys",
    "/keys/key_1/revoke",
)


@pytest.mark.parametrize("page", ["/models/iris", "/jobs?status=failed", "/keys"])
async def test_a_stranger_is_sent_to_sign_in_and_back(stranger: httpx.AsyncClient, page: str) -> None:
    answer = await stranger.get(page)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=/")


@pytest.mark.parametrize("page", POSTS)
async def test_a_stranger_changes_nothing(stranger: httpx.AsyncClient, api: kit.Api, page: str) -> None:
    answer = await stranger.post(page, data={"name": "iris", "version": "1"})

    assert answer.status_code in (303, 422)
    assert [call for call in api.calls if call.method != "GET"] == []


@pytest.mark.parametrize("page", [*POSTS, "/login", "/logout"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://panini.evil.example"},
        {"Origin": kit.ORIGIN, "Sec-Fetch-Site": "cross-site"},
        {"Origin": ""},
    ],
)
async def test_forms_of_other_sites_do_nothing(
    visitor: httpx.AsyncClient, api: kit.Api, page: str, headers: dict[str, str]
) -> None:
    answer = await visitor.post(page, headers=headers, data={"name": "iris", "version": "1", "key": kit.KEY})

    assert answer.status_code == 403
    assert api.calls == []


async def test_a_form_that_names_no_origin_does_nothing(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    del visitor.headers["Origin"]

    assert (await visitor.post("/keys")).status_code == 403
    assert api.calls == []


async def test_a_revoked_key_ends_its_sessions(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    api.key = "pn_another"

    answer = await visitor.get("/")

    assert answer.status_code == 303
    assert answer.headers["location"] == "/login"
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert "no longer holds" in (await visitor.get("/login")).text


async def test_an_api_that_is_away_is_told(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    api.away = True

    answer = await visitor.get("/models/iris")

    assert answer.status_code == 503
    assert "The API does not answer" in answer.text


async def test_jobs_that_cannot_be_read_leave_the_rest_of_the_page(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    api.add("iris", kit.version("iris", 1))
    api.refuse["/iris/jobs"] = kit.problem(503, "Results cannot be read now", "the store of results is away")

    answer = await visitor.get("/models/iris")

    assert answer.status_code == 200
    assert "the store of results is away" in answer.text
    assert "panini.default.iris.jobs" in answer.text


@pytest.mark.parametrize("page", ["/models/UPPER", "/models/no-such", "/models/iris/versions/9", "/jobs/..%2Fkeys"])
async def test_what_is_not_there(visitor: httpx.AsyncClient, api: kit.Api, page: str) -> None:
    api.add("iris", kit.version("iris", 1))

    answer = await visitor.get(page)

    assert answer.status_code == 404


async def test_login_with_a_key(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.post("/login", data={"key": f" {kit.KEY} ", "next": "/jobs?status=failed"})

    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert kit.KEY not in cookie
    assert 'content="0; url=/jobs?status=failed"' in answer.text
    assert (await stranger.get("/keys")).status_code == 200


@pytest.mark.parametrize("key", ["", "pn_wrong", "pn_\N{SNOWMAN}", "pn_a\nb"])
async def test_login_with_what_is_no_key(stranger: httpx.AsyncClient, key: str) -> None:
    answer = await stranger.post("/login", data={"key": key})

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_a_link_signs_in_once(stranger: httpx.AsyncClient) -> None:
    link = f"/login?token={sessions.make_login_token(kit.SECRET, kit.KEY)}"

    assert "set-cookie" in (await stranger.get(link)).headers
    stranger.cookies.clear()
    again = await stranger.get(link)

    assert again.status_code == 403
    assert "used already" in again.text


@pytest.mark.parametrize("onward", ["//evil.example", "https://evil.example", "/\\evil.example", "/login?next=/", "x"])
async def test_a_login_leads_nowhere_else(stranger: httpx.AsyncClient, onward: str) -> None:
    answer = await stranger.post("/login", data={"key": kit.KEY, "next": onward})

    assert 'content="0; url=/"' in answer.text


async def test_logout(visitor: httpx.AsyncClient) -> None:
    cookies = (await visitor.post("/logout")).headers.get_list("set-cookie")

    assert any(cookie.startswith(sessions.Sessions(kit.SECRET).cookie) and "Max-Age=0" in cookie for cookie in cookies)


async def test_htmx_is_sent_to_sign_in(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/models/iris", headers={"HX-Request": "true"})

    assert answer.headers["hx-redirect"].startswith("/login")
