"""What can go wrong in the registry. No HTTP here: `registry.refusals` maps these to status codes."""


class RegistryError(Exception):
    """The registry cannot do that."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class NotFound(RegistryError):
    """There is no such thing; `panini models` lists what you have."""


class UnknownModel(NotFound):
    """There is no such model; `panini models` lists yours."""


class UnknownVersion(NotFound):
    """The model has no such version; `panini versions NAME` lists them."""


class UnknownKey(NotFound):
    """There is no such key; GET /v1/keys lists yours."""


class UnknownBlob(NotFound):
    """The store holds no such file; its version may have been removed."""


class BadName(RegistryError):
    """A model's name is 1 to 40 of a-z, 0-9 and -, and neither begins nor ends with -."""


class BadUpload(RegistryError):
    """The upload cannot be read; send multipart/form-data or one tar, tar.gz or zip archive."""


class BadPush(RegistryError):
    """Results cannot be pushed there."""


class BadArchive(BadUpload):
    """The archive cannot be read, or holds what a bundle must not hold; pack plain files and folders anew."""


class BadBundle(RegistryError):
    """The bundle cannot become a version; nothing was stored."""

    def __init__(self, message: str | None = None, *, file: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.file = file
        """Path in the bundle of the file to mend."""
        self.line = line
        """Its line, from 1."""


class BadEnviron(RegistryError):
    """A variable's name is letters, digits and _, not beginning with a digit; its value is text."""


class TooLarge(RegistryError):
    """The bundle is larger than this installation allows; the setting is PANINI_UPLOAD_BYTES."""


class StorageFailed(RegistryError):
    """The registry's folder cannot be written; free space on its disk and try again."""


class KafkaUnavailable(RegistryError):
    """Kafka does not answer, so the model's topic cannot be made or removed; try again in a moment."""


class KafkaRefused(RegistryError):
    """Kafka refused the topic; mend the PANINI_TOPIC_… settings."""


class Conflict(RegistryError):
    """That does not fit the present state."""


class NameTaken(Conflict):
    """A model of that name was removed a moment ago and is not yet gone; try again in some seconds."""


class VersionNotReady(Conflict):
    """Only a version that passed its check can go live."""


class LastKey(Conflict):
    """The last key of an account cannot be revoked; make another first (POST /v1/keys)."""


class NoEncryptionKey(RegistryError):
    """This installation has no encryption key, so variables cannot be kept; set PANINI_ENCRYPTION_KEY."""


class WrongEncryptionKey(RegistryError):
    """The model's variables were encrypted with another PANINI_ENCRYPTION_KEY; set that one, or set them anew."""


class ResultsUnavailable(RegistryError):
    """The store of results does not answer, so what it keeps of a removed model's jobs stays for the moment."""


class DatabaseUnavailable(RegistryError):
    """The registry's database cannot be used."""


class RegistryUnavailable(RegistryError, OSError):
    """The registry does not answer. An OSError, so that holders of old knowledge know to keep it."""


class ServiceRefused(RegistryUnavailable):
    """The registry refused this process; check that PANINI_INTERNAL_TOKEN is the same everywhere."""
