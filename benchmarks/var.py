"""Time and memory of fitting VAR to a large network: by default the size of PEMS07, 883 nodes and 16,900 rows.

    python benchmarks/var.py
    python benchmarks/var.py --nodes 307 --rows 10000 --out var.json

The series has 40 common causes, missing readings, two equal sensors and a constant one.
"""

import argparse
import resource
import time
from collections.abc import Sequence

from entry import Parser, command

from benchmarks.measuring import add_options
from stlora_ext.cli import positive
from stlora_ext.threads import apply_tuning, set_threads


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="benchmarks/var.py", description=__doc__)
    p.add_argument("--nodes", type=positive, default=883, metavar="N", help="sensors")
    p.add_argument("--rows", type=positive, default=16900, metavar="T", help="training rows")
    add_options(p)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    set_threads(args.threads)
    import torch

    from baselines.VAR import VAR, VARConfig
    from stlora_ext.files import write_json
    from stlora_ext.runs.options import RunOptions
    from stlora_ext.runs.provenance import git_commit, provenance

    generator = torch.Generator().manual_seed(0)
    causes = torch.randn(args.rows, 40, generator=generator).cumsum(dim=0)
    causes = (causes - causes.mean(dim=0)) / causes.std(dim=0)
    series = causes @ torch.randn(40, args.nodes, generator=generator) / 6
    series += 0.3 * torch.randn(series.shape, generator=generator)
    series[:, -1], series[:, -2] = series[:, 0], 0.7
    mask = torch.rand(series.shape, generator=generator) > 0.02
    series = series * mask
    model = VAR(VARConfig(num_nodes=args.nodes))
    started = time.perf_counter()
    model.fit(series, mask)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if not torch.isfinite(model(series[:12].unsqueeze(0))).all():
        raise SystemExit("the fitted model forecasts no finite numbers")
    print(f"VAR, {args.nodes} nodes, {args.rows} rows: {seconds:.1f} s, peak {peak:.1f} GiB of the process")
    if args.out:
        write_json(
            args.out,
            {
                "git_commit": git_commit(),
                "nodes": args.nodes,
                "rows": args.rows,
                "seconds": seconds,
                "peak_gib": peak,
                **{key: value for key, value in provenance(RunOptions()).items() if key in ("hardware", "threads")},
            },
        )


if __name__ == "__main__":
    apply_tuning()
    command(main)
