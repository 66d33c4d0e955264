"""What each command imports: help, tables, pictures and publish.py answer before torch could be imported."""

import json
import subprocess
import sys

import pytest

from benchmarks.start import commands, copy_records, of_records
from tests.support.commands import ROOT

LISTED = """
import json, runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as stop:
    assert not stop.code, stop.code
packages = {name.partition(".")[0] for name, module in sys.modules.items()
            if "site-packages" in (getattr(module, "__file__", None) or "")}
print(json.dumps(sorted(packages)))
"""
NUMBERS = {"numpy"}
STATISTICS = {"numpy", "scipy", "charset_normalizer"}  # of which numpy.f2py takes the last where it is installed
DRAWING = {
    "PIL",
    "contourpy",
    "cycler",
    "dateutil",
    "fontTools",
    "kiwisolver",
    "matplotlib",
    "mpl_toolkits",
    "packaging",
    "pyparsing",
    "six",
}
HELP = {
    "datasets/prepare.py": NUMBERS,
    "datasets/simulate.py": {"numpy", "psutil"},
    "experiments/evaluate.py": NUMBERS,
    "experiments/predict.py": NUMBERS,
    "experiments/update.py": NUMBERS,
}
READING = {
    "experiments/table.py": STATISTICS,
    "experiments/table.py --gains": STATISTICS,
    "experiments/plot.py": STATISTICS | DRAWING,
    "experiments/publish.py": set(),
}


def imported(line):
    done = subprocess.run(
        [sys.executable, "-c", LISTED, *line.split()], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name for name in json.loads(done.stdout.splitlines()[-1]) if not name.startswith("_")}


@pytest.mark.parametrize("path", commands())
def test_help_imports_what_is_listed_alone(path):
    assert imported(f"{path} --help") <= HELP.get(path, set())


@pytest.mark.parametrize("shown", READING)
def test_reading_records_imports_what_is_listed_alone(shown, tmp_path):
    assert copy_records(30, tmp_path) >= 30
    assert imported(of_records(tmp_path)[shown]) <= READING[shown]
