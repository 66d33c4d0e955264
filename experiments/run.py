"""Train, validate and test one experiment under repeated seeds; a record per seed.

    python experiments/run.py -c experiments/PEMS08/LSTM.py --gpus 0
    python experiments/run.py --dataset MINE --model LSTM+

A finished run isn't repeated; an interrupted one goes on from its last epoch to the same result.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from entry import command

from stlora_ext.cli import int_range, positive
from stlora_ext.config.experiment import PROTOCOLS
from stlora_ext.horizons import in_words
from stlora_ext.options import (
    ModelParser,
    add_device,
    add_experiment,
    add_folders,
    add_save_results,
    add_set,
    check_save_results,
    given_settings,
)
from stlora_ext.runs.key import ARMS
from stlora_ext.threads import apply_tuning, set_threads

if TYPE_CHECKING:
    from stlora_ext.config.experiment import Experiment
    from stlora_ext.data.prepared import Meta
    from stlora_ext.runs.options import RunOptions
    from stlora_ext.runs.record import Record


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/run.py", description=__doc__)
    add_experiment(p)
    add_device(p, "numbers of the GPUs that train a model together, 0 or 0,1; '' or none: CPU")
    p.add_argument("--processes", type=positive, metavar="P", help="processes that train a model together on the CPU")
    p.add_argument(
        "--parts", type=positive, metavar="K", help="run a batch in parts, for memory (default: as few as fit)"
    )
    p.add_argument("--seeds", type=int_range, nargs="+", metavar="S", help="0 1 2 or 0-4 (default: the config's)")
    p.add_argument("--epochs", type=positive, metavar="E", help="epochs at most")
    p.add_argument("--batch-size", type=positive, metavar="B", help="windows per training step")
    add_set(p, "any setting, for example lr=0.002 model.num_layers=3")
    p.add_argument(
        "--arm",
        choices=ARMS,
        help="of a model with adapter: without it, as it is, without per-node weights, or those widened; under "
        "stream also finetune: without it, every weight updated; under new-sensors also full: trained on all sensors",
    )
    p.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        help="train backbone and adapter together; the adapter alone on a trained backbone; update it while the test "
        "data go on; or train without some sensors, fit a few days of these, and test on them",
    )
    p.add_argument(
        "--from",
        metavar="PATH",
        dest="backbone_from",
        help="model.pt of the trained backbone, for --protocol adapt and stream; {seed} stands for the seed (default: "
        "that of the base arm's run with the same seed and settings)",
    )
    p.add_argument(
        "--train-backbone",
        action="store_true",
        help="for --protocol adapt, stream, new-sensors: train the backbone first where no finished run of it is there",
    )
    add_folders(p, "where runs and records go")
    p.add_argument("--compile", action="store_true", help="run the model through torch.compile")
    p.add_argument("--cuda-graphs", action="store_true", help="on a GPU, record training steps and replay them")
    p.add_argument("--bf16", action="store_true", help="forward passes under bfloat16 autocast; results of their own")
    p.add_argument(
        "--deterministic", action="store_true", help="on a GPU, algorithms that repeat to the bit; on the CPU all do"
    )
    add_save_results(p)
    p.add_argument("--dry-run", action="store_true", help="print what would run, and stop")
    p.add_argument("--force", action="store_true", help="repeat finished runs")
    p.add_argument(
        "--as-recorded",
        action="store_true",
        help="take settings that have no effect, too: to repeat a record that holds some",
    )
    p.add_argument("--no-tuning", action="store_true", help="leave malloc and OpenMP settings alone")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    set_threads(args.threads, args.processes or len(args.gpus.split(",")))
    from stlora_ext.data.available import open_dataset
    from stlora_ext.errors import UserError
    from stlora_ext.host.devices import use_devices
    from stlora_ext.runs.backbone import as_trained, refuse_other_training
    from stlora_ext.runs.build import settled
    from stlora_ext.runs.lock import locked
    from stlora_ext.runs.options import RunOptions
    from stlora_ext.runs.run import train_run
    from stlora_ext.runs.saved_forecasts import save_table
    from stlora_ext.sweep.outlook import command_outlook

    check_save_results(args)
    exp = asked_for(args)
    refuse_other_training(exp, given_settings(args))
    if args.train_backbone and (not exp.adapts or exp.backbone_from is not None):
        raise UserError(
            "--train-backbone: this run goes on from no backbone that could be trained first, as those of --protocol "
            "adapt, stream and new-sensors do without --from; leave it out"
        )
    if args.cuda_graphs and not args.gpus:
        raise UserError("--cuda-graphs: the CPU has no such thing; name a GPU, --gpus 0, or leave it out")
    use_devices(args.gpus, args.processes)
    meta = open_dataset(exp.dataset, args.data)
    exp = settled(exp, meta, args.data)
    options = RunOptions(
        args.data,
        args.results,
        args.gpus,
        args.save_results,
        args.compile,
        args.train_backbone,
        args.deterministic,
        args.cuda_graphs,
        args.processes or 1,
        args.parts,
    )
    if args.dry_run:
        describe(as_trained(exp, exp.run_seeds[0]), meta, options)
        return
    options = replace(options, outlook=command_outlook(exp, meta, options, args.force))
    for seed in exp.run_seeds:
        record, finished = train_run(exp, meta, seed, options, args.force)
        if args.format == "csv":
            with locked(args.results / record.key.path):
                save_table(args.results / record.key.path, exp, meta)
        report(record, finished, args.results, args.save_results)


def asked_for(args: argparse.Namespace) -> "Experiment":
    """Return the experiment that a command line asks for.

    Raises:
        UserError: If config or settings are wrong, contradict one another, or one of the settings changes nothing.
    """
    from stlora_ext.config.config_file import asked_experiment
    from stlora_ext.config.without_effect import refuse_without_effect

    config = asked_experiment(args.config, args.dataset, args.model, args.data)
    given = given_settings(args)
    exp = config.override(given)
    if args.protocol or args.backbone_from is not None:
        exp = exp.with_protocol(args.protocol or exp.protocol, args.backbone_from)
    if args.arm or exp.protocol == "stream":
        exp = exp.with_arm(args.arm or exp.arm)
    if not args.as_recorded:
        refuse_without_effect(exp, config, given)
    return exp


def describe(exp: "Experiment", meta: "Meta", options: "RunOptions") -> None:
    """Print the resolved configuration, the parameters, the windows, the memory and where results would go."""
    from stlora_ext.config.experiment import configuration
    from stlora_ext.lora.parameters import module_lines, parameter_report
    from stlora_ext.runs.backbone import run_key
    from stlora_ext.runs.build import build_model, host_config
    from stlora_ext.runs.memory_plan import memory_plan
    from stlora_ext.runs.split_batches import refuse_unsplittable

    print(
        f"{exp.dataset} / {exp.model}, protocol {exp.protocol}, arm {exp.arm}, on "
        + (f"GPU {options.gpus}" if options.gpus else "CPU")
        + f", {len(options.devices)} processes" * (len(options.devices) > 1)
        + f", a batch in {options.num_parts} parts" * (options.num_parts > 1)
    )
    for group, values in configuration(exp).items():
        print(f"  {group}: {json.dumps(values)}")
    host_config(exp, meta, exp.run_seeds[0], options)
    model = build_model(exp, meta, options.data)
    refuse_unsplittable(model, exp, meta, options)
    counts = parameter_report(model)
    print(
        f"  parameters: {counts['backbone']:,} backbone, {counts['adapter']:,} adapter, "
        f"{counts['trainable']:,} trainable"
        + (f" (the adapter adds {counts['adapter_percent']:.1f} %)" if counts["adapter_percent"] else "")
    )
    print(*(f"    {line}" for line in module_lines(counts["modules"])), sep="\n")
    print("  windows: " + ", ".join(f"{count:,} {split}" for split, count in meta.windows.items()))
    steps = f"{meta.num_steps:,} steps of {in_words(meta.interval_seconds)}"
    print(f"  data: {steps}, {meta.num_nodes} nodes, {meta.fingerprint[:19]}")
    print(f"  {memory_plan(model, exp, meta, options).line}")
    for seed in exp.run_seeds:
        key = run_key(exp, meta, seed)
        finished = key.record_path(options.results).exists()
        print(f"  record: {_shown(key.record_path(options.results))}" + (" (finished)" if finished else ""))


def report(record: "Record", finished: bool, results: Path, saved: bool = False) -> None:
    """Print the scores of one record, and where its adapter, its forecasts if they were saved and itself are."""
    from stlora_ext.host.runner import FORECASTS
    from stlora_ext.runs.key import ADAPTER
    from stlora_ext.runs.remarks import remarks
    from stlora_ext.runs.scores import score_lines

    key = record.key
    seed = "" if key.seed is None else f" seed {key.seed}"
    print(
        f"{key.dataset}/{key.model}{seed}: "
        + ("already finished, not repeated (--force repeats it)" if finished else "finished")
    )
    print(*score_lines(record.scores, record.data.interval), sep="\n")
    if finished:
        print(*(f"  note: {remark}\n" for remark in remarks(record, results)), sep="", end="")
    if record.adapter_bytes is not None:
        path = _shown(results / key.path / ADAPTER)
        print(f"  adapter: {path}, {record.adapter_bytes / 1000:.1f} kB")
    if saved:
        print(f"  forecasts: {_shown(results / key.path / FORECASTS)}")
    print(f"  record: {_shown(key.record_path(results))}", flush=True)


def _shown(path: Path) -> str:
    path = path.resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    apply_tuning("--no-tuning" not in sys.argv)
    command(main)
