"""Mistakes on the command lines."""

from tests.bad_input.row import Row
from tests.support.raw_files import table, write_csv

TINY = ("-c", "experiments/TINY/LSTM.py")


def run(name, arguments, *said, **fields):
    """A row of run.py."""
    return Row(name, lambda folder: arguments, said, "experiments/run.py", **fields)


def setting(text, *said, **fields):
    """A row of ``run.py --set``."""
    return run(f"--set {text[:40]}", [*TINY, "--set", text], *said, **fields)


def split(name, arguments, *said, model="LSTM"):
    """A row of run.py with processes or parts."""
    return run(name, ["--dataset", "TINY", "--model", model, "--dry-run", *arguments], *said)


def prepare(*options, said, **fields):
    """A row of prepare.py, with good readings."""
    return Row(
        " ".join(options), lambda folder: ["--raw", write_csv(folder / "raw.csv", *table()), *options], said, **fields
    )


def other(command, *arguments, said, **fields):
    """A row of another command."""
    return Row(f"{command.rpartition('/')[2]} {' '.join(arguments)}", lambda folder: arguments, said, command, **fields)


def loop(folder):
    """Arguments with a symbolic link to itself."""
    (folder / "loop").symlink_to("loop")
    return ["--datasets", "TINY", "--models", "LSTM", "--dry-run", "--results", folder / "loop"]


