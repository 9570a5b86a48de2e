"""What an upload must be before it becomes a version. Files are read and parsed, never run.

The same checks serve `panini check DIR`: they take a mapping of paths in the bundle to places on this disk.
"""

import dataclasses
import pathlib
from collections.abc import Mapping

import msgspec

from registry import errors, options, paths, requirements, sources
from wire import specs

ENTRIES = ("predict.py", "main.py")
WEIGHTS = (".pth", ".pt", ".pkl", ".joblib", ".onnx", ".safetensors")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What the checks found out about a bundle."""

    entry: str
    """The file with predict()."""
    options: specs.Options
    """With the weights file filled in."""
    sample: str | None
    """JSON text of the sample input."""


def folder(root: pathlib.Path) -> dict[str, pathlib.Path]:
    """The files of a folder on this disk, as `bundle` takes them and an upload would leave them."""
    found = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    return {name: path for name, path in found.items() if not paths.rubbish(name)}


def bundle(
    files: Mapping[str, pathlib.Path], *, given: Mapping[str, str] | None = None, sample: bytes | None = None
) -> Checked:
    """Check a bundle. Blocks.

    `given` is what the deploy said (option names and their text), `sample` one input as JSON.

    Raises:
        BadBundle: with the file, the line where there is one, and the next step.
    """
    if not files:
        raise errors.BadBundle("the bundle is empty; put predict.py, requirements.txt and the weights into it")
    entry = _entry(files)
    sources.check(files[entry], entry)
    if requirements.FILE in files:
        requirements.check(_read(files[requirements.FILE], requirements.MAX_BYTES))
    toml = _read(files[options.FILE], options.MAX_BYTES) if options.FILE in files else None
    merged = options.merge(given or {}, toml)
    return Checked(
        entry=entry,
        options=_with_weights(merged, files),
        sample=options.sample(sample, merged.input) if sample is not None else None,
    )


def _entry(files: Mapping[str, pathlib.Path]) -> str:
    for entry in ENTRIES:
        if entry in files:
            return entry
    nested = sorted(path for path in files if path.rpartition("/")[2] in ENTRIES)
    if nested:
        raise errors.BadBundle(
            f"there is no predict.py at the top of the bundle, but {nested[0]}; upload what is in its folder",
            file=nested[0],
        )
    scripts = sorted(path for path in files if path.endswith(".py"))
    hint = f" ({', '.join(scripts[:3])} is there: rename the one with predict())" if scripts else ""
    raise errors.BadBundle(
        f"there is no predict.py and no main.py in the bundle{hint}; add a predict.py with a function predict(inputs)",
        file="predict.py",
    )


def _with_weights(merged: specs.Options, files: Mapping[str, pathlib.Path]) -> specs.Options:
    if merged.weights is not None:
        merged = msgspec.structs.replace(merged, weights=merged.weights.removeprefix("./"))
        if merged.weights not in files:
            raise errors.BadBundle(
                f"the weights file {merged.weights!r} is not in the bundle; add it, or mend `weights`",
                file=options.FILE if options.FILE in files else merged.weights,
            )
        return merged
    found = sorted(path for path in files if path.lower().endswith(WEIGHTS))
    if len(found) > 1:
        shown = ", ".join(found[:5]) + (", …" if len(found) > 5 else "")
        raise errors.BadBundle(
            f'there are {len(found)} weights files ({shown}); write `weights = "{found[0]}"` into panini.toml to say '
            "which one load() gets",
            file=options.FILE,
        )
    return msgspec.structs.replace(merged, weights=found[0] if found else None)


def _read(place: pathlib.Path, limit: int) -> bytes:
    with place.open("rb") as file:
        return file.read(limit + 1)
