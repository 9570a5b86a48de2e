"""A lived-in account: jobs that end while they are watched, the way back, keys, and every page in silence."""

import re
from collections.abc import Iterator

import pytest
from playwright import sync_api
from playwright.sync_api import expect

from tests.e2e import kit as stacks
from tests.e2e.dashboard import kit

SLOW = {
    "predict.py": "import time\n\ndef predict(inputs):\n    for x in inputs:\n        time.sleep(x)\n"
    "    return [[round(x, 4)] * 40 for x in inputs]\n"
}
FAULTY = {"predict.py": "import not_there\n\ndef predict(inputs):\n    return inputs\n"}
PAGES = (
    "/",
    "/jobs",
    "/jobs?status=succeeded",
    "/keys",
    "/deploy",
    "/deploy?model={name}",
    "/models/{name}",
    "/models/{name}/try",
    "/models/{name}/jobs",
    "/models/{name}/versions",
    "/models/{name}/versions/1",
    "/models/{name}/logs",
    "/models/{name}/settings",
    "/jobs/{job}",
)


@pytest.fixture(scope="module")
def slow(stack: stacks.Stack) -> str:
    """A model that sleeps as long as it is told, in its second version."""
    stack.deploy(SLOW, name="sleeper")
    return stack.deploy(SLOW | {"notes.txt": "the second"}, name="sleeper")


@pytest.fixture(scope="module")
def job(stack: stacks.Stack, slow: str) -> str:
    """A job of it that ended."""
    with stack.client() as client:
        return client.submit(slow, 0.01, wait=30).id


def test_a_job_is_watched_to_its_end(page: sync_api.Page, served: kit.Served, stack: stacks.Stack, slow: str) -> None:
    # Given a job that runs
    with stack.client() as client:
        watched = client.submit(slow, 3.0)
    page.goto(f"{served.url}/jobs/{watched.id}")

    # When nothing is pressed, then its end is seen all the same
    expect(page.locator(".page-head .status")).to_have_text("succeeded")
    expect(page.locator(".timeline")).to_contain_text("started")
    expect(page.locator(".code")).to_contain_text("3.0, 3.0, 3.0")


def test_newer_jobs_wait_to_be_asked_for(
    page: sync_api.Page, served: kit.Served, stack: stacks.Stack, slow: str, job: str
) -> None:
    page.goto(f"{served.url}/models/{slow}/jobs")
    expect(page.locator("[data-conn]")).to_have_text("live")
    rows = page.locator("tbody tr").count()

    with stack.client() as client:
        fresh = client.submit(slow, 0.0, wait=20)

    expect(page.locator(".newrows")).to_contain_text("Show 1 newer job")
    assert page.locator("tbody tr").count() == rows
    page.locator(".newrows").click()
    expect(page.locator(f'[href="/jobs/{fresh.id}"]')).to_be_visible()


def test_a_job_that_came_between_the_page_and_its_stream_is_told_too(
    page: sync_api.Page, served: kit.Served, stack: stacks.Stack, slow: str, job: str
) -> None:
    """Catches `after` of dashboard.job_routes._changes taken out: what came before the stream's first look is then
    never announced."""
    # Given a page whose stream is only asked for after another job has ended
    fresh: list[str] = []

    def hold(route: sync_api.Route) -> None:
        with stack.client() as client:
            fresh.append(client.submit(slow, 0.0, wait=20).id)
        route.continue_()

    page.route("**/events/jobs?*", hold, times=1)
    # When the page is opened
    page.goto(f"{served.url}/models/{slow}/jobs")
    # Then that job waits to be asked for
    page.locator(".newrows").click()
    expect(page.locator(f'[href="/jobs/{fresh[0]}"]')).to_be_visible()


def test_rollback(page: sync_api.Page, served: kit.Served, slow: str) -> None:
    page.goto(f"{served.url}/models/{slow}/versions")
    before, after = ("1", "2") if page.get_by_role("button", name="Go to v2").count() else ("2", "1")

    page.get_by_role("button", name=re.compile(f"v{after}$")).click()

    expect(page.get_by_text(f"Version {after} of {slow} is live.")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile(f"v{before}$"))).to_be_visible()


def test_a_second_version_appears_in_an_open_list(page: sync_api.Page, served: kit.Served, stack: stacks.Stack) -> None:
    name = stack.deploy(stacks.ECHO, name="lister")
    page.goto(served.url)
    row = page.locator("tr", has=page.get_by_role("link", name=name, exact=True))
    expect(row).to_contain_text("live")
    expect(page.locator("[data-conn]")).to_have_text("live")

    stack.deploy(stacks.ECHO | {"notes.txt": "two"}, name=name)

    expect(row).to_contain_text("v2")


def test_a_failed_build_says_why_and_what_next(page: sync_api.Page, served: kit.Served, stack: stacks.Stack) -> None:
    stack.upload(FAULTY, "faulty")

    page.goto(f"{served.url}/models/faulty/versions/1")

    expect(page.get_by_role("heading", name="faulty did not load")).to_be_visible()
    expect(page.locator(".source__say")).to_contain_text("No module named 'not_there'")
    expect(page.get_by_role("link", name="Deploy version 2")).to_be_visible()


def test_a_failed_job_names_its_error(page: sync_api.Page, served: kit.Served, slow: str) -> None:
    page.goto(f"{served.url}/models/{slow}/try")
    page.get_by_label("JSON").fill('{"no": "number"}')
    page.get_by_role("button", name="Run").click()

    expect(page.locator("#result")).to_contain_text("predict_error")
    page.get_by_label("JSON").fill("[1,")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#result")).to_contain_text("Line 1, character 4")