ROWS = (
    run("nothing", [], "--dataset and --model not given: expected a config, -c/--config FILE", process=True),
    run("a data set alone", ["--dataset", "TINY"], "--model not given: expected a config"),
    run("a model alone", ["--model", "LSTM"], "--dataset not given: expected a config"),
    run("a config and a data set", ["-c", "x.py", "--dataset", "TINY"], "--dataset TINY: -c x.py names data set and"),
    run("a config and a model", ["-c", "x.py", "--model", "LSTM"], "--model LSTM: -c x.py names data set and model"),
    run("a misspelt model", ["--dataset", "TINY", "--model", "LSMT+"], "unknown model 'LSMT+': did you mean 'LSTM+'?"),
    run("a misspelt data set", ["--dataset", "TINI", "--model", "LSTM"], "'TINI' is not in", "did you mean 'TINY'?"),
    run("a reserved data set", ["--dataset", "demo", "--model", "LSTM"], "data set 'demo': expected a name such as"),
    run("an unknown option", [*TINY, "--epoch", "3"], "unrecognized arguments: --epoch 3", "run.py --help"),
    run("a misspelt config", ["-c", "experiments/TINY/LSTMM.py"], "did you mean 'experiments/TINY/LSTM.py'"),
    run("no epoch", [*TINY, "--epochs", "0"], "--epochs: '0' is not a whole number of at least 1"),
    run("a seed that is a word", [*TINY, "--seeds", "a"], "'a' is not a number or a range such as 0-4"),
    run("seeds backwards", [*TINY, "--seeds", "4-2"], "'4-2' is not a number or a range such as 0-4"),
    run(
        "endless seeds",
        [*TINY, "--seeds", "0-99999999999"],
        "'0-99999999999' names more than 1000 numbers",
        "such as 0-4",
        process=True,
    ),
    run("seeds without end", [*TINY, "--seeds", "0-99999999999999999999999"], "names more than 1000 numbers"),
    run(
        "a seed beyond the generators",
        [*TINY, "--dry-run", "--seeds", "4294967296"],
        "expected whole numbers from 0 to 4294967295",
    ),
    run("a numeral that is no digit", [*TINY, "--gpus", "\u00b2"], "expected numbers of GPUs such as 0 or 0,1"),
    run("threads without end", [*TINY, "--threads", "99999"], "--threads 99999: expected at most 1024"),
    run("an empty name of a backbone", ["-c", "experiments/TINY/LSTM_LoRA.py", "--from", ""], "--from : only"),
    run(
        "a folder as backbone",
        ["-c", "experiments/TINY/LSTM_LoRA.py", "--protocol", "adapt", "--from", "experiments"],
        "checkpoint experiments cannot be read (Is a directory): expected the model.pt of a run",
    ),
    run("no thread", [*TINY, "--threads", "0"], "--threads: '0' is not a whole number"),
    run("a GPU twice", [*TINY, "--gpus", "0,0"], "--gpus 0,0: expected numbers of GPUs such as 0 or 0,1, each once"),
    run("GPUs that aren't there", [*TINY, "--gpus", "98,99"], "--gpus 98: this machine has", "with --gpus ''"),
    run("a GPU that is a word", [*TINY, "--gpus", "cuda"], "expected numbers of GPUs such as 0 or 0,1, each once"),
    other("experiments/verify.py", "results", "--gpus", "0,1", said=("--gpus 0,1: expected the number of one GPU",)),
    run("no process", [*TINY, "--processes", "0"], "--processes: '0' is not a whole number of at least 1"),
    run(
        "processes beside a GPU",
        [*TINY, "--processes", "2", "--gpus", "0"],
        "--processes 2: not with --gpus 0, where every GPU has a process of its own; leave it out",
    ),
    split("more processes than windows", ["--processes", "65"], "65 parts of a batch, which has 64 windows"),
    split(
        "more parts than windows", ["--processes", "4", "--parts", "17"], "--processes 4 --parts 17: that is 68 parts"
    ),
    split("compiled in processes", ["--processes", "2", "--compile"], "--processes 2: not tested with --compile"),
    split("batch norms in parts", ["--parts", "2"], "--parts 2: GWNet has batch norms", model="GWNet"),
    split("batch norms deeper down", ["--parts", "3"], "--parts 3: D2STGNN has batch", "out", model="D2STGNN+"),
    split("a loss of its own", ["--parts", "2"], "--parts 2: FITS is trained on a loss of its own", model="FITS"),
    split("another loss", ["--processes", "2"], "--processes 2: DUET is trained on a loss", "out", model="DUET+"),
    split("mixed windows", ["--processes", "2"], "TimesNet forecasts a window from the other", model="TimesNet"),
    split("a fit in processes", ["--processes", "2"], "--processes 2: VAR is fitted in closed form", model="VAR+"),
    split("a fit in parts", ["--parts", "2"], "--parts 2: this run trains nothing in steps; leave it out", model="HA"),
    split(
        "new sensors in processes",
        ["--processes", "2", "--protocol", "new-sensors"],
        "--processes 2: not with --protocol new-sensors",
        model="LSTM+",
    ),
    run("a GPU that isn't there", [*TINY, "--gpus", "99"], "on the CPU: the same command with --gpus ''"),
    run(
        "data that isn't there",
        ["-c", "experiments/PEMS08/LSTM.py"],
        "bring PEMS08.npz and PEMS08.csv and run: python datasets/prepare.py",
    ),
    run(
        "compiled but not tested so",
        ["-c", "experiments/TINY/GWNet.py", "--compile"],
        "--compile: not tested with GWNet, only with LSTM, STGCN",
        "leave it out",
    ),
    run(
        "bf16 but not tested so",
        ["-c", "experiments/TINY/STGCN_LoRA.py", "--bf16"],
        "--bf16: not tested with STGCN, only with LSTM, AGCRN",
    ),
    run("bf16 of a fitted model", ["-c", "experiments/TINY/HA.py", "--bf16"], "--bf16: not tested with HA"),
    setting("num_epoch=5", "unknown key 'num_epoch': did you mean 'num_epochs'", process=True),
    setting("model.hiden_size=5", "did you mean 'model.hidden_size'"),
    setting("model.num_nodes=5", "unknown key 'model.num_nodes'"),
    setting("model.hidden_size=-3", "TINY/LSTM", "hidden_size"),
    setting("model.embed_size=0", "TINY/LSTM can't be built with these settings", "--set model.NAME=VALUE"),
    setting("model.embed_size=-2", "TINY/LSTM can't be built with these settings", "--set model.NAME=VALUE"),
    setting("seeds=5", "seeds=5: expected whole numbers from 0", "such as [0, 1, 2]"),
    setting("seeds=[]", "seeds=[]: expected whole numbers"),
    setting("seeds=abc", "seeds='abc': expected whole numbers"),
    setting("seeds=[1.5]", "seeds=[1.5]: expected whole numbers"),
    setting("seeds=[True]", "seeds=[True]: expected whole numbers"),
    setting("seeds=[-1]", "seeds=[-1]: expected whole numbers"),
    run(
        "an adapter beyond memory",
        ["-c", "experiments/TINY/LSTM_LoRA.py", "--set", "adapter.width=1000000000"],
        "TINY/LSTM+ can't be built with these settings",
        "--set adapter.NAME=VALUE",
    ),
    run("no block", ["-c", "experiments/TINY/GWNet.py", "--set", "model.num_blocks=0"], "num_blocks=0: expected 1"),
    run("no order", ["-c", "experiments/TINY/VAR.py", "--set", "model.order=0"], "order=0: expected 1 or more"),
    run(
        "heads below none",
        ["-c", "experiments/TINY/STAE.py", "--set", "model.num_heads=-4"],
        "model.num_heads is negative",
    ),
    run(
        "an activation that BasicTS lacks",
        ["--dataset", "TINY", "--model", "PatchTST", "--set", "model.hidden_act=foo"],
        "TINY/PatchTST can't be built with these settings (KeyError: 'foo')",
        "--set model.NAME=VALUE",
    ),
    run(
        "a norm that BasicTS would take for another",
        ["--dataset", "TINY", "--model", "PatchTST", "--set", "model.norm_type=foo"],
        "model.norm_type='foo'",
        "layer_norm, batch_norm",
    ),
    run(
        "heads that fit one window alone",
        ["--dataset", "TINY", "--model", "Informer", "--set", "model.n_heads=1"],
        "TINY/Informer can't forecast with input_len=12",
        "--set model.NAME=VALUE",
    ),
    setting("lr=fast", "lr='fast': expected a number"),
    setting("lr={[]:1}", "lr='{[]:1}': expected a number"),
    setting(f"lr={'(' * 3000}", "expected a number"),
    setting("lr=-1", "expected lr > 0"),
    setting("lr=1e999", "lr=inf: expected a finite number"),
    setting("lr_gamma=-1", "lr_gamma=-1.0: expected a factor above 0 and at most 1"),
    setting("num_epochs=True", "num_epochs=True: expected a whole number"),
    setting("batch_size=99999999999999999999", "expected a whole number of at least 1 and at most 1000000000"),
    setting("lr_milestones=3", "expected a list such as [1, 50]"),
    setting("lr", "expected key=value", "for example --set lr=0.001"),
    setting(
        "input_len=6",
        "prepare it again under another name: python datasets/prepare.py TINY-6-12 --raw",
        "--input-len 6 --output-len 12",
    ),
    prepare("--train-ratio", "0.9", said=("a train share of 0.9: expected more than 0 and less than 0.8",)),
    prepare("--train-ratio", "nan", said=("a train share of nan",)),
    prepare("--null", "inf", said=("--null inf: expected a number such as 0, or nan",)),
    prepare("--null", "none", said=("--null none: expected a number such as 0",)),
    prepare("--input-len", "110", said=("120 rows give the windows", "input 110")),
    prepare("--interval", "5", said=("are 15 minutes apart, 5 minutes were stated", "correct --interval or the file")),
    prepare("--interval", "7", said=("an interval of 7 minutes does not divide a day",)),
    prepare("--graph-key", "x", said=("--graph-key x", "add --graph")),
    prepare("--start", "2020-01-01", said=("--start says 2020-01-01", "leave --start out")),
    prepare("--start", "today", said=("'today' is no time: expected ISO 8601", "such as 2024-01-31T08:05")),
    prepare("--channel", "1", said=("--channel 1: raw.csv has one channel; leave it out",)),
    Row(
        "--raw nowhere.csv",
        lambda folder: ["--raw", "nowhere.csv"],
        ("raw file nowhere.csv does not exist: check --raw",),
    ),
    other(
        "experiments/evaluate.py",
        "absent.json",
        said=("absent.json does not exist: expected the record of a finished run (.json) or its model.pt",),
        process=True,
    ),
    other("experiments/predict.py", "a.safetensors", "--input", "a.csv", said=("required: --output",)),
    other(
        "experiments/table.py",
        "--dataset",
        "TINI",
        "--results",
        "none",
        said=("no records of 'TINI' under", "experiments/run.py"),
    ),
    other(
        "experiments/table.py",
        "--dataset",
        "",
        "--results",
        "results",
        said=("data set '': expected a name such as PEMS08",),
    ),
    other(
        "experiments/table.py",
        "--dataset",
        "published",
        "--results",
        "results",
        said=("data set 'published': expected a name", "folders of this project; choose another name"),
    ),
    other(
        "experiments/plot.py",
        "--dataset",
        "CITY",
        "--results",
        "results/published",
        "--out",
        "",
        said=("'.' names no file: expected one to write",),
        process=True,
    ),
    Row(
        "sweep.py --results of a link to itself",
        loop,
        ("loop", "name the file itself"),
        "experiments/sweep.py",
        process=True,
    ),
    other("experiments/parameters.py", "--datasets", "PEMS8", said=("data set 'PEMS8': did you mean 'PEMS08'",)),
    other("experiments/parameters.py", "--models", "LSMT", said=("did you mean 'LSTM'",)),
    other("experiments/parameters.py", "--models", "HA", said=("--models HA: it is fitted and has no trained",)),
    other("experiments/parameters.py", "--format", "text", said=("invalid choice: 'text'",)),
)
