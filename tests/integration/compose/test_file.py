"""docker-compose.yml and the Dockerfile, without an engine: whole, consistent, and nothing secret inside."""

import pathlib
import re
import shutil
import subprocess
import sys
from typing import Any

import fastapi.routing
import pytest

from panini import api
from tests.integration.compose import compose

SERVICES = compose.document()["services"]


def test_every_panini_service_is_there() -> None:
    assert {" ".join(service["command"]) for service in compose.own().values()} == {
        "serve registry",
        "serve ingest",
        "serve results",
        "serve dashboard",
        "serve workers",
    }


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_names_only_what_exists(name: str) -> None:
    document, service = compose.document(), SERVICES[name]

    assert set(service.get("depends_on", {})) <= SERVICES.keys()
    assert set(service.get("secrets", [])) <= document["secrets"].keys()
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert source in document["volumes"] or (compose.ROOT / source).is_file(), volume


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_watched_and_comes_back(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["healthcheck"]["test"]


def test_who_waits_for_another_waits_for_its_health() -> None:
    waits = [found for service in SERVICES.values() for found in service.get("depends_on", {}).values()]

    assert waits
    assert {found["condition"] for found in waits} == {"service_healthy"}


def test_only_the_gateway_listens_outside_and_by_default_on_this_machine() -> None:
    open_ = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert open_ == {"gateway": ["127.0.0.1:8080:8080"]}


def test_secrets_are_files_outside_of_the_repository_and_the_image() -> None:
    """Docker Compose cannot put secrets of its environment into a read-only container (docker/compose#12303)."""
    for name, one in compose.document()["secrets"].items():
        assert one == {"file": f"./secrets/{name}"}
    assert "/secrets/" in (compose.ROOT / ".gitignore").read_text().splitlines()
    assert "!secrets" not in (compose.ROOT / ".dockerignore").read_text().splitlines()
    names = {f"PANINI_{name.removeprefix('panini_').upper()}" for name in compose.document()["secrets"]}
    for service in SERVICES.values():
        assert not names & service.get("environment", {}).keys()


def test_the_documented_command_makes_every_secret(tmp_path: pathlib.Path) -> None:
    text = (compose.ROOT / "docs" / "compose.md").read_text()
    command = re.search(r"^\(umask.*$", text, re.MULTILINE)
    assert command

    subprocess.run(["sh", "-euc", command[0]], cwd=tmp_path, check=True)

    folder = tmp_path / "secrets"
    assert {file.name for file in folder.iterdir()} == compose.document()["secrets"].keys()
    assert folder.stat().st_mode & 0o777 == 0o700
    for file in folder.iterdir():
        assert file.stat().st_mode & 0o777 == 0o444
        assert re.fullmatch(r"[0-9a-f]{64}", file.read_text())


def test_every_variable_of_the_file_is_in_the_example() -> None:
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)", compose.FILE.read_text()))

    assert asked == set(re.findall(r"^(\w+)=", (compose.ROOT / ".env.example").read_text(), re.MULTILINE))


def routes(role: str) -> set[tuple[str, str]]:
    """(method, path with sample words) of every route of a service."""
    found: set[tuple[str, str]] = set()

    def walk(given: Any) -> None:
        for route in given:
            if hasattr(route, "original_router"):
                walk(route.original_router.routes)
            elif isinstance(route, fastapi.routing.APIRoute):
                found.update((method, re.sub(r"\{[^}]*\}", "a1", route.path)) for method in route.methods or ())

    walk(api.make(role).routes)
    return found


def rules() -> list[tuple[str, str]]:
    """(pattern, service) of the gateway's map, in order; the last is the default's."""
    conf = (compose.ROOT / "k8s" / "manifests" / "base" / "gateway.conf").read_text()
    block = re.search(r"map \"\$request_method \$uri\" \$service \{(.*?)\n\}", conf, re.DOTALL)
    assert block
    return [*re.findall(r'"~(\S+ \S+)"\s+(\w+);', block[1]), ("", *re.findall(r"default\s+(\w+);", block[1]))]


@pytest.mark.parametrize("role", ["ingest", "results", "registry", "dashboard"])
def test_the_gateway_leads_every_route_to_the_service_that_has_it(role: str) -> None:
    everywhere = {"/healthz", "/readyz", "/metrics"}
    found = {one for one in routes(role) if one[1] not in everywhere and not one[1].startswith("/internal/")}

    assert found
    for method, path in found:
        led = next(service for pattern, service in rules() if re.search(pattern, f"{method} {path}"))
        assert led == role, f"{method} {path} goes to {led}"


def test_the_image_holds_every_package_and_runs_as_nobody_special() -> None:
    text = compose.DOCKERFILE.read_text()
    packages = re.search(r"^packages = \[(.*)\]", (compose.ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert packages

    for package in re.findall(r'"(\w+)"', packages[1]):
        assert f"COPY {package} {package}" in text
        assert f"!{package}" in (compose.ROOT / ".dockerignore").read_text()
    assert "\nUSER 10001:10001\n" in text


def test_the_dockerfile_pleases_its_linter() -> None:
    linter = shutil.which("hadolint", path=f"{pathlib.Path(sys.executable).parent}") or shutil.which("hadolint")
    assert linter, "hadolint is missing: install the dev dependencies"

    done = subprocess.run([linter, compose.DOCKERFILE], capture_output=True, text=True, check=False)

    assert done.stdout == ""
    assert done.returncode == 0
