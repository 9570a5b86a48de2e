"""predict.py of a bundle: parsed, never run. Its syntax, and whether load() and predict() can be called."""

import ast
import pathlib
import threading
import warnings
from collections.abc import Iterator

from registry import errors

MAX_BYTES = 4 << 20

Function = ast.FunctionDef | ast.AsyncFunctionDef

_warnings = threading.Lock()  # catch_warnings changes what all threads see


def check(place: pathlib.Path, name: str) -> None:
    """Check an entry file; `name` is its path in the bundle. Raises BadBundle."""
    with place.open("rb") as file:
        source = file.read(MAX_BYTES + 1)
    if len(source) > MAX_BYTES:
        raise errors.BadBundle(f"{name} is larger than 4 MiB; keep data in files of its own", file=name)
    _check_functions(_parsed(source, name), name)


def _parsed(source: bytes, name: str) -> ast.Module:
    try:
        with _warnings, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source, filename=name)
    except SyntaxError as error:
        line = (error.text or "").strip()
        shown = f" ({line[:80]})" if line else ""
        raise errors.BadBundle(
            f"{name}, line {error.lineno}: {error.msg}{shown}; mend it and deploy again", file=name, line=error.lineno
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise errors.BadBundle(f"{name} is no Python source ({error}); save it as UTF-8 text", file=name) from error


def _check_functions(module: ast.Module, name: str) -> None:
    functions: dict[str, Function] = {}
    bound: set[str] = set()
    for statement in _statements(module.body):
        if isinstance(statement, Function):
            functions[statement.name] = statement
        bound |= _names(statement)
    if "predict" not in bound and "*" not in bound:
        near = sorted(functions)[:5]
        hint = f" (it defines {', '.join(near)})" if near else ""
        raise errors.BadBundle(f"{name} has no function predict{hint}; add def predict(inputs)", file=name)
    has_load = "load" in bound
    if "load" in functions and not _takes(functions["load"].args, 1):
        raise errors.BadBundle(
            f"{name}, line {functions['load'].lineno}: load takes {_shown(functions['load'])}; it is called with one "
            "argument, write def load(path)",
            file=name,
            line=functions["load"].lineno,
        )
    predict = functions.get("predict")
    if predict is not None and not ("*" in bound and not has_load):
        _check_predict(predict, name, has_load=has_load)


def _check_predict(predict: Function, name: str, *, has_load: bool) -> None:
    if _takes(predict.args, 2 if has_load else 1):
        return
    if has_load:
        why = "it is called with what load() returned and the inputs, write def predict(model, inputs)"
    elif _takes(predict.args, 2):
        why = (
            "there is no load(), so it is called with the inputs only: add def load(path), or write def predict(inputs)"
        )
    else:
        why = "it is called with one list of inputs, write def predict(inputs)"
    raise errors.BadBundle(
        f"{name}, line {predict.lineno}: predict takes {_shown(predict)}; {why}", file=name, line=predict.lineno
    )


def _takes(arguments: ast.arguments, count: int) -> bool:
    """Whether a call with `count` positional arguments is right."""
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    keyword_only = sum(default is None for default in arguments.kw_defaults)
    return keyword_only == 0 and required <= count and (count <= positional or arguments.vararg is not None)


def _shown(function: Function) -> str:
    return f"({ast.unparse(function.args)})"


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run at import: those in if, try, with and loops too."""
    for statement in body:
        yield statement
        if isinstance(statement, Function | ast.ClassDef):
            continue
        for field in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, field, []))
        for handler in getattr(statement, "handlers", []):
            yield from _statements(handler.body)


def _names(statement: ast.stmt) -> set[str]:
    """The names that a statement binds; `*` for an import of everything."""
    if isinstance(statement, Function | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return {
            node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
    return set()
