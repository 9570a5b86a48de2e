"""Settings that several processes share: where Kafka and Redis are and how one is let in.

Read from `PANINI_…` in the environment, else from one file each in the folder that `PANINI_SECRETS` names (a Kubernetes
Secret mount, or HOME/secrets of the local stack). Built once in an entry point and passed down.
"""

import os
import pathlib
from typing import Any, Self

import pydantic
import pydantic_settings


class Base(pydantic_settings.BaseSettings):
    """Frozen settings from PANINI_* and the secrets folder."""

    model_config = pydantic_settings.SettingsConfigDict(env_prefix="PANINI_", frozen=True, extra="ignore")

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read the environment and the secrets folder now; `given` wins."""
        folder = os.environ.get("PANINI_SECRETS")
        source: dict[str, Any] = {"_secrets_dir": folder} if folder and pathlib.Path(folder).is_dir() else {}
        return cls(**source | given)


class Connections(Base):
    """The two engines."""

    kafka: str = "127.0.0.1:9092"
    """Bootstrap servers, `host:port` with commas between. Given to `panini up`, no embedded Kafka starts."""
    kafka_username: str | None = None
    """SASL user; none: no authentication."""
    kafka_password: pydantic.SecretStr | None = None
    """SASL password."""
    kafka_mechanism: str = "PLAIN"
    """SASL mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."""
    kafka_tls: bool = False
    """Whether brokers speak TLS."""
    redis: str = "redis://127.0.0.1:6379/0"
    """Redis or Valkey URL without its password. Given to `panini up`, no embedded Valkey starts."""
    redis_password: pydantic.SecretStr | None = None
    """Redis password."""

    def kafka_python(self) -> dict[str, Any]:
        """Keyword arguments for any kafka-python client."""
        arguments: dict[str, Any] = {"bootstrap_servers": self.kafka.split(",")}
        if self.kafka_username is not None:
            password = self.kafka_password.get_secret_value() if self.kafka_password else ""
            arguments |= {
                "security_protocol": "SASL_SSL" if self.kafka_tls else "SASL_PLAINTEXT",
                "sasl_mechanism": self.kafka_mechanism,
                "sasl_plain_username": self.kafka_username,
                "sasl_plain_password": password,
            }
        elif self.kafka_tls:
            arguments["security_protocol"] = "SSL"
        return arguments


class Service(Base):
    """What Panini's own processes know of each other."""

    internal_token: pydantic.SecretStr = pydantic.SecretStr("")
    """Shared by Panini's processes; the registry's internal routes ask for it."""
    signing_key: pydantic.SecretStr = pydantic.SecretStr("")
    """Signs job ids; the same in every ingest and results process."""
    registry: str = "http://127.0.0.1:8080"
    """Address of the registry's HTTP routes, for processes that do not hold it themselves."""
