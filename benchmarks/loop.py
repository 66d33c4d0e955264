"""Time of the training loop and of evaluation: stock BasicTS, stock BasicTS with our process settings, and ours.

    python benchmarks/loop.py                       NLinear, STID, LSTM with its own recurrence and with torch's, on
                                                    data of PEMS08's size
    python benchmarks/loop.py --models NLinear --rounds 5 --out loop.json

Same model, same windows, same batch size. Every measurement is a process of its own, in alternation; a number is the
median over the rounds of the last epoch's seconds per step, and of the validation split's seconds. "Bare" is the same
model's forward, loss, backward and optimizer on batches that lie ready, in the same process as ours, in turn, a few
batches at a time.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from entry import Parser, command

from benchmarks.measuring import add_options, keep
from stlora_ext.cli import positive
from stlora_ext.errors import UserError, nearest
from stlora_ext.folders import ROOT
from stlora_ext.threads import TUNED_ENVIRONMENT, apply_tuning, set_threads

MODELS = ("NLinear", "STID", "LSTM", "torch.nn.LSTM")
LOOPS = ("stock", "stock, tuned", "ours")
NODES, DAYS = 170, 62  # PEMS08: 17,856 rows
BATCH = 64
FEW = 8  # batches of a short epoch; it and its bare steps are a pair
PAIRS, PAIRS_SECONDS = 60, 60  # at least two pairs, and as many as fit
COLUMNS = [
    ["model", "Model", "{}"],
    ["stock", "Stock, ms per step", "{:.2f}"],
    ["tuned", "Stock tuned, ms per step", "{:.2f}"],
    ["ours", "Ours, ms per step", "{:.2f}"],
    ["training", "Stock / ours", "{:.2f}"],
    ["training_tuned", "Stock tuned / ours", "{:.2f}"],
    ["evaluation", "Evaluation, stock / ours", "{:.2f}"],
    ["evaluation_tuned", "Evaluation, stock tuned / ours", "{:.2f}"],
    ["bare", "Ours / bare", "{:.3f}"],
]


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="benchmarks/loop.py", description=__doc__)
    p.add_argument("--models", nargs="+", default=list(MODELS), metavar="NAME", help=", ".join(MODELS))
    p.add_argument("--rounds", type=positive, default=3, metavar="R", help="measurements of each (default: 3)")
    p.add_argument("--epochs", type=positive, default=2, metavar="E", help="epochs of each; the last is measured")
    p.add_argument("--nodes", type=positive, default=NODES, metavar="N", help=f"sensors (default: {NODES})")
    p.add_argument("--days", type=positive, default=DAYS, metavar="D", help=f"days of data (default: {DAYS})")
    add_options(p)
    p.add_argument("--worker", nargs=3, metavar=("LOOP", "NAME", "DATA"), help=argparse.SUPPRESS)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    if args.worker:
        if args.worker[0] == "ours":
            apply_tuning()
        set_threads(args.threads)
        print(json.dumps(measure(*args.worker, args)))
        return
    for name in args.models:
        if name not in MODELS:
            raise UserError(f"--models '{name}': {nearest(name, MODELS)}")
    from tqdm import tqdm

    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(
            [
                sys.executable,
                str(ROOT / "datasets" / "simulate.py"),
                "LOOP",
                "--nodes",
                str(args.nodes),
                "--days",
                str(args.days),
                "--data",
                folder,
            ],
            check=False,
            stdout=subprocess.DEVNULL,
        )
        if made.returncode:
            raise UserError("datasets/simulate.py failed, see above")
        rows = []
        with tqdm(total=len(args.models) * args.rounds * len(LOOPS), unit="run", disable=None) as bar:
            for name in args.models:
                measured: dict[str, list[dict[str, float]]] = {loop: [] for loop in LOOPS}
                for _ in range(args.rounds):
                    for loop in LOOPS:
                        measured[loop].append(_in_a_process(loop, name, Path(folder, "LOOP"), args))
                        bar.update()
                rows.append(summary(name, measured))
    keep(COLUMNS, rows, args.out, nodes=args.nodes, batch=BATCH, rounds=args.rounds)


def summary(name: str, measured: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Return a model's medians and the ratios of medians."""

    def median(loop: str, key: str) -> float:
        return statistics.median(run[key] for run in measured[loop])

    row: dict[str, Any] = {
        "model": name,
        **{
            key: 1e3 * median(loop, "step")
            for key, loop in (("stock", "stock"), ("tuned", "stock, tuned"), ("ours", "ours"))
        },
    }
    for key, loop in (("", "stock"), ("_tuned", "stock, tuned")):
        row[f"training{key}"] = median(loop, "step") / median("ours", "step")
        row[f"evaluation{key}"] = median(loop, "validation") / median("ours", "validation")
    return {**row, "bare": median("ours", "over_bare"), "runs": measured}


