"""A UserError is a ValueError, and no handler of the latter puts its message into another one."""

import ast
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from stlora_ext import load_adapter, save_adapter
from stlora_ext.data.prepared import load_meta
from stlora_ext.errors import UserError
from stlora_ext.host.fitting import fit_model
from stlora_ext.lora.files import read_adapter
from stlora_ext.preparation.basicts_folder import read_basicts
from stlora_ext.runs.build import build_model
from stlora_ext.runs.store import FORMAT, read_record
from tests.lora.toy import backbone, trained
from tests.support.commands import ROOT
from tests.support.small import data_folder, meta, small_experiment

FOLDERS = ("baselines", "benchmarks", "datasets", "experiments", "stlora_ext", "tests/faults", "tests/fuzz")


def test_a_user_error_is_a_value_error():
    with pytest.raises(ValueError, match="the reason"):
        raise UserError("the reason")


# ---- the property, over every handler -------------------------------------------------------------------


@cache
def sources() -> dict[str, ast.Module]:
    """The project's modules by their names."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        .removesuffix(".__init__")
        .removeprefix("datasets."): ast.parse(path.read_text("utf-8"))
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


@cache
def imports(module: str) -> dict[str, str]:
    """What a module's names stand for where they are imported, by dotted names."""
    found = {}
    for node in ast.walk(sources()[module]):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*parts, *([node.module] if node.module else [])])
            found |= {alias.asname or alias.name: f"{origin}.{alias.name}" for alias in node.names}
    return found


@cache
def definitions() -> dict[str, list[tuple[str, ast.AST]]]:
    """The project's functions and classes by name, each with its module."""
    found: dict[str, list[tuple[str, ast.AST]]] = {}
    for module, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found.setdefault(node.name, []).append((module, node))
    return found


@cache
def inside(module: str) -> list[ast.AST]:
    """What a dot leads to: the module's own definitions and its classes', not those within functions."""
    own = list(sources()[module].body)
    return own + [node for found in own if isinstance(found, ast.ClassDef) for node in found.body]


