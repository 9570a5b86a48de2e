"""A real control plane a run, and a namespace of it a test."""

import os
import pathlib
import uuid
from collections.abc import Iterator

import pytest

from tests.integration.k8s import kube as kubes


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pathlib.Path]:
    """The kubeconfig of PANINI_TEST_KUBECONFIG's cluster, else of one made for this run."""
    given = os.environ.get("PANINI_TEST_KUBECONFIG")
    if given:
        yield pathlib.Path(given)
        return
    kubes.needed(kubes.tools())
    folder = tmp_path_factory.mktemp("kube")
    yield kubes.start(folder)
    kubes.stop(folder)


@pytest.fixture
def kube(kubeconfig: pathlib.Path) -> Iterator[kubes.Kube]:
    """A namespace of its own, which admits only restricted pods."""
    made = kubes.Kube(kubeconfig, f"panini-{uuid.uuid4().hex[:10]}")
    made.make()
    yield made
    made.drop()
