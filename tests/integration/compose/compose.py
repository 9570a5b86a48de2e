"""docker-compose.yml as a test reads it: what Docker would run, moved onto loopback, free ports and one folder."""

import os
import pathlib
import re
import shutil
import sys
from collections.abc import Mapping
from typing import Any, Final

import yaml

from panini.stack import home as stack_home
from panini.stack import jars, java, maven, settings, valkey

ROOT: Final = pathlib.Path(__file__).parents[3]
FILE: Final = ROOT / "docker-compose.yml"
DOCKERFILE: Final = ROOT / "Dockerfile"

KAFKA_RUN: Final = "/etc/kafka/docker/run"
"""What apache/kafka's image starts: KAFKA_A_B in the environment becomes a.b in its configuration."""

START: Final = """
import os, pathlib, re, subprocess, sys

def key(name):
    return name[6:].lower().replace("___", "-").replace("__", "~").replace("_", ".").replace("~", "_")

lines = [f"{key(n)}={v}" for n, v in os.environ.items() if n.startswith("KAFKA_") and n != "KAFKA_HEAP_OPTS"]
file = pathlib.Path(FILE)
file.write_text("\\n".join(lines) + "\\n")
java = [JAVA, *os.environ["KAFKA_HEAP_OPTS"].split(), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", CLASSES]
formatting = ["format", "--ignore-formatted", "--cluster-id", os.environ["CLUSTER_ID"], "--config", str(file)]
subprocess.run([*java, "kafka.tools.StorageTool", *formatting], check=True)
os.execv(java[0], [*java, "kafka.Kafka", str(file)])
"""


def document() -> dict[str, Any]:
    """The file, with the values of .env.example's optional variables filled in as Docker Compose does."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", FILE.read_text(encoding="utf-8"))
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def own() -> dict[str, Any]:
    """The services that run Panini's image."""
    return {name: service for name, service in document()["services"].items() if service["image"] == "panini:latest"}


def image_environment() -> dict[str, str]:
    """ENV of the Dockerfile's last stage, PATH left out."""
    last = DOCKERFILE.read_text(encoding="utf-8").split("\nFROM ")[-1]
    block = re.search(r"^ENV ((?:.*\\\n)*.*)$", last, re.MULTILINE)
    assert block
    pairs = (word.split("=", 1) for word in block[1].replace("\\\n", " ").split())
    return {name: value for name, value in pairs if name != "PATH"}


def placed(value: str, places: Mapping[str, str]) -> str:
    """The text with addresses and folders of containers replaced by those of this test; `$$` is Compose's own `$`."""
    one_of = re.compile("|".join(re.escape(old) for old in sorted(places, key=len, reverse=True)))
    return one_of.sub(lambda found: places[found[0]], value.replace("$$", "$"))


def environment(service: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, str]:
    """The service's variables, nothing else but what finds the programs."""
    return {"PATH": f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"} | {
        name: placed(str(value), places) for name, value in service.get("environment", {}).items()
    }


def secrets(service: Mapping[str, Any], all_secrets: Mapping[str, str], folder: pathlib.Path) -> None:
    """Those that the service is given, and no other, as files."""
    folder.mkdir(parents=True)
    for name in service.get("secrets", []):
        (folder / name).write_text(all_secrets[name])


def kafka_image(folder: pathlib.Path) -> pathlib.Path:
    """A stand-in for the image's start script, on the Kafka that the local stack fetches; reads the same variables."""
    options = settings.Settings.load(home=folder / "home")
    cache = stack_home.shared_cache(options.cache, stack_home.Home.at(folder / "home"))
    libraries = jars.fetch(cache, maven.repository(options.maven_repository))
    classes = os.pathsep.join(str(one) for one in libraries)
    program = java.find().path
    script = folder / "run.py"
    script.write_text(
        START.replace("FILE", repr(str(folder / "server.properties")))
        .replace("JAVA", repr(str(program)))
        .replace("CLASSES", repr(classes))
    )
    run = folder / "run"
    run.write_text(f"#!/bin/sh\nexec {sys.executable} {script}\n")
    run.chmod(0o755)
    return run


def valkey_image(folder: pathlib.Path) -> pathlib.Path:
    """A folder with the program `valkey-server`, as its image has it."""
    folder.mkdir()
    found = shutil.which(valkey.find())
    assert found
    (folder / "valkey-server").symlink_to(found)
    return folder
