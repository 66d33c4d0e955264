"""Results with hostile names in them, on QUICK, and the pages made of them."""

import json
import shutil
from pathlib import Path

from experiments import report as report_command
from stlora_ext.files import read_json
from stlora_ext.runs.record import Record
from stlora_ext.runs.store import write_record
from tests.support.reopened import data, finished, results

IMAGE = "<img src=x onerror=alert(1)>"
SCRIPT = "</script><script>alert(2)</script>"
BOLD = "<b>%{x}</b> & \u2028"
HOSTILE = (IMAGE, SCRIPT, BOLD)


def report(*arguments: object) -> None:
    """Call the command."""
    report_command.main([str(argument) for argument in arguments])


def finished_runs(folder: Path) -> Path:
    """Copy finished runs of HA and LSTM, base, plus and control, to ``folder``."""
    runs = [
        finished("HA"),
        *(
            finished(model, arm=arm, seed=seed)
            for seed in (0, 1)
            for model, arm in (("LSTM", ""), ("LSTM+", ""), ("LSTM+", "control"))
        ),
    ]
    for record in runs:
        place = folder / record.parent.relative_to(results())
        shutil.copytree(record.with_suffix(""), place / record.stem)
        shutil.copy(record, place)
    return folder


def hostile_runs(folder: Path) -> Path:
    """Add records whose model, hardware, commit and a setting are hostile, and errors that differ by node."""
    for model in ("LSTM", "LSTM+"):
        for path in sorted((folder / "QUICK" / model).glob("joint-*-seed*.json")):
            record = read_json(path)
            if record["key"]["arm"] == "control":
                continue
            record["key"]["model"] = IMAGE + "+" * model.endswith("+")
            record["provenance"] |= {"hardware": SCRIPT, "git_commit": IMAGE}
            record["configuration"]["model"]["note"] = SCRIPT
            record["test"]["nodes"]["MAE"] = [
                error * (1 + 0.3 * node * model.endswith("+"))
                for node, error in enumerate(record["test"]["nodes"]["MAE"])
            ]
            write_record(Record.of(record), folder)
    return folder


def hostile_data(folder: Path) -> Path:
    """Copy QUICK to ``folder``, its first nodes with hostile names."""
    shutil.copytree(data(), folder, dirs_exist_ok=True)
    path = folder / "QUICK" / "meta.json"
    meta = json.loads(path.read_text(encoding="utf-8"))
    meta["stlora"]["sensor_ids"][: len(HOSTILE)] = HOSTILE
    path.write_text(json.dumps(meta), encoding="utf-8")
    return folder
