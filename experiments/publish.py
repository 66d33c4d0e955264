"""Copy finished records to results/published, where README and the docs cite them from.

    python experiments/publish.py --dataset PEMS08-TAIL

Each record is verified first, as experiments/verify.py does; unless all are confirmed, nothing is published. A record
that is published already stays as it is, without being verified again; one with other scores is replaced with --force
alone.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from entry import command

from stlora_ext.errors import UserError, nearest
from stlora_ext.folders import ROOT
from stlora_ext.options import ModelParser, add_device, add_folders
from stlora_ext.runs.record import Record, Scores
from stlora_ext.runs.store import PUBLISHED, find_record, read_records, write_record
from stlora_ext.threads import apply_tuning, set_threads


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/publish.py", description=__doc__)
    p.add_argument("--dataset", required=True, metavar="NAME", help="the data set")
    p.add_argument("--models", nargs="+", default=["*"], metavar="GLOB", help="models (default: all)")
    add_folders(p, "where the records lie")
    p.add_argument("--to", type=Path, default=ROOT / "results" / PUBLISHED, metavar="DIR", help="where they go")
    p.add_argument("--force", action="store_true", help="replace published records that hold other scores")
    add_device(p)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    recorded = read_records(args.results, args.dataset)
    if not recorded:
        raise UserError(
            f"no records of '{args.dataset}' under {args.results}: run them first, or give the folder that they are in "
            "as --results"
        )
    models = sorted({record.key.model for record in recorded})
    for pattern in args.models:
        if not any(fnmatch(model, pattern) for model in models):
            raise UserError(
                f"no records of '{pattern}' on {args.dataset} under {args.results}: {nearest(pattern, models)}"
            )
    records = [record for record in recorded if any(fnmatch(record.key.model, pattern) for pattern in args.models)]
    replaced = [find_record(record.key, args.to) for record in records]
    if not args.force:
        _refuse_other_scores(records, replaced, args.to)
    fresh = [
        record
        for record, there in zip(records, replaced, strict=True)
        if there is None or there.content != record.content
    ]
    if len(fresh) < len(records):
        print(f"published already, and left as they are: {len(records) - len(fresh)} of {len(records)}")
    if fresh:
        _publish(fresh, args)


def _publish(records: Sequence[Record], args: argparse.Namespace) -> None:
    """Verify and copy records."""
    set_threads(args.threads)
    from experiments.verify import confirm
    from stlora_ext.host.devices import use_device

    use_device(args.gpus)
    for count, record in enumerate(records, start=1):
        path = record.key.record_path(args.results)
        verdict = confirm(path, args)
        if verdict.difference is not None:
            raise UserError(
                f"{path} {verdict}: nothing is published; repeat the run with --force, or put back its own files"
            )
        print(f"[{count}/{len(records)}] {path}: {verdict}", flush=True)
    for record in records:
        print(f"published {write_record(record, args.to).relative_to(args.to)}")


def _refuse_other_scores(records: Sequence[Record], replaced: Sequence[Record | None], to: Path) -> None:
    for record, published in zip(records, replaced, strict=True):
        if published is not None and published.scores != _as_detailed(record.scores, published.scores):
            before, now = published.scores.average["MAE"], record.scores.average["MAE"]
            raise UserError(
                f"{record.key.record_path(to)} is published with other scores (average MAE {before}, now {now}): "
                "nothing was published; --force replaces it"
            )


def _as_detailed(scores: Scores, published: Scores) -> Scores:
    """Return ``scores`` without the sums of periods, where those that are published, of before, have none."""
    return replace(scores, periods=None) if published.periods is None else scores


if __name__ == "__main__":
    apply_tuning()
    command(main)
