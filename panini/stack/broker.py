"""What is written for Kafka before it starts: its configuration and its command line. Pure text, nothing runs here."""

import sys
from collections.abc import Sequence

from panini.stack import java, ports

USERNAME = "panini"
MESSAGE_MAX_BYTES = 16 * 2**20  # of one record batch; ingest refuses earlier, with a clear answer
YEAR_IN_MINUTES = 365 * 24 * 60

# All paths are relative to Kafka's current folder: properties are read as Latin-1 and "," separates log.dirs, so an
# absolute path could name another folder than the one that is meant.
DATA = "data"
CONFIGURATION = "server.properties"
LIBRARIES = "libs"
TEMPORARY = "tmp"  # codecs unpack machine code here, which some systems forbid in /tmp; emptied at each start


def properties(where: ports.Ports, password: str, data: str = DATA) -> str:
    """server.properties of one process, broker and controller, on loopback, with a password on both listeners."""
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    jaas = f'{login} username="{USERNAME}" password="{password}" user_{USERNAME}="{password}";'
    values: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{ports.HOST}:{where.kafka_controller}",
        "listeners": f"CLIENT://{ports.HOST}:{where.kafka},CONTROLLER://{ports.HOST}:{where.kafka_controller}",
        "advertised.listeners": f"CLIENT://{ports.HOST}:{where.kafka}",
        "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "controller.listener.names": "CONTROLLER",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.client.plain.sasl.jaas.config": jaas,
        "listener.name.controller.plain.sasl.jaas.config": jaas,
        "log.dirs": data,
        # Topics are made at deploy with their settings spelled out; a typo in a name is an error, not a topic.
        "auto.create.topics.enable": "false",
        "message.max.bytes": MESSAGE_MAX_BYTES,
        "replica.fetch.max.bytes": MESSAGE_MAX_BYTES,
        # A model that sleeps for months goes on where it was, rather than from the beginning.
        "offsets.retention.minutes": YEAR_IN_MINUTES,
        # There is one broker.
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "auto.leader.rebalance.enable": "false",
        # It is small: fewer internal partitions, threads and buffers.
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.num.partitions": 1,
        "num.network.threads": 1,
        "num.io.threads": 2,
        "num.recovery.threads.per.data.dir": 2,
        "log.cleaner.dedupe.buffer.size": 4 * 2**20,
        # After kill -9 it answers only when its own old session has ended: 9 s by default.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        # A worker that joins does not wait for others that might.
        "group.initial.rebalance.delay.ms": 0,
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


_LARGE_PAGES = ["-XX:+UseTransparentHugePages"] if sys.platform == "linux" else []
"""Saves a tenth to a fifth of its CPU for 4 MB more memory, where Linux gives such pages to those who ask, or to all.
Other systems' Javas refuse to start with the switch."""


def command(runtime: java.Java, jars: Sequence[str], heap_mb: int, main: str, *arguments: str) -> list[str]:
    """The command line that runs the class `main` of Kafka with these jars of `LIBRARIES`."""
    return [
        runtime.path,
        f"-Xmx{heap_mb}m",
        f"-Xms{min(heap_mb, 64)}m",
        "-XX:+UseSerialGC",
        *_LARGE_PAGES,
        "-XX:+ExitOnOutOfMemoryError",  # a broker that limps is worse than one that is started again
        "-XX:-UsePerfData",  # no files in /tmp
        f"-Djava.io.tmpdir={TEMPORARY}",
        "-Djava.awt.headless=true",
        "-Djava.net.preferIPv4Stack=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
        *_silence(runtime.version),
        "-cp",
        ":".join(f"{LIBRARIES}/{jar}" for jar in jars),
        main,
        *arguments,
    ]


def _silence(version: int) -> list[str]:
    """Switches that end warnings of newer Javas about what Kafka's libraries do, and that older ones do not know."""
    switches = ["--sun-misc-unsafe-memory-access=allow"] if version >= 23 else []
    return [*switches, "--enable-native-access=ALL-UNNAMED"] if version >= 22 else switches
