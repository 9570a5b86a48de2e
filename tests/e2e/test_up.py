"""`panini up` itself: against engines of one's own, and where it cannot start."""

import pathlib
import socket
import subprocess
import sys

from panini.stack import kafka as stack_kafka
from panini.stack import valkey as stack_valkey
from tests.e2e import kit


def test_up_on_kafka_and_redis_of_ones_own(
    tmp_path: pathlib.Path, kafka: stack_kafka.Kafka, valkey: stack_valkey.Valkey
) -> None:
    # Given addresses of clusters that run elsewhere
    environ = {
        "PANINI_KAFKA": kafka.bootstrap,
        "PANINI_KAFKA_USERNAME": kafka.username,
        "PANINI_KAFKA_PASSWORD": kafka.client["sasl_plain_password"],
        "PANINI_REDIS": valkey.url,
        "PANINI_REDIS_PASSWORD": valkey.password,
    }
    stack = kit.Stack(tmp_path, environ=environ)
    try:
        # When the same command is given
        stack.start()
        # Then nothing embedded starts, and a job goes all the way
        assert not (stack.home / "run" / "kafka.json").exists()
        assert not (stack.home / "run" / "valkey.json").exists()
        model = stack.deploy(kit.DOUBLE)
        with stack.client() as client:
            assert client.predict(model, 4) == 8
        assert stack.stop() == 0
    finally:
        stack.end()


def fails(stack: kit.Stack, *words: str) -> None:
    """`panini up` ends with 1 and says all of this, without a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "panini", "up"],
        env=stack.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_names_the_way_out(tmp_path: pathlib.Path) -> None:
    stack = kit.Stack(tmp_path)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", stack.port))
        holder.listen()
        fails(stack, str(stack.port), "PANINI_PORT=")


def test_a_home_that_cannot_be_used_names_the_way_out(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("no folder")
    fails(kit.Stack(tmp_path, environ={"PANINI_HOME": str(tmp_path / "file" / "home")}), "PANINI_HOME")


def test_a_second_up_on_the_same_home_says_so(stack: kit.Stack) -> None:
    fails(stack, "already runs", "panini down")
    assert stack.status()["running"]
