"""How a model is called from a shell, from Python and over Kafka, with this installation's real addresses. Pure."""

import dataclasses
import json
from typing import Any, Final

EXAMPLES: Final[dict[str, Any]] = {
    "bytes": "aGVsbG8=",
    "ints": [1, 2, 3],
    "floats": [5.1, 3.5, 1.4, 0.2],
    "doubles": [5.1, 3.5, 1.4, 0.2],
    "strings": "hello",
    "json": {"hello": "world"},
}
"""One input of each type."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kafka:
    """Where pipelines reach Kafka, as the entry point knows it."""

    bootstrap: str
    """`host:port`, with commas between."""
    sasl: bool = False
    """Whether it asks for a password."""
    local: bool = False
    """It is the local stack's own: `panini status --json` hands out its address and password."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Snippet:
    """One way to call, ready to paste."""

    id: str
    title: str
    text: str


def every(*, url: str, model: str, input_type: str, topic: str, kafka: Kafka | None) -> list[Snippet]:
    """The snippets of a model."""
    example = EXAMPLES.get(input_type, EXAMPLES["json"])
    found = [
        Snippet(id="curl", title="curl", text=curl(url, model, input_type, example)),
        Snippet(id="python", title="Python", text=_python(url, model, input_type, example)),
    ]
    if kafka is not None:
        found.append(Snippet(id="kafka", title="Kafka", text=_kafka(kafka, topic, input_type, example)))
    return found


def curl(url: str, model: str, input_type: str, example: Any) -> str:
    """A command that posts one job and waits for its answer."""
    call = [
        f"curl {url}/v1/models/{model}/jobs",
        '-H "Authorization: Bearer $PANINI_KEY"',
        '-H "Content-Type: application/json"',
        '-H "Prefer: wait=20"',
    ]
    if input_type == "bytes":
        shown = """printf '{"input": "%s"}' "$(base64 < image.png | tr -d '\\n')" | """
        return shown + " \\\n  ".join([*call, "--data-binary @-"])
    data = json.dumps({"input": example}).replace("'", "'\\''")
    return " \\\n  ".join([*call, f"-d '{data}'"])


def _python(url: str, model: str, input_type: str, example: Any) -> str:
    value = 'open("image.png", "rb").read()' if input_type == "bytes" else repr(example)
    return "\n".join(
        [
            "from panini.client import Client",
            "",
            f'client = Client("{url}")    # the key comes from PANINI_KEY',
            f'job = client.submit("{model}", {value})',
            "print(job.result(timeout=20))",
        ]
    )


def _kafka(kafka: Kafka, topic: str, input_type: str, example: Any) -> str:
    lines = ["import json", "from kafka import KafkaProducer"]
    value = repr(example)
    if input_type == "bytes":
        lines.insert(0, "import base64")
        value = 'base64.b64encode(open("image.png", "rb").read()).decode()'
    if kafka.local:
        lines.insert(1, "import subprocess")
        lines += [
            "",
            f"# {kafka.bootstrap}, and the password that the local stack made",
            'stack = json.loads(subprocess.check_output(["panini", "status", "--json"]))',
            'producer = KafkaProducer(**stack["kafka"])',
        ]
    else:
        lines += ["", *_producer(kafka)]
    lines += [f'producer.send("{topic}", json.dumps({{"input": {value}}}).encode()).get(10)']
    return "\n".join(lines)


def _producer(kafka: Kafka) -> list[str]:
    if not kafka.sasl:
        return [f'producer = KafkaProducer(bootstrap_servers="{kafka.bootstrap}")']
    return [
        "producer = KafkaProducer(",
        f'    bootstrap_servers="{kafka.bootstrap}", security_protocol="SASL_PLAINTEXT",',
        '    sasl_mechanism="PLAIN", sasl_plain_username="…", sasl_plain_password="…",  # ask your operator',
        ")",
    ]
