"""From three dropped files to an answer, in a real browser on a real stack."""

import re

from playwright import sync_api
from playwright.sync_api import expect

from tests.e2e.dashboard import kit


def test_drop_watch_try(page: sync_api.Page, served: kit.Served) -> None:
    # Given three files on the page
    page.goto(f"{served.url}/deploy")
    kit.drop(page, "[data-drop]", kit.READER)
    expect(page.locator("[data-files] li")).to_have_count(3)
    expect(page.get_by_text("load(path)", exact=True)).to_be_visible()
    expect(page.locator("#name")).to_have_value("reader")
    page.get_by_label("Name").fill("size-reader")
    page.locator("input[name=input][value=bytes]").check()

    # When they are deployed
    page.get_by_role("button", name="Deploy version 1").click()

    # Then the build is seen without a reload, up to its end
    page.wait_for_url("**/models/size-reader/versions/1")
    expect(page.locator("[sse-swap=step-load]")).to_contain_text("reading")
    expect(page.get_by_role("heading", name="done deploying")).to_be_visible(timeout=60_000)
    expect(page.locator("#curl")).to_contain_text(f"{served.url}/v1/models/size-reader/jobs")
    expect(page.get_by_text("panini.default.size-reader.jobs").first).to_be_visible()

    # and a key can be made and is shown once
    page.get_by_role("button", name="Make a key").click()
    expect(page.locator(".copy--once code")).to_contain_text(re.compile("pn_[A-Za-z0-9]{36}"))
    page.reload()
    expect(page.locator(".copy--once")).to_have_count(0)

    # and an image gets its answer, with where the time went
    page.get_by_role("link", name="Try it").click()
    page.locator("[data-try-file]").set_input_files(
        {"name": "seven.png", "mimeType": "image/png", "buffer": kit.png(28, 20)}
    )
    expect(page.get_by_text("28 \N{MULTIPLICATION SIGN} 20")).to_be_visible()
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#result")).to_contain_text('"width": 28', timeout=40_000)
    expect(page.locator("#result .timing")).to_contain_text("predict")


def test_an_upload_tells_its_per_cent_and_can_be_canceled(page: sync_api.Page, served: kit.Served) -> None:
    page.goto(f"{served.url}/deploy")
    page.locator("[data-deploying] input[type=file]").set_input_files(
        [
            sync_api.FilePayload(name="predict.py", mimeType="text/x-python", buffer=kit.SIZES),
            sync_api.FilePayload(name="large.pkl", mimeType="application/octet-stream", buffer=bytes(3_000_000)),
        ]
    )
    page.get_by_label("Name", exact=True).fill("never")
    kit.throttle(page, upload=200_000)

    page.get_by_role("button", name="Deploy version 1").click()

    expect(page.locator("[data-up-percent]")).to_have_text(re.compile("^[1-9][0-9]? %$"))
    expect(page.locator("[data-up-bytes]")).to_contain_text("of 3.0 MB")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("The upload was canceled. Nothing was deployed.")).to_be_visible()
    expect(page.locator("[data-files] li")).to_have_count(2)


def test_a_bundle_that_is_wrong_is_refused_where_it_stands(
    page: sync_api.Page, served: kit.Served, complaints: list[str]
) -> None:
    page.goto(f"{served.url}/deploy")
    kit.drop(page, "[data-drop]", {"predict.py": b"def forecast(inputs):\n    return inputs\n"})
    expect(page.get_by_text("not found in predict.py")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("wrong")

    page.get_by_role("button", name="Deploy version 1").click()

    expect(page.get_by_role("alert")).to_contain_text("predict")
    expect(page.get_by_label("Name", exact=True)).to_have_value("wrong")
    assert complaints.pop().startswith("Failed to load resource")  # the browser's own word on a 422
