"""Checkpoints, adapters and records of a finished run that are damaged, of something else, or from a stranger."""

import json
import pickle
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from tests.bad_input.row import Payload, Row
from tests.support.reopened import data, finished, halve, recent

AGAIN = "repeat the run"


def copied(folder):
    """A copy of a finished run of LSTM+: its record, with model.pt and adapter.safetensors in the folder beside it."""
    record = finished("LSTM+")
    shutil.copytree(record.with_suffix(""), folder / record.stem, ignore=shutil.ignore_patterns("tensorboard"))
    return shutil.copy(record, folder / record.name)


def rewrite(change):
    """Change the JSON of a record."""

    def damage(path):
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return damage


def entries(**values):
    """Change entries of a checkpoint; None: without it."""

    def damage(path):
        content = {**torch.load(path, weights_only=True), **values}
        torch.save({name: value for name, value in content.items() if value is not None}, path)

    return damage


def record(name, damage, *said, command="experiments/evaluate.py", **fields):
    """A row of a damaged record."""

    def make(folder):
        path = copied(folder)
        damage(path)
        return [path, "--data", data(), "--results", folder]

    return Row(f"record: {name}", make, said, command, **fields)


def tabulated(name, change, *said):
    """A row of a record that a table can't be made of."""

    def make(folder):
        place = folder / "results" / "QUICK" / "LSTM+"
        place.mkdir(parents=True)
        rewrite(change)(Path(shutil.copy(finished("LSTM+"), place)))
        return ["--dataset", "QUICK", "--results", folder / "results"]

    return Row(f"table: {name}", make, (*said, AGAIN), "experiments/table.py")


def checkpoint(name, damage, *said, **fields):
    """A row of a damaged model.pt."""

    def make(folder):
        path = copied(folder)
        damage(path.with_suffix("") / "model.pt")
        return [path, "--data", data(), "--results", folder]

    return Row(f"checkpoint: {name}", make, said, "experiments/evaluate.py", **fields)


def adapter(name, damage, *said, backbone=None, **fields):
    """A row of predict.py with a damaged adapter file, beside which its model.pt lies."""

    def make(folder):
        path = copied(folder).with_suffix("") / "adapter.safetensors"
        damage(path)
        recent().to_csv(folder / "recent.csv")
        more = [] if backbone is None else ["--backbone", backbone()]
        return [path, "--data", data(), "--input", folder / "recent.csv", "--output", folder / "forecast.csv", *more]

    return Row(f"adapter: {name}", make, said, "experiments/predict.py", **fields)


def described(change):
    """Change what an adapter file says of itself."""

    def damage(path):
        tensors = load_file(path)
        about = description(path)
        change(about)
        save_file(tensors, path, metadata={"stlora": json.dumps(about)})

    return damage


def description(path):
    """Read what an adapter file says of itself."""
    from stlora_ext.lora.files import read_adapter

    return read_adapter(path)[0]


def tensors(**changes):
    """Change the tensors of an adapter file."""

    def damage(path):
        save_file({**load_file(path), **changes}, path, metadata={"stlora": json.dumps(description(path))})

    return damage


def checkpoint_of(model, seed=0):
    """The model.pt of another finished run."""
    return lambda: finished(model, seed=seed).with_suffix("") / "model.pt"


def payload(path):
    """A pickle that would run code."""
    path.write_bytes(pickle.dumps({"model_state_dict": Payload(path.parent)}, protocol=2))


def payload_archive(path):
    """A checkpoint of torch that would run code."""
    torch.save({"model_state_dict": Payload(path.parent)}, path)


def endless(path):
    """A pickle that claims gigabytes in a few bytes."""
    path.write_bytes(b"\x80\x02r\xff\xff\xff\x7f.")