def test_keys(page: sync_api.Page, served: kit.Served) -> None:
    page.goto(f"{served.url}/keys")
    page.get_by_label("What is it for?").fill("a <b>test</b>")
    page.get_by_role("button", name="Make a key").click()
    expect(page.locator(".copy--once code")).to_contain_text("pn_")
    page.locator(".copy--once [data-copy]").click()
    expect(page.locator(".copy--once [data-copy]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator(".copy--once code").text_content()

    row = page.locator("tr", has_text="a <b>test</b>")
    row.get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke the key").click()

    expect(page.get_by_text("The key is revoked.")).to_be_visible()
    expect(row).to_have_count(0)


def test_variables(page: sync_api.Page, served: kit.Served, slow: str) -> None:
    page.goto(f"{served.url}/models/{slow}/settings")
    page.get_by_label("Name", exact=True).fill("TOKEN")
    page.get_by_label("Value").fill("hush")
    page.get_by_role("button", name="Set it").click()

    expect(page.locator("table")).to_contain_text("TOKEN")
    assert "hush" not in page.content()
    page.get_by_role("button", name="Remove TOKEN").click()
    expect(page.locator("table")).to_have_count(0)


@pytest.mark.parametrize("size", [kit.DESK, kit.PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_fits_and_is_silent(
    page: sync_api.Page, served: kit.Served, job: str, size: sync_api.ViewportSize, theme: str
) -> None:
    page.set_viewport_size(size)
    page.context.add_cookies([{"name": "theme", "value": theme, "url": served.url}])
    for path in PAGES:
        page.goto(served.url + path.format(name="sleeper", job=job))
        assert page.locator("html").get_attribute("data-theme") == theme
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{path} is {wide} px too wide"


def test_tabs_change_the_address_and_the_way_back(page: sync_api.Page, served: kit.Served, slow: str) -> None:
    page.goto(f"{served.url}/models/{slow}")
    page.locator(".tabs").get_by_role("link", name="Logs").click()
    page.wait_for_url("**/logs")
    expect(page.locator(".log")).to_contain_text("done deploying")
    page.locator(".tabs").get_by_role("link", name="Settings").click()
    expect(page.get_by_role("heading", name="Environment variables")).to_be_visible()
    page.go_back()
    expect(page.locator(".log")).to_contain_text("done deploying")


def test_the_theme_is_kept(page: sync_api.Page, served: kit.Served) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(served.url)
    page.locator("[data-theme-toggle]").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    page.reload()

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


@pytest.fixture
def plain(browser: sync_api.Browser, served: kit.Served) -> Iterator[sync_api.Page]:
    """A browser without script, signed in."""
    made = browser.new_context(java_script_enabled=False, viewport=kit.DESK)
    page = made.new_page()
    page.goto(served.login())
    yield page
    made.close()


def test_without_script(plain: sync_api.Page, served: kit.Served, stack: stacks.Stack) -> None:
    plain.goto(f"{served.url}/deploy")
    plain.get_by_label("Name", exact=True).fill("plain")
    plain.locator("input[type=file]").set_input_files(
        {"name": "predict.py", "mimeType": "text/x-python", "buffer": stacks.DOUBLE["predict.py"].encode()}
    )
    plain.get_by_role("button", name="Deploy version 1").click()
    plain.wait_for_url("**/models/plain/versions/1")
    stacks.until(lambda: "done deploying" in (plain.reload(), plain.content())[1], "it is built")

    plain.goto(f"{served.url}/models/plain/try")
    plain.get_by_label("JSON").fill("21")
    plain.get_by_role("button", name="Run").click()

    expect(plain.locator("#result .code")).to_have_text("42")


def test_two_visitors_of_one_link(browser: sync_api.Browser, served: kit.Served) -> None:
    link = served.login()
    for heading in ("Models", "Sign in"):
        made = browser.new_context()
        page = made.new_page()
        page.goto(link)
        expect(page.get_by_role("heading", name=heading).first).to_be_attached()
        made.close()


def test_another_site_cannot_act(browser: sync_api.Browser, served: kit.Served, slow: str) -> None:
    """A form of another site that knows all addresses: neither the cookie comes along, nor would it be enough."""
    made = browser.new_context()
    page = made.new_page()
    page.goto(served.login())
    page.wait_for_url(f"{served.url}/")
    evil = f'<form method="post" action="{served.url}/models/{slow}/remove"><input name="name" value="{slow}"></form>'
    page.route("http://evil.example/", lambda route: route.fulfill(body=evil, content_type="text/html"))
    page.goto("http://evil.example/")

    page.evaluate("document.forms[0].submit()")

    expect(page.get_by_text("sent from another site")).to_be_visible()
    page.goto(f"{served.url}/models/{slow}")
    expect(page.get_by_role("heading", name=slow, exact=True)).to_be_visible()
    made.close()


def test_an_open_stream_does_not_hold_the_process(browser: sync_api.Browser, own_stack: stacks.Stack) -> None:
    own_stack.start()
    served = kit.Served(own_stack)
    page = browser.new_page()
    page.goto(served.login())
    page.wait_for_url(f"{served.url}/")
    own_stack.deploy(stacks.ECHO, name="echo")
    page.goto(f"{served.url}/models/echo/logs")
    expect(page.locator("[data-conn]")).to_have_text("live")

    assert own_stack.stop() == 0  # within its grace, though the browser would stay for ever
    page.close()
