"""The ports: chosen once, kept, proven free."""

import os
import socket
import sys
from pathlib import Path

import pytest

from panini.stack import errors, home, ports, settings


@pytest.fixture
def place(tmp_path: Path) -> home.Home:
    return home.Home.at(tmp_path)


def test_what_was_chosen_is_kept_even_when_it_is_taken_now(place: home.Home) -> None:
    first = ports.settle(place, settings.Settings.load())
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((ports.HOST, first.valkey))
        other.listen()
        assert ports.settle(place, settings.Settings.load()) == first


def test_a_setting_wins_and_is_kept(place: home.Home) -> None:
    port = ports.any_free()
    assert ports.settle(place, settings.Settings.load(kafka_port=port)).kafka == port
    assert ports.settle(place, settings.Settings.load()).kafka == port


def test_no_port_is_chosen_twice(place: home.Home) -> None:
    chosen = ports.settle(place, settings.Settings.load())
    assert len({chosen.kafka, chosen.kafka_controller, chosen.valkey}) == 3


@pytest.mark.parametrize("text", ["", "{", "[]", '{"ports": {"kafka": "x"}}', '{"ports": 1}', '{"ports": null}'])
def test_a_damaged_file_is_written_anew(place: home.Home, text: str) -> None:
    place.ports_file.write_text(text)
    chosen = ports.settle(place, settings.Settings.load())
    assert ports.settle(place, settings.Settings.load()) == chosen


def test_a_default_that_is_taken_is_passed_over() -> None:
    with socket.create_server((ports.HOST, 0)) as other:
        taken = other.getsockname()[1]
        assert ports.choose(taken, set()) != taken
    assert ports.choose(taken, set()) == taken
    assert ports.choose(taken, {taken}) != taken


def test_a_taken_port_is_an_error_that_names_the_way_out() -> None:
    with socket.create_server((ports.HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(errors.PortTaken, match=rf"Port {port}, which it needs, is taken.*SETTING=<port>"):
            ports.require_free(port, what="it", setting="SETTING")
    ports.require_free(port, what="it", setting="SETTING")


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_the_holder_is_named(address: str) -> None:
    if sys.platform != "linux":
        pytest.skip("platform: only Linux tells")
    with socket.create_server((address, 0)) as other:
        port = other.getsockname()[1]
        assert not ports.is_free(port)
        assert f"(process {os.getpid()})" in (ports.holder(port) or "")
    assert ports.holder(port) is None
