"""Evaluate a finished run again: on the test split, beside its record, or on new readings of the same sensors.

    python experiments/evaluate.py results/PEMS08/LSTM/joint-base-6724dfa7-seed0.json
    python experiments/evaluate.py results/PEMS08/LSTM/joint-base-6724dfa7-seed0/model.pt --gpus 0
    python experiments/evaluate.py results/PEMS08/LSTM/joint-base-6724dfa7-seed0.json --input november.csv

A run of protocol stream is walked again from its backbone, update by update; --input takes its last weights.
Nothing is written, but for the test set's forecasts with --save-results. --input is read as predict.py reads it, and
every window in it is forecast and scored as those of the test set are.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from entry import command

from stlora_ext.errors import UserError
from stlora_ext.options import ModelParser, add_device, add_folders, add_save_results, check_save_results
from stlora_ext.preparation.options import ReadingOptions, add_input_options, reading_options
from stlora_ext.threads import apply_tuning, set_threads

if TYPE_CHECKING:
    from stlora_ext.runs.reopen import FinishedRun


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/evaluate.py", description=__doc__)
    p.add_argument(
        "path", type=Path, metavar="RECORD_OR_CHECKPOINT", help="record (.json) or model.pt of a finished run"
    )
    p.add_argument("--input", type=Path, metavar="CSV", help="new readings to measure on, instead of the test split")
    add_save_results(p)
    add_folders(p, "where runs lie, for a record without its run's folder beside it")
    add_device(p)
    add_input_options(p, "insert missing rows as missing readings")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    check_save_results(args)
    if args.input is None and (reading_options(args) != ReadingOptions() or args.fill_gaps):
        raise UserError(
            "--input is not given, and the options that tell how it is read are: name it, or leave them out"
        )
    if args.input is not None and args.save_results:
        raise UserError("--save-results keeps forecasts of the test set: leave it out; predict.py --all writes those")
    set_threads(args.threads)
    from stlora_ext.host.devices import use_device

    use_device(args.gpus)
    if args.input is not None:
        on_new_readings(args)
    else:
        on_the_test_split(args)


def on_the_test_split(args: argparse.Namespace) -> None:
    """Evaluate on the test split and compare with the record."""
    from stlora_ext.host.runner import FORECASTS
    from stlora_ext.runs.evaluation import evaluate
    from stlora_ext.runs.lock import locked
    from stlora_ext.runs.record import Scores
    from stlora_ext.runs.reopen import open_run
    from stlora_ext.runs.saved_forecasts import save_forecasts, save_table
    from stlora_ext.runs.scores import largest_difference, score_lines

    run, meta = open_run(args.path, args.results, args.data)
    assert run.checkpoint is not None
    runner = None
    if args.save_results:
        with locked(run.checkpoint.parent):
            runner = save_forecasts(run, meta, args.data, args.gpus)
            if args.format == "csv":
                save_table(run.checkpoint.parent, run.exp, meta)
    scores = Scores.of((runner or evaluate(run, meta, args.data, args.gpus)).test_result)
    seed = "" if run.key.seed is None else f" seed {run.key.seed}"
    print(f"{run.key.dataset}/{run.key.model}{seed}: evaluated on {meta.windows['test']:,} test windows{_walked(run)}")
    print(*score_lines(scores, meta.interval), sep="\n")
    difference, part = largest_difference(scores, run.record.scores)
    origin = run.record.provenance
    print(
        "  the record says the same, to the bit"
        if part is None
        else f"  largest difference from the record: {difference:.3g} ({part}; it was measured on "
        f"{origin.hardware}, {origin.threads} threads)"
    )
    if args.save_results:
        print(f"  forecasts: {run.checkpoint.parent / FORECASTS}")


def _walked(run: "FinishedRun") -> str:
    stream = run.record.stream
    return "" if stream is None else f", walked again in {stream.periods:,} periods with {stream.updates:,} updates"


def on_new_readings(args: argparse.Namespace) -> None:
    """Measure every window of ``--input``."""
    from stlora_ext.preparation.recent import read_whole
    from stlora_ext.runs.loaded import load_run
    from stlora_ext.runs.rolling import measure
    from stlora_ext.runs.scores import score_lines

    device = f"cuda:{args.gpus}" if args.gpus else "cpu"
    run = load_run(args.path, data=args.data, results=args.results, device=device)
    meta = run.meta
    values, times = read_whole(args.input, meta, reading_options(args), args.fill_gaps, ahead=meta.output_len)
    scores = measure(run, values, times)
    windows = len(values) - meta.input_len - meta.output_len + 1
    print(f"{run.title}: evaluated on {windows:,} windows of {args.input}, {times[0]} to {times[len(values) - 1]}")
    print(*score_lines(scores, meta.interval), sep="\n")


if __name__ == "__main__":
    apply_tuning()
    command(main)
