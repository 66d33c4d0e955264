"""Evaluate the checkpoint of a finished run on the test split again, and compare with its record.

    python experiments/evaluate.py results/PEMS08/LSTM/joint-base-6724dfa7-seed0.json
    python experiments/evaluate.py results/PEMS08/LSTM/joint-base-6724dfa7-seed0/model.pt --gpus 0

Nothing is written.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from entry import command

from stlora_ext.options import ModelParser, add_device, add_folders
from stlora_ext.threads import apply_tuning, set_threads


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/evaluate.py", description=__doc__)
    p.add_argument(
        "path", type=Path, metavar="RECORD_OR_CHECKPOINT", help="record (.json) or model.pt of a finished run"
    )
    add_folders(p, "where runs lie, for a record without its run's folder beside it")
    add_device(p)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    set_threads(args.threads)
    from stlora_ext.host.launcher import use_device
    from stlora_ext.runs.evaluation import evaluate
    from stlora_ext.runs.open_run import open_run
    from stlora_ext.runs.scores import largest_difference, score_lines
    from stlora_ext.runs.store import read_whole_record

    use_device(args.gpus)
    run, meta = open_run(args.path, args.results, args.data)
    read_whole_record(run.path)
    test = evaluate(run, meta, args.data, args.gpus).test_result
    seed = "" if run.key.seed is None else f" seed {run.key.seed}"
    print(f"{run.key.dataset}/{run.key.model}{seed}: evaluated on {meta.windows['test']:,} test windows")
    print(*score_lines(test, meta.interval), sep="\n")
    apart, place = largest_difference(test, run.record["test"])
    origin = run.record["provenance"]
    print(
        "  the record says the same, to the bit"
        if place is None
        else f"  largest difference from the record: {apart:.3g} ({place}; it was measured on "
        f"{origin.get('hardware')}, {origin.get('threads')} threads)"
    )


if __name__ == "__main__":
    apply_tuning()
    command(main)
