"""Where jars come from: the setting, Maven's own settings, Central."""

from pathlib import Path

import pytest

from panini.stack import maven

MIRROR = """<settings xmlns="http://maven.apache.org/SETTINGS/1.2.0">
  <servers><server><id>m</id><username>me@x</username><password>{password}</password></server></servers>
  <mirrors>
    <mirror><id>other</id><mirrorOf>elsewhere</mirrorOf><url>https://other.example/</url></mirror>
    <mirror><id>{id}</id><mirrorOf>{of}</mirrorOf><url>https://mirror.example/${{env.REPOSITORY}}/</url></mirror>
  </mirrors>
</settings>"""


def write(folder: Path, *, of: str = "central", server: str = "none", password: str = "p/w") -> Path:
    path = folder / "settings.xml"
    path.write_text(MIRROR.format(of=of, id=server, password=password))
    return path


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("*", True),
        ("central", True),
        ("external:*", True),
        ("other, central", True),
        ("*,!central", False),
        ("*,!other", True),
        ("elsewhere", False),
        ("external:http:*", False),
        ("", False),
    ],
)
def test_matches_central(value: str, expected: bool) -> None:
    assert maven.matches_central(value) is expected


def test_a_mirror_of_central_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPOSITORY", "maven")
    path = write(tmp_path)
    assert maven.repository(None, path) == maven.Repository("https://mirror.example/maven", str(path))


def test_the_setting_wins(tmp_path: Path) -> None:
    repo = maven.repository("https://set.example/maven/", write(tmp_path))
    assert repo == maven.Repository("https://set.example/maven", "PANINI_MAVEN_REPOSITORY")


def test_a_mirrors_login_is_used_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPOSITORY", "maven")
    repo = maven.repository(None, write(tmp_path, server="m"))
    assert repo.url == "https://me%40x:p%2Fw@mirror.example/maven"
    assert "p%2Fw" not in repr(repo)


def test_a_password_that_maven_encrypted_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPOSITORY", "maven")
    repo = maven.repository(None, write(tmp_path, server="m", password="{c2VjcmV0}"))
    assert repo.url == "https://mirror.example/maven"


@pytest.mark.parametrize("text", [None, "", "<settings>", "<settings/>", "no xml"])
def test_without_a_mirror_it_is_central(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "settings.xml"
    if text is not None:
        path.write_text(text)
    assert maven.repository(None, path) == maven.Repository(None, "Maven Central")
