"""The writer over TLS: a proxy with a certificate of its own before the real broker."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import pathlib
import ssl
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import kafka as kafka_python
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kafka import admin

from ingest import errors, network, writer
from panini.stack import kafka as stack_kafka

TOPIC = "over-tls"


class Node(NamedTuple):
    node_id: Any
    host: str
    port: int


def certificate(folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Files of a certificate for 127.0.0.1 that signs itself, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return public, private


@pytest_asyncio.fixture
async def authority(
    kafka: stack_kafka.Kafka, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[pathlib.Path]:
    """Who vouches for the proxy that all connections to the broker go through."""
    public, private = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, private)
    host, _, port = kafka.client["bootstrap_servers"].rpartition(":")
    tasks, ways = set(), set[asyncio.StreamWriter]()

    async def pass_on(reader: asyncio.StreamReader, into: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                into.write(data)
                await into.drain()
        finally:
            into.close()

    async def through(reader: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        answers, on = await asyncio.open_connection(host, int(port))
        ways.update({on, back})
        tasks.update({asyncio.create_task(pass_on(reader, on)), asyncio.create_task(pass_on(answers, back))})

    server = await asyncio.start_server(through, "127.0.0.1", 0, ssl=context)
    opened = network.Manager._open

    async def over(self: network.Manager, node: Any, timeout_at: float | None) -> network.Transport:
        return await opened(self, Node(node.node_id, "127.0.0.1", server.sockets[0].getsockname()[1]), timeout_at)

    monkeypatch.setattr(network.Manager, "_open", over)
    yield public
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, *(way.wait_closed() for way in ways), return_exceptions=True)


async def test_a_record_goes_over_tls(kafka: stack_kafka.Kafka, authority: pathlib.Path) -> None:
    with contextlib.closing(kafka_python.KafkaAdminClient(**kafka.client)) as client:
        client.create_topics([admin.NewTopic(TOPIC, 1, 1)])
    secured = kafka.client | {"security_protocol": "SASL_SSL", "ssl_cafile": str(authority)}
    into = writer.Writer(secured, timeout=10)
    await into.start()
    await into.learn(TOPIC)
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    into.send(TOPIC, b"v", None, lambda _, offset: done.set_result(offset), done.set_exception)
    assert await done >= 0
    into.close()


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    kafka: stack_kafka.Kafka, authority: pathlib.Path
) -> None:
    into = writer.Writer(kafka.client | {"security_protocol": "SASL_SSL"}, timeout=2)
    with pytest.raises(errors.KafkaUnavailable):
        await into.start()
