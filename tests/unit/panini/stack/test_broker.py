"""What is written for Kafka: its configuration and command line."""

from panini.stack import broker, java, ports

WHERE = ports.Ports(kafka=1111, kafka_controller=2222, valkey=3333)


def values() -> dict[str, str]:
    text = broker.properties(WHERE, "0123abcd")
    return dict(line.split("=", 1) for line in text.splitlines())


def test_it_listens_on_loopback_only_and_asks_for_a_password_on_both_listeners() -> None:
    found = values()
    assert found["listeners"] == "CLIENT://127.0.0.1:1111,CONTROLLER://127.0.0.1:2222"
    assert found["advertised.listeners"] == "CLIENT://127.0.0.1:1111"
    assert set(found["listener.security.protocol.map"].split(",")) == {
        "CLIENT:SASL_PLAINTEXT",
        "CONTROLLER:SASL_PLAINTEXT",
    }
    for listener in ("client", "controller"):
        login = found[f"listener.name.{listener}.plain.sasl.jaas.config"]
        assert 'username="panini" password="0123abcd" user_panini="0123abcd";' in login


def test_a_model_that_sleeps_for_months_keeps_its_place_and_no_topic_is_made_by_mistake() -> None:
    found = values()
    assert int(found["offsets.retention.minutes"]) >= 365 * 24 * 60
    assert found["auto.create.topics.enable"] == "false"
    assert int(found["message.max.bytes"]) == 16 * 2**20


def test_it_is_latin_1_and_names_no_absolute_path() -> None:
    text = broker.properties(WHERE, "0123abcd")
    assert text.isascii()
    assert values()["log.dirs"] == "data"
    command = broker.command(java.Java("/usr/bin/java", 17), ["a.jar", "b.jar"], 256, "kafka.Kafka", "f")
    assert command[-4:] == ["-cp", "libs/a.jar:libs/b.jar", "kafka.Kafka", "f"]
    assert "0123abcd" not in " ".join(command)


def test_switches_against_warnings_are_given_only_to_javas_that_know_them() -> None:
    def switches(version: int) -> set[str]:
        return {word for word in broker.command(java.Java("java", version), [], 256, "m") if word.startswith("--")}

    assert switches(17) == switches(21) == set()
    assert switches(22) == {"--enable-native-access=ALL-UNNAMED"}
    assert switches(25) == {"--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"}
