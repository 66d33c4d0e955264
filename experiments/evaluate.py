"""Evaluate the checkpoint of a finished run on the test split again, and compare with its record.

    python experiments/evaluate.py results/PEMS08/LSTM/joint-base-6724dfa7-seed0.json
    python experiments/evaluate.py results/PEMS08/LSTM/joint-base-6724dfa7-seed0/model.pt --gpus 0

Nothing is written.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

ROOT = Path(__file__).resolve().parents[1]
sys.path[0:0] = [] if str(ROOT) in sys.path else [str(ROOT)]

from experiments.options import add_device, add_folders  # noqa: E402
from stlora_ext.cli import Parser, command  # noqa: E402
from stlora_ext.tuning import apply_tuning, set_threads  # noqa: E402


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="experiments/evaluate.py", description=__doc__)
    p.add_argument("path", type=Path, metavar="RECORD_OR_CHECKPOINT",
                   help="record (.json) or model.pt of a finished run")
    add_folders(p, "where runs lie, for a record without its run's folder beside it")
    add_device(p)
    return p


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    set_threads(args.threads)
    import experiments.models  # noqa: F401 (registers the backbones)
    from experiments.reopened import open_run
    from stlora_ext.host.launcher import use_device
    from stlora_ext.records.figures import figure_lines, largest_difference
    from stlora_ext.records.store import read_whole_record

    use_device(args.gpus)
    run, meta = open_run(args.path, args.results, args.data)
    read_whole_record(run.path)
    test = evaluate(run, meta, args.data, args.gpus)
    seed = "" if run.key.seed is None else f" seed {run.key.seed}"
    print(f"{run.key.dataset}/{run.key.model}{seed}: evaluated on {meta.windows['test']:,} test windows")
    print(*figure_lines(test), sep="\n")
    apart, place = largest_difference(test, run.record["test"])
    origin = run.record["provenance"]
    print("  the record says the same, to the bit" if place is None else
          f"  largest difference from the record: {apart:.3g} ({place}; it was measured on {origin.get('hardware')}, "
          f"{origin.get('threads')} threads)")


def evaluate(run, meta, data: Path, gpus: Optional[str] = None):
    """Evaluate a run's checkpoint on the test split by the run's own runner, in a temporary folder.

    Args:
        run: The ``FinishedRun``; its checkpoint is there.
        meta: Its data set.
        data: Folder of the prepared data sets.
        gpus: Number of the GPU; None or "": CPU.

    Returns:
        dict: The figures, as ``MetricSums.result`` returns them.

    Raises:
        UserError: If checkpoint or data are damaged or not the run's.
    """
    from stlora_ext.saved_forecasts import evaluate_run
    with tempfile.TemporaryDirectory() as folder:
        return evaluate_run(run, meta, data, gpus, Path(folder))


if __name__ == "__main__":
    apply_tuning()
    command(main)
