"""Where a worker keeps what it makes, below the home folder."""

import pathlib
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Folders:
    """The folders of one model's worker. All are made when first needed and may be deleted while nothing runs."""

    home: pathlib.Path
    """PANINI_HOME; runners see nothing of it but what is shown to them."""
    owner: str
    """`account.model`: what a model writes is kept apart from every other's."""

    @property
    def kit(self) -> pathlib.Path:
        """The runner's program, one folder a release."""
        return self.home / "kit"

    @property
    def environments(self) -> pathlib.Path:
        """Environments of requirements, shared by the versions whose requirements are equal; runners cannot write."""
        return self.home / "environments"

    @property
    def versions(self) -> pathlib.Path:
        """The model's versions as folders of files, one a digest: the runner's working directory."""
        return self.home / "versions" / self.owner

    @property
    def cache(self) -> pathlib.Path:
        """What the model downloads (TORCH_HOME, HF_HOME): outlives runners and versions."""
        return self.home / "cache" / "models" / self.owner

    @property
    def blobs(self) -> pathlib.Path:
        """Files of bundles by their sha256."""
        return self.home / "cache" / "blobs"

    @property
    def uv_cache(self) -> pathlib.Path:
        """uv's cache; among the environments, so that it can link instead of copy even where each is mounted."""
        return self.environments / ".uv"

    @property
    def scratch(self) -> pathlib.Path:
        """Home and TMPDIR of each runner, deleted with it."""
        return self.home / "scratch"
