"""Compare settings of the adapter on one backbone: 24 of them, a run each, by validation error.

    python experiments/screen.py -c experiments/PEMS08-TAIL/LSTM_LoRA.py --protocol adapt --epochs 10 \\
        --from 'results/PEMS08-TAIL/LSTM/joint-base-6724dfa7-seed{seed}/model.pt'
    python experiments/screen.py -c experiments/PEMS08-TAIL/STGCN_LoRA.py --protocol joint --epochs 8 --seeds 0-1 \\
        --only embedding control wide

Finished runs aren't repeated. The records go to results/screening, apart from those of the tables.
"""

import argparse
from collections.abc import Sequence

from entry import command

from stlora_ext.cli import int_range, positive
from stlora_ext.errors import UserError, nearest
from stlora_ext.folders import ROOT
from stlora_ext.options import ModelParser, add_device, add_experiment, add_folders
from stlora_ext.threads import apply_tuning, set_threads


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/screen.py", description=__doc__)
    add_experiment(p)
    p.add_argument("--protocol", choices=("joint", "adapt"), required=True, help="as of run.py")
    p.add_argument("--from", metavar="PATH", dest="backbone_from", help="as of run.py, for --protocol adapt")
    p.add_argument("--train-backbone", action="store_true", help="as of run.py, for --protocol adapt")
    p.add_argument("--only", nargs="+", metavar="NAME", help="names of settings in experiments/screening.py")
    p.add_argument("--seeds", type=int_range, nargs="+", default=[[0]], metavar="S", help="default: 0")
    p.add_argument("--epochs", type=positive, default=10, metavar="E", help="epochs (default: 10)")
    add_folders(p, "where the runs go (default: results/screening)", ROOT / "results" / "screening")
    add_device(p)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    set_threads(args.threads)
    from experiments.screening import SETTINGS
    from stlora_ext.config.config_file import asked_experiment
    from stlora_ext.data.available import open_dataset
    from stlora_ext.digits import number
    from stlora_ext.host.devices import use_device
    from stlora_ext.runs.options import RunOptions
    from stlora_ext.runs.run import train_run
    from stlora_ext.tables import markdown
    from stlora_ext.tables.settings import best_validation, by_setting, settings_tables

    for name in args.only or ():
        if name not in SETTINGS:
            raise UserError(f"--only '{name}': {nearest(name, list(SETTINGS))}")
    exp = (
        asked_experiment(args.config, args.dataset, args.model, args.data)
        .override({"num_epochs": args.epochs})
        .with_protocol(args.protocol, args.backbone_from)
    )
    use_device(args.gpus)
    meta = open_dataset(exp.dataset, args.data)
    options = RunOptions(args.data, args.results, args.gpus, train_backbone=args.train_backbone)
    records = []
    for name in args.only or SETTINGS:
        arm, settings = SETTINGS[name]
        chosen = exp.override({f"adapter.{key}": value for key, value in settings.items()}).with_arm(arm)
        for seed in (seed for seeds in args.seeds for seed in seeds):
            records.append(train_run(chosen, meta, seed, options)[0])
            print(f"{name}, seed {seed}: validation MAE {number(best_validation(records[-1]), 3)}", flush=True)
    print(markdown.render(settings_tables(by_setting(records))))


if __name__ == "__main__":
    apply_tuning()
    command(main)