def _in_a_process(loop: str, name: str, data: Path, args: argparse.Namespace) -> dict[str, float]:
    threads = ["--threads", str(args.threads)] if args.threads else []
    environment = {key: value for key, value in os.environ.items() if key not in TUNED_ENVIRONMENT}
    done = subprocess.run(
        [sys.executable, __file__, "--worker", loop, name, str(data), "--epochs", str(args.epochs), *threads],
        capture_output=True,
        text=True,
        check=False,
        env={**environment, **(TUNED_ENVIRONMENT if loop == "stock, tuned" else {})},
    )
    if done.returncode:
        raise UserError(f"{loop}, {name}: the measuring process ended with {done.returncode}: {done.stderr[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


# ---- the measuring process -----------------------------------------------------------------------------


def measure(loop: str, name: str, data: str, args: argparse.Namespace) -> dict[str, float]:
    """Train ``name`` on ``data`` by one of the loops, and return seconds."""
    from basicts.configs import BasicTSForecastingConfig
    from basicts.launcher import BasicTSLauncher
    from basicts.runners.callback import BasicTSCallback

    from stlora_ext.data.prepared import load_meta
    from stlora_ext.host.config import ForecastingConfig
    from stlora_ext.host.launcher import launch_training

    class Clock(BasicTSCallback):
        """Notes when epochs and validations begin and end."""

        def __init__(self) -> None:
            self.training, self.validation, self.steps, self.began = [], [], [], [0.0]

        def on_train_start(self, runner: Any, **kwargs: Any) -> None:
            runner.optimizer.register_step_post_hook(lambda *_: self.steps.append(None))

        def on_epoch_start(self, runner: Any, **kwargs: Any) -> None:
            self.steps.clear()
            self.began[0] = time.perf_counter()

        def on_epoch_end(self, runner: Any, **kwargs: Any) -> None:
            self.training.append((time.perf_counter() - self.began[0]) / len(self.steps))

        def on_validate_start(self, runner: Any, **kwargs: Any) -> None:
            self.began[0] = time.perf_counter()

        def on_validate_end(self, runner: Any, **kwargs: Any) -> None:
            self.validation.append(time.perf_counter() - self.began[0])

    meta, clock = load_meta(Path(data).parent, Path(data).name), Clock()
    model, settings, timestamps = build(name, meta.num_nodes)
    with tempfile.TemporaryDirectory() as run_dir:
        common = {
            "model": model,
            "model_config": settings,
            "dataset_name": "LOOP",
            "null_val": 0.0,
            "seed": 1,
            "dataset_params": {
                "dataset_name": "LOOP",
                "input_len": 12,
                "output_len": 12,
                "memmap": False,
                "use_timestamps": timestamps,
                "data_file_path": data,
            },
            "metrics": ["MAE", "RMSE", "MAPE"],
            "num_epochs": args.epochs,
            "callbacks": [clock],
            "optimizer_params": {"lr": 0.002, "weight_decay": 0.0001},
            "train_batch_size": BATCH,
            "val_batch_size": BATCH,
            "test_batch_size": BATCH,
            "ckpt_save_dir": run_dir,
        }
        over_bare = 0.0
        if loop == "ours":
            runner = launch_training(ForecastingConfig(**common, eval_after_train=False))
            over_bare = _over_bare(runner)
        else:
            BasicTSLauncher.launch_training(
                BasicTSForecastingConfig(
                    **common, norm_each_channel=True, rescale=True, eval_after_train=False, test_interval=10**9
                )
            )
    return {"step": clock.training[-1], "validation": clock.validation[-1], "over_bare": over_bare}


def build(name: str, num_nodes: int) -> tuple[type, Any, bool]:
    """Return a model's class, its settings, and whether it reads timestamps."""
    lengths = {"input_len": 12, "output_len": 12}
    if name.endswith("LSTM"):
        from baselines.LSTM import LSTM, LSTMConfig

        class TorchLSTM(LSTM):
            """The LSTM without its own recurrence."""

            forward = LSTM.forward_by_torch

        return LSTM if name == "LSTM" else TorchLSTM, LSTMConfig(**lengths), False
    if name == "STID":
        from basicts.models.STID import STID, STIDConfig

        return (
            STID,
            STIDConfig(
                **lengths, num_features=num_nodes, if_time_in_day=True, if_day_in_week=True, num_time_in_day=288
            ),
            True,
        )
    from basicts.models.NLinear import NLinear, NLinearConfig

    return NLinear, NLinearConfig(**lengths), False


class _Few:
    """The first batches of every epoch; pairs that are near in time see the same machine."""

    def __init__(self, batches: Any) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return min(FEW, len(self.batches))

    def __iter__(self) -> Iterator[Any]:
        return itertools.islice(self.batches, FEW)


def _over_bare(runner: Any) -> float:
    """Return the median ratio of a short epoch of the loop to the bare steps on as many batches."""
    from stlora_ext.host.progress import Progress

    model, optimizer, stats = runner.model, runner.optimizer, runner.scaler.stats
    mean, std = stats["mean"].item(), stats["std"].item()
    runner.train_data_loader = _Few(runner.train_data_loader)
    batches = list(runner.train_data_loader)
    takes_stamps = "inputs_timestamps" in runner.forward_params
    runner.callback_handler.callbacks.clear()
    runner.progress = Progress("loop")

    def bare() -> None:
        model.train()
        for batch in batches:
            stamps = {"inputs_timestamps": batch["inputs_timestamps"]} if takes_stamps else {}
            prediction = model(batch["inputs"], **stamps) * std + mean
            runner.loss(prediction, batch["targets"], batch["targets_mask"]).backward()
            optimizer.step()
            optimizer.zero_grad()

    bare()  # warms up; the loop is warm
    ratios, begun = [], time.perf_counter()
    while len(ratios) < 2 or len(ratios) < PAIRS and time.perf_counter() - begun < PAIRS_SECONDS:
        started = time.perf_counter()
        runner._train_epoch()
        between = time.perf_counter()
        bare()
        ratios.append((between - started) / (time.perf_counter() - between))
    return statistics.median(ratios)


if __name__ == "__main__":
    command(main)
