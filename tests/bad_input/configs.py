"""Config files that fail or say what can't be."""

from tests.bad_input.row import Row

CFG = 'CFG = experiment("TINY", "LSTM", {})'
EXPECTED = "mine.py: expected CFG = experiment(DATASET, MODEL, ...), found"


def config(name, content, *said, **fields):
    """A row of run.py with a config; text stands below the usual import."""

    def make(folder):
        path = folder / "mine.py"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(f"from experiments.defaults import experiment\n{content}\n")
        return ["-c", path]

    return Row(name, make, said, "experiments/run.py", **fields)


def folder_for_config(folder):
    """A folder where the config should be."""
    return ["-c", folder]


ROWS = (
    config(
        "a misspelt setting",
        CFG.format("num_epoch=5"),
        "unknown key 'num_epoch': did you mean 'num_epochs'",
        process=True,
    ),
    config(
        "a misspelt setting of the model",
        CFG.format('model_settings={"layers": 3}'),
        "mine.py: unknown key 'model.layers'",
    ),
    config(
        "a misspelt setting of the adapter",
        'CFG = experiment("TINY", "LSTM+", adapter={"rnk": 3})',
        "unknown key 'adapter.rnk': did you mean 'adapter.rank'",
    ),
    config(
        "an impossible rank",
        'CFG = experiment("TINY", "LSTM+", adapter={"rank": 0})',
        "adapter rank=0: expected a whole number of at least 1",
    ),
    config("a setting of another type", CFG.format("num_epochs=1.5"), "num_epochs=1.5: expected a whole number"),
    config("an unknown model", 'CFG = experiment("TINY", "LSMT")', "unknown model 'LSMT': did you mean 'LSTM'"),
    config("an unknown data set", 'CFG = experiment("TINI", "LSTM")', "data set 'TINI' is not in", "prepare.py TINI"),
    config("a path as data set", 'CFG = experiment("TINY/", "LSTM")', "data set 'TINY/': expected a name such as"),
    config("a number as data set", 'CFG = experiment(5, "LSTM")', "data set 5: expected a name such as PEMS08"),
    config("no syntax", 'CFG = experiment("TINY", "LSTM"', "mine.py, line 2: SyntaxError", process=True),
    config("a number", "CFG = 3", f"{EXPECTED} int"),
    config("the class of experiments", "CFG = experiment", f"{EXPECTED} function"),
    config("empty", "", f"{EXPECTED} no CFG"),
    config("an exception", "1 / 0", "mine.py, line 2: ZeroDivisionError: division by zero"),
    config(
        "a missing package",
        "import nowhere_to_be_found",
        "mine.py, line 2: ModuleNotFoundError: No module named 'nowhere_to_be_found'",
    ),
    config(
        "one that ends the process",
        "raise SystemExit(0)",
        "ended by itself (exit code 0)",
        "expected CFG = ",
        process=True,
    ),
    config("endless recursion", "def f():\n    f()\nf()", "RecursionError"),
    config("bytes that are no text", b"\0\xff\xfe", "mine.py, line ?: SyntaxError"),
    Row("a folder", folder_for_config, ("does not exist",), "experiments/run.py"),
)
