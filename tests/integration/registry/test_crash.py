"""A registry killed at the worst moments of a deploy."""

import subprocess
import sys
from pathlib import Path

import pytest

from registry import service
from tests.unit.registry import kit

SCRIPT = """
import asyncio, os, pathlib, sys
from registry import deploys, service, versions
from tests.unit.registry import kit

folder, moment = pathlib.Path(sys.argv[1]), sys.argv[2]

def die(*_):
    os._exit(9)

async def main():
    registry = service.Registry(kit.config(folder), kit.Topics())
    await registry.start()
    await deploy(registry, "1")
    if moment == "before the insert":
        deploys.insert = die
    if moment == "inside the insert":
        insert = deploys.insert
        deploys.insert = lambda *given: (insert(*given), die())
    if moment == "after the insert":
        deploys.first_lines = die
    await deploy(registry, "2")

async def deploy(registry, text):
    async with registry.stage() as staged:
        kit.stage(staged, {"predict.py": kit.PREDICT, "text": text.encode()})
        await registry.deploy("default", "iris", staged, {}, None)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("moment", "expected"), [("before the insert", [1]), ("inside the insert", [1]), ("after the insert", [1, 2])]
)
async def test_killed_in_the_middle_of_a_deploy(tmp_path: Path, moment: str, expected: list[int]) -> None:
    # Given a registry that dies at that moment
    died = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), moment], check=False, capture_output=True, text=True
    )
    assert died.returncode == 9, died.stderr
    # When
    registry = service.Registry(kit.config(tmp_path), kit.Topics())
    await registry.start()
    # Then every version is whole, and nothing else is there
    (model,) = (await registry.specs()).models
    assert [version.version for version in model.versions] == expected
    referred = {file.sha256 for version in model.versions for file in version.files}
    assert registry.store.every() == referred
    assert list((tmp_path / "staging").iterdir()) == []
    # and the deploy can be done again
    async with registry.stage() as staged:
        kit.stage(staged, {"predict.py": kit.PREDICT, "text": b"2"})
        deployed = await registry.deploy(kit.ACCOUNT, "iris", staged, {}, None)
    assert deployed.version.number == 2
    assert deployed.unchanged is (expected == [1, 2])
    await registry.close()