WHOLE = "put back a whole copy"
ROWS = (
    record("cut", halve, "is damaged (JSONDecodeError", WHOLE, process=True),
    record("a list", lambda path: path.write_text("[]"), "is damaged (TypeError", WHOLE),
    record("nested without end", lambda path: path.write_text("[" * 10**5), "is damaged (RecursionError", WHOLE),
    record("an endless number", lambda path: path.write_text("9" * 5000), "is damaged (ValueError", WHOLE),
    record("another format", rewrite(lambda r: r.update(format="other")), "expected stlora-run-record-1: repeat"),
    record("of data that is a number", rewrite(lambda r: r.update(data=3)), "'data' is 3, expected an object"),
    record("an unknown model", rewrite(lambda r: r["key"].update(model="LSMT+")), "did you mean 'LSTM+'"),
    record("an impossible arm", rewrite(lambda r: r["key"].update(arm="base")), "LSTM+, protocol joint, arm base"),
    record(
        "a path as data set",
        rewrite(lambda r: r["key"].update(dataset="../../etc")),
        "its key has dataset='../../etc'",
        WHOLE,
    ),
    record("another data set", rewrite(lambda r: r["key"].update(dataset="QUIK")), "data set 'QUIK' is not in"),
    record(
        "no settings of the model", rewrite(lambda r: r["configuration"].pop("model")), "'configuration.model' is None"
    ),
    record(
        "a number as fingerprint",
        rewrite(lambda r: r["data"].update(fingerprint=5)),
        "'data.fingerprint' is 5",
        command="experiments/verify.py",
    ),
    record(
        "an unknown setting",
        rewrite(lambda r: r["configuration"]["training"].update(lrr=1)),
        "unknown key 'lrr': did you mean 'lr'? It was written by another version (repeat the "
        "run), or with a backbone of your own (name the file that registers it, --plugins FILE)",
    ),
    record(
        "another size",
        rewrite(lambda r: r["configuration"]["model"].update(hidden_size=32)),
        "the model expects",
        "is of another configuration",
    ),
    record(
        "other data", rewrite(lambda r: r["data"].update(fingerprint="sha256:0")), "(fingerprint sha256:0, now sha256:"
    ),
    record(
        "a score that is text",
        rewrite(lambda r: r["test"]["average"].update(MAE="12")),
        "'test.average' is {'MAE': '12'",
        "expected MAE, RMSE and MAPE",
    ),
    record(
        "another hash",
        rewrite(lambda r: r["configuration"]["training"].update(lr=0.5)),
        "its configuration has the hash",
        command="experiments/verify.py",
    ),
    tabulated("without scores", lambda r: r.update(test=3), "'test' is 3, expected an object"),
    tabulated("without steps", lambda r: r["test"].update(horizons=[]), "'test.horizons' is []"),
    tabulated("with NaN", lambda r: r["test"]["average"].update(MAE=float("nan")), "'test.average' is {'MAE': nan"),
    tabulated("with an endless score", lambda r: r["test"]["average"].update(MAE=10**400), "expected MAE, RMSE"),
    tabulated("with a score whose square is endless", lambda r: r["test"]["average"].update(MAE=1e300), "'MAE': 1e+"),
    tabulated("of an unknown arm", lambda r: r["key"].update(arm="plos"), "'key.arm' is 'plos', expected base, plus"),
    tabulated("without the adapter's settings", lambda r: r["configuration"].pop("adapter"), "expected the adapter's"),
    tabulated("without the adapter's share", lambda r: r["parameters"].pop("adapter_percent"), "'parameters.adapter_p"),
    tabulated("with a missing value that is a list", lambda r: r["data"].update(null_val=[1]), "'data.null_val' is"),
    tabulated("with seconds that are text", lambda r: r["training"].update(seconds_per_epoch="x"), "expected a number"),
    tabulated("with nodes that are a list", lambda r: r["test"].update(nodes=[1]), "'test.nodes' is [1], expected"),
    tabulated(
        "without counts", lambda r: r["parameters"].pop("adapter"), "'parameters.adapter' is None, expected a count"
    ),
    checkpoint("cut", halve, "model.pt is damaged", WHOLE, process=True),
    checkpoint("empty", lambda path: path.write_bytes(b""), "model.pt is damaged"),
    checkpoint("text", lambda path: path.write_text("weights"), "model.pt is damaged"),
    checkpoint("absent", lambda path: path.unlink(), "repeat the run with: python experiments/run.py --dataset QUICK"),
    checkpoint("a pickle that would run code", payload, "model.pt is damaged", WHOLE, process=True),
    checkpoint("an archive that would run code", payload_archive, "model.pt is damaged", WHOLE, process=True),
    checkpoint("a pickle that claims gigabytes", endless, "model.pt is damaged", WHOLE, process=True),
    checkpoint("no scaler", entries(scaler_stats=None), "holds no 'scaler_stats'"),
    checkpoint("a scaler that is a number", entries(scaler_stats=3), "'scaler_stats' is no such thing", WHOLE),
    checkpoint("weights that are a list", entries(model_state_dict=[1]), "'model_state_dict' is no such thing"),
    checkpoint("other data", entries(data_fingerprint="sha256:1"), "model.pt is of other data than"),
    checkpoint("another run", entries(config_md5="0" * 32), "is of another run (configuration 00000000"),
    checkpoint("the base's", lambda path: shutil.copy(checkpoint_of("LSTM")(), path), "is of another run"),
    adapter("cut", halve, "adapter.safetensors is damaged", WHOLE, process=True),
    adapter("absent", lambda path: path.unlink(), "does not exist"),
    adapter("a pickle that would run code", payload, "adapter.safetensors is damaged", WHOLE, process=True),
    adapter("text", lambda path: path.write_text("weights"), "adapter.safetensors is damaged"),
    adapter("no description", lambda path: save_file(load_file(path), path), "is no ST-LoRA adapter file"),
    adapter("another format", described(lambda d: d.update(format=9)), "has format 9, expected 1: save it again"),
    adapter("no origin", described(lambda d: d.update(origin=None)), "holds no origin: expected one that run.py"),
    adapter(
        "a path as data set",
        described(lambda d: d["origin"]["key"].update(dataset="../up")),
        "its key has dataset='../up'",
    ),
    adapter(
        "a scaler without numbers",
        described(lambda d: d["scaler"].update(mean="x")),
        "is damaged (its origin or scaler",
    ),
    adapter(
        "another network", described(lambda d: (d.update(num_nodes=6), d.pop("names"))), "is for num_nodes=6, not 5"
    ),
    adapter("a number of nodes that is text", described(lambda d: d.update(num_nodes="5")), "(no good 'num_nodes')"),
    adapter("a number as hash", described(lambda d: d.update(backbone_hash=5)), "(no good 'backbone_hash')", WHOLE),
    adapter("a number as fingerprint", described(lambda d: d.update(data_fingerprint=5)), "'data_fingerprint')", WHOLE),
    adapter(
        "a scaler of three",
        described(lambda d: d["scaler"].update(mean=[1, 2, 3])),
        "has shape (3,), expected a number, or one per node",
    ),
    adapter("a width beyond memory", described(lambda d: d["settings"].update(width=10**12)), "(its settings: "),
    adapter("settings that are a list", described(lambda d: d.update(settings=[1])), "is damaged (no good 'settings')"),
    adapter("a tensor of another shape", tensors(conv_bias=torch.zeros(3)), "conv_bias ((3,), expected (32,))", WHOLE),
    adapter("no model.pt beside it", lambda path: (path.parent / "model.pt").unlink(), "name one with --backbone PATH"),
    adapter("a cut model.pt", lambda path: halve(path.parent / "model.pt"), "model.pt is damaged"),
    adapter(
        "an absent backbone",
        lambda path: None,
        "--backbone absent.pt does not exist: expected the model.pt of the LSTM+ run",
        backbone=lambda: "absent.pt",
    ),
    adapter(
        "another backbone",
        lambda path: None,
        "has shape (24, 24), the model expects",
        "is of another configuration",
        backbone=checkpoint_of("STGCN"),
    ),
    adapter(
        "a backbone of another seed",
        lambda path: None,
        "belongs to other weights of LSTM",
        backbone=checkpoint_of("LSTM", 1),
    ),
)
