"""No source unpickles, evaluates or runs what a file holds, but for a config, which the user runs."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import ROOT

FOLDERS = (".ci", "baselines", "benchmarks", "datasets", "experiments", "stlora_ext", "tests/faults", "tests/fuzz")
FORBIDDEN_IMPORTS = {
    f"import {name}"
    for name in (
        "cloudpickle",
        "dill",
        "joblib.load",
        "marshal",
        "numpy.load",
        "pickle.load",
        "pickle.loads",
        "shelve",
        "torch.load",
        "yaml",
    )
}
FORBIDDEN_ATTRIBUTES = {"HDFStore", "read_pickle", "read_hdf"}
READS_ARRAYS = ("np.load", "numpy.load", "np.lib.format.read_array")
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "joblib.load",
    "marshal.loads",
    "os.system",
    "runpy.run_path",
}
PLACES = {  # what stands alone in one file, and why
    ("stlora_ext/preparation/safe_pickle.py", "pickle.Unpickler"),  # a subclass whose find_class admits a list of names
    ("stlora_ext/host/helper.py", "pickle.load"),  # no file: a pipe from the process that started this one
    ("stlora_ext/config/user_file.py", "runpy.run_path"),  # a config is Python that the user runs
    ("tests/faults/full_disk.py", "runpy.run_path"),  # of the command line, a command of the project's
}


def used(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield what a source imports, calls or inherits from, by its dotted name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((f"import {alias.name}", node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield f"import {node.module}", node
            yield from ((f"import {node.module}.{alias.name}", node) for alias in node.names)
        elif isinstance(node, ast.Call):
            yield ast.unparse(node.func), node
        elif isinstance(node, ast.ClassDef):
            yield from ((ast.unparse(base), node) for base in node.bases)


def problems(source: str) -> list[str]:
    """Return what a source does that could run what a file holds."""
    found = []
    for name, node in used(ast.parse(source)):
        words = {each.arg: ast.unparse(each.value) for each in getattr(node, "keywords", [])}
        refused = name in FORBIDDEN_CALLS | FORBIDDEN_IMPORTS or name.rpartition(".")[2] in FORBIDDEN_ATTRIBUTES
        refused |= any(
            words.get(option, usual) != safe
            for option, safe, usual in (
                ("allow_pickle", "False", "True" if name in READS_ARRAYS else "False"),
                ("weights_only", "True", "False" if name == "torch.load" else "True"),
            )
        )
        found += [name] * refused
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_that_a_file_holds_is_run(folder):
    found = {
        (str(path.relative_to(ROOT)), name)
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name in problems(path.read_text(encoding="utf-8"))
    }
    assert found <= PLACES


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\npickle.load(file)",
        "from pickle import loads",
        "torch.load(path)",
        "import yaml",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "eval(text)",
        "exec(path.read_text())",
        "pd.read_hdf(path)",
        "pd.HDFStore(path)",
        "class A(pickle.Unpickler): pass",
        "runpy.run_path(path)",
        "from torch import load",
    ],
)
def test_each_of_these_is_found(source):
    assert problems(source)


@pytest.mark.parametrize(
    "source",
    [
        "# pickle.load(file)",
        "'eval(x)'",
        "model.eval()",
        "re.compile('a')",
        "torch.load(path, weights_only=True)",
        "np.load(path, allow_pickle=False)",
    ],
)
def test_none_of_these_is(source):
    assert not problems(source)


def test_hdf5_is_read_by_type_and_only_where_numbers_are():
    """Only one source opens HDF5 files of users, and it refuses all types but numbers and fixed strings."""
    readers = {
        str(path.relative_to(ROOT))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if any(name == "h5py.File" for name, _ in used(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert readers == {"stlora_ext/preparation/hdf5.py", "tests/fuzz/formats.py"}  # the latter writes
    assert 'kind not in "fiuS"' in Path(ROOT, "stlora_ext/preparation/hdf5.py").read_text(encoding="utf-8")


def test_the_readme_says_that_a_config_is_a_program():
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert "A config is a program" in text and "run only those that you trust" in text
