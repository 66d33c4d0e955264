"""Confirm run records: evaluate each one's stored checkpoint again, and compare every part of the record.

Scores to 1e-6 on the hardware of the record, to 1e-4 elsewhere. A line says which parts were computed again, which are
those that the checkpoint holds the SHA-256 of, and which are only stated. Of a stream the last twentieth of its periods
is walked again, from the state that the run kept; all of it with --whole.

    python experiments/verify.py results/PEMS08/LSTM/joint-base-6724dfa7-seed0.json
    python experiments/verify.py results/PEMS08 --gpus 0

Ends with 1 where a part differs, with 2 where a record can't be confirmed. Nothing is written.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from entry import command

from stlora_ext.config.experiment import ProtocolName
from stlora_ext.errors import UserError
from stlora_ext.options import ModelParser, add_device, add_folders
from stlora_ext.runs.key import ARMS
from stlora_ext.threads import apply_tuning, set_threads

if TYPE_CHECKING:
    from stlora_ext.runs.verify import Verdict

_PROTOCOLS, _ARMS = "|".join(get_args(ProtocolName)), "|".join(ARMS)
_RECORD = re.compile(rf"({_PROTOCOLS})-({_ARMS})-[0-9a-f]{{8}}-(seed\d+|all-seeds)\.json")


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/verify.py", description=__doc__)
    p.add_argument(
        "paths",
        type=Path,
        nargs="+",
        metavar="RECORD_OR_FOLDER",
        help="records (.json) of finished runs, or folders that hold some",
    )
    p.add_argument(
        "--whole",
        action="store_true",
        help="walk a stream again from its first period on, not the last twentieth alone",
    )
    add_folders(p, "where runs lie, for a record without its run's folder beside it")
    add_device(p)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    set_threads(args.threads)
    from stlora_ext.host.devices import use_device

    use_device(args.gpus)
    paths = records(args.paths)
    differing = refused = 0
    for path in paths:
        try:
            verdict = confirm(path, args, args.whole)
        except UserError as error:
            if len(paths) == 1:
                raise
            refused += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        differing += verdict.difference is not None
        print(f"{path}: {verdict}", flush=True)
    if len(paths) > 1:
        print(
            f"{len(paths)} records: {len(paths) - differing - refused} confirmed, {differing} differ, "
            f"{refused} can't be confirmed"
        )
    if differing or refused:
        sys.exit(1 if differing else 2)


def records(paths: Sequence[Path]) -> list[Path]:
    """Return the records that ``paths`` name or hold, each once.

    Raises:
        UserError: If a folder holds none.
    """
    unique: dict[Path, None] = {}
    for path in paths:
        inside = sorted(p for p in path.rglob("*.json") if _RECORD.fullmatch(p.name)) if path.is_dir() else [path]
        if not inside:
            raise UserError(f"no records under {path}: expected a folder such as results/TINY")
        unique.update(dict.fromkeys(inside))
    return list(unique)


def confirm(path: Path, args: argparse.Namespace, whole: bool = False) -> "Verdict":
    """Compute the run of a record again and compare.

    Raises:
        UserError: If data, configuration or checkpoint aren't the record's, or are damaged or absent.
    """
    from stlora_ext.runs.reopen import open_run
    from stlora_ext.runs.verify import verify

    run, meta = open_run(path, args.results, args.data)
    return verify(run, meta, args.data, args.gpus, whole)


if __name__ == "__main__":
    apply_tuning()
    command(main)