def called(module: str, body: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield the project's definitions that ``body`` may call: of a method, every one of its name but Python's own."""
    for node in ast.walk(body):
        if not isinstance(node, ast.Call):
            continue
        function, known = node.func, imports(module)
        if isinstance(function, ast.Name):
            home, _, name = known.get(function.id, f"{module}.{function.id}").rpartition(".")
            yield from ((place, found) for place, found in definitions().get(name, []) if place == home)
        elif isinstance(function, ast.Attribute):
            root = ast.unparse(function).partition(".")[0]
            outside = root in known and known[root].partition(".")[0] not in {
                name.partition(".")[0] for name in sources()
            }
            if not outside and not function.attr.startswith("__"):
                yield from (
                    (place, found) for place, found in definitions().get(function.attr, []) if found in inside(place)
                )


def raises(body: ast.AST) -> bool:
    """Whether a UserError is raised in ``body`` itself."""
    return any(
        isinstance(node, ast.Raise) and node.exc is not None and "UserError" in ast.unparse(node.exc)
        for node in ast.walk(body)
    )


@cache
def raising() -> set[int]:
    """The definitions that may raise a UserError, by themselves or by what they call."""
    every = [(module, node) for found in definitions().values() for module, node in found]
    found = {id(node) for _, node in every if raises(node)}
    while True:
        more = {
            id(node)
            for module, node in every
            if id(node) not in found and any(id(other) in found for _, other in called(module, node))
        }
        if not more:
            return found
        found |= more


def caught(handler: ast.ExceptHandler) -> set[str]:
    if handler.type is None:
        return {"BaseException"}
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {ast.unparse(each).rpartition(".")[2] for each in types}


def wrapping(module: str, tree: ast.Module) -> list[str]:
    """Return the handlers that catch a UserError with other errors though one can come, and don't raise it again."""
    found = []
    for node in ast.walk(tree):
        for handler in node.handlers if isinstance(node, ast.Try) else []:
            body = ast.Module(node.body, [])
            ends = handler.body and isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None
            if "UserError" in caught(handler):
                break
            if (
                caught(handler) & {"ValueError", "Exception", "BaseException"}
                and not ends
                and (raises(body) or any(id(other) in raising() for _, other in called(module, body)))
            ):
                found.append(f"{module}, line {handler.lineno}")
    return found


def test_no_handler_of_value_errors_catches_a_user_error_unawares():
    assert len(sources()) > 100 and len(raising()) > 100
    assert [place for module, tree in sources().items() for place in wrapping(module, tree)] == []


EXAMPLES = """
import json
from stlora_ext.runs.store import read_record
def helper():
    return read_record(0)
try: raise UserError('x')
except ValueError: pass  # wraps
try: read_record(p)
except (OSError, ValueError) as e: raise UserError(f'{e}')  # wraps
try: stlora_ext.runs.store.read_record(p)
except Exception: pass  # wraps
try: helper()
except ValueError: pass  # wraps
try: read_record(p)
except UserError: raise
except ValueError: pass
try: read_record(p)
except (UserError, ValueError): pass
try: read_record(p)
except OSError: pass
try: read_record(p)
except BaseException: raise
try: float(p)
except ValueError: pass
try: json.read_record(p)
except ValueError: pass
"""


def test_the_check_tells_handlers_that_wrap_from_those_that_do_not(monkeypatch):
    monkeypatch.setitem(sources(), "stlora_ext.example", ast.parse(EXAMPLES))
    lines = [number for number, line in enumerate(EXAMPLES.splitlines(), 1) if line.endswith("# wraps")]
    for each in (imports, definitions, inside, raising):
        each.cache_clear()
    assert wrapping("stlora_ext.example", sources()["stlora_ext.example"]) == [
        f"stlora_ext.example, line {number}" for number in lines
    ]
    monkeypatch.undo()
    for each in (imports, definitions, inside, raising):
        each.cache_clear()


# ---- where it mattered ----------------------------------------------------------------------------------


def message(read) -> str:
    with pytest.raises(UserError) as error:
        read()
    return str(error.value)


def test_a_record_of_another_format_is_named_as_such(tmp_path):
    (tmp_path / "a.json").write_text('{"format": 99}')
    assert (
        message(lambda: read_record(tmp_path / "a.json"))
        == f"record {tmp_path / 'a.json'} has format 99, expected {FORMAT}: repeat the run"
    )


def test_a_data_set_under_another_name_is_named_as_such(tiny_data, tmp_path):
    (tmp_path / "OTHER").symlink_to(tiny_data / "TINY")
    assert message(lambda: load_meta(tmp_path, "OTHER")).startswith(
        f"{tmp_path / 'OTHER' / 'meta.json'} describes the data set 'TINY'"
    )


def test_a_folder_whose_description_is_no_object_is_named_as_such(tmp_path):
    (tmp_path / "meta.json").write_text("[]")
    assert (
        message(lambda: read_basicts(tmp_path, None))
        == f"{tmp_path / 'meta.json'} holds no description: expected a JSON object"
    )


def test_an_adapter_file_without_nodes_is_named_as_such(tmp_path):
    path = tmp_path / "a.safetensors"
    save_adapter(trained("LSTM", "none"), path)
    described, tensors = read_adapter(path)
    save_file(tensors, path, metadata={"stlora": json.dumps({**described, "num_nodes": 0})})
    assert message(lambda: load_adapter(backbone("LSTM"), path)) == "num_nodes=0: expected at least 1"


def test_a_refusal_of_a_model_reaches_the_user_as_it_is(monkeypatch):
    def refuse(*_) -> None:
        raise UserError("the reason")

    monkeypatch.setattr("stlora_ext.runs.build.attach", refuse)
    assert message(lambda: build_model(small_experiment("LSTM+"), meta(), data_folder(11))) == "the reason"


def test_a_refusal_of_a_fit_reaches_the_user_as_it_is():
    refusal = UserError("the reason")

    class Refusing(torch.nn.Module):
        def fit(self, data, mask) -> None:
            raise refusal

    class Split:
        scaled = mask = torch.zeros(1, 1)
        timestamps = None

    with pytest.raises(UserError) as error:
        fit_model(Refusing(), Split(), 0, Path(), iter)
    assert error.value is refusal and error.value.__cause__ is None
