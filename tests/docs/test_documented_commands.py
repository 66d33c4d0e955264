"""The commands in README, CONTRIBUTING and docs/: programs run as they stand, single commands as far as is quick."""

import importlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import ROOT

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
TARGETS = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
CODE = ("stlora_ext", "baselines", "experiments", "datasets", "benchmarks")
DRY = ("experiments/run.py", "experiments/sweep.py")  # resolve everything, train nothing
SHOWN = ("experiments/table.py", "experiments/plot.py", "experiments/report.py")  # of the published records
ELSEWHERE = {"--ray": 1, "--gpus-per-cell": 1, "--gpus": 1, "--cuda-graphs": 0, "--from": 1}  # not on this machine


def commands(text: str) -> list[str]:
    """Return the commands of a page: indented ones, and those between backticks; tables made from records left out."""
    text = re.sub(r"<!-- table: .*?<!-- end of table -->", "", text, flags=re.DOTALL)
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    indented = re.sub(r" \\\n\s*", " ", text)
    found = re.findall(r"^    ((?:python|make|sbatch) .*)$", indented, re.MULTILINE)
    found += [" ".join(each.split()) for each in re.findall(r"`((?:python|make) [^`]+)`", text)]
    return list(dict.fromkeys(found))


def programs(text: str) -> list[str]:
    """Return the shell programs of a page."""
    return re.findall(r"```bash\n(.*?)```", text, re.DOTALL)


def quoted(text: str) -> list[str]:
    """Return the messages that a part of a page quotes, each in one line."""
    return [" ".join(lines.replace("> ", " ").split()) for lines in re.findall(r"(?:^> .*\n)+", text, re.MULTILINE)]


def on_pages(find) -> list:
    """Return what ``find`` finds on every page, as parameters of a test."""
    return [
        pytest.param(each, id=f"{path.name}-{number}")
        for path in PAGES
        for number, each in enumerate(find(path.read_text(encoding="utf-8")))
    ]


@pytest.fixture(scope="module")
def folder(tiny_data, tmp_path_factory) -> Path:
    """A folder to work in, whose ``datasets`` holds every data set of the pages: TINY's readings under its name."""
    folder = tmp_path_factory.mktemp("pages")
    for name in (
        "TINY",
        "CITY",
        "CITY-H0",
        "CITY-H1",
        "PEMS08",
        "PEMS08-TAIL",
        "METR-LA-29",
        "LOS-LOOP",
        "MELBOURNE-PED",
        "METR-LA-29-STREAM",
        "NYC-TAXI",
    ):
        shutil.copytree(tiny_data / "TINY", folder / "datasets" / name)
        meta = folder / "datasets" / name / "meta.json"
        meta.write_text(json.dumps({**json.loads(meta.read_text()), "name": name}))
    for name in ("experiments", "results"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def without(arguments: list[str], options: dict[str, int]) -> list[str]:
    """Return ``arguments`` without some options and the number of values that each takes."""
    kept, skipped = [], 0
    for word in arguments:
        if skipped:
            skipped -= 1
        elif word in options:
            skipped = options[word]
        else:
            kept.append(word)
    return kept


@pytest.mark.parametrize("line", on_pages(commands))
def test_a_documented_command_is_one(line, folder, monkeypatch):
    words = shlex.split(line, comments=True)
    if words[0] == "sbatch":
        words = shlex.split(words[words.index("--wrap") + 1].replace("$SLURM_ARRAY_TASK_ID", "0"))
    if words[0] == "make":
        assert words[1] in TARGETS
        return
    if words[1] == "-c":
        compile(words[2], line, "exec")
        return
    if words[1] == "-m":
        assert importlib.util.find_spec(f"{words[2]}.__main__")
        return
    script, arguments = words[1], words[2:]
    assert (ROOT / script).is_file(), f"{script} does not exist"
    module = importlib.import_module(script.removesuffix(".py").replace("/", "."))
    if not arguments or script.startswith(("benchmarks/", "tests/")):
        return
    arguments = [word.replace("...", "1") for word in arguments]
    wanted = module.parser().parse_args(arguments)
    monkeypatch.chdir(folder)
    config = getattr(wanted, "config", None)
    if script in DRY and (config is None or (ROOT / config).exists()):  # not a config of the page's own
        arguments = [word for word in without(arguments, ELSEWHERE) if word != "--dry-run"]
        module.main([*arguments, "--data", str(folder / "datasets"), "--dry-run"])
    elif script in SHOWN and wanted.dataset:
        names = [wanted.dataset] if isinstance(wanted.dataset, str) else wanted.dataset
        published = ROOT / "results" / "published"
        for place in (wanted.results, published, published / "heterogeneity"):
            if all((place / name).is_dir() for name in names):
                module.main([*without(arguments, {"--results": 1}), "--results", str(place)])
                break


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A copy of the code, whose commands write into it."""
    folder = tmp_path_factory.mktemp("clone")
    for name in CODE:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*_data.npy", "MINE"))
    for prepared in (folder / "datasets").glob("*/meta.json"):  # this machine's own
        shutil.rmtree(prepared.parent)
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("program", on_pages(programs))
def test_a_documented_program_runs_from_its_first_line_to_its_last(program, clone, request):
    page = request.node.callspec.id.rpartition("-")[0]
    if not (clone / page).exists():  # its reader has the runs of no other page
        shutil.rmtree(clone / "results", ignore_errors=True)
        (clone / page).touch()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", program],
        cwd=clone,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PATH": f"{clone / 'bin'}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = " ".join(done.stderr.split())
    [text] = [path.read_text(encoding="utf-8") for path in PAGES if path.name == page]
    after = text.split(program)[1].split("```bash\n")[0]  # up to the next program
    assert [message for message in quoted(after) if message not in said] == []
