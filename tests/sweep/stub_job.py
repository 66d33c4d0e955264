"""Stands for run.py where only its process counts: the same lock, refusal and record, without torch.

    python tests/sweep/stub_job.py RESULTS KEY(JSON) SECONDS EXIT_CODE(a signal below 0)

Every run that gets the lock adds a line to RESULTS/runs.txt.
"""

import fcntl
import json
import os
import sys
import time
from pathlib import Path

results, key, seconds, code = Path(sys.argv[1]), json.loads(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
run = results / key["dataset"] / key["model"] / f"{key['protocol']}-{key['arm']}-{key['config_hash']}-seed{key['seed']}"
record = run.with_name(f"{run.name}.json")
run.mkdir(parents=True, exist_ok=True)
with open(run / ".lock", "w") as lock:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"error: another process is running {run}: wait for it, or stop it first", file=sys.stderr)
        sys.exit(2)
    if record.exists():
        print("already finished, not repeated")
        sys.exit(0)
    try:
        with open(results / "runs.txt", "a") as runs:
            runs.write(f"{run.name} {os.getpid()}\n")
        time.sleep(seconds)
    except KeyboardInterrupt:
        (run / "stopped").touch()
        sys.exit(130)
    if code < 0:
        os.kill(os.getpid(), -code)
    if code == 2:
        print("error: this run fails: mend it", file=sys.stderr)
        sys.exit(2)
    if code:
        raise RuntimeError("memory is out")
    scores = {"MAE": 1.0, "RMSE": 1.0, "MAPE": 1.0}
    content = {
        "format": "stlora-run-record-1",
        "key": key,
        "status": "finished",
        "configuration": {"training": {"num_epochs": 1}, "model": {}, "adapter": {"sharing": "embedding"}},
        "training": {"epochs": 1, "history": []},
        "test": {"average": scores, "horizons": [scores]},
        "data": {"fingerprint": "sha256:0", "interval": 5, "num_nodes": 3, "windows": {"test": 9}},
        "parameters": {"backbone": 1, "adapter": 0, "adapter_percent": None},
        "provenance": {},
    }
    (run / "record.tmp").write_text(json.dumps(content))
    (run / "record.tmp").rename(record)
