"""The commands that fill what a table of protocol stream lacks, run as they stand."""

import re
import shlex

from experiments import run as run_command
from experiments import table as table_command


def test_the_commands_of_missing_streams_fill_them(tiny_data, tmp_path, capsys):
    """Of a trained and a fitted backbone, of settings other than the config's, and of a backbone that was named."""
    results = str(tmp_path / "results")

    def call(*arguments):
        run_command.main([*arguments, "--data", str(tiny_data)])
        capsys.readouterr()

    def missing():
        table_command.main(["--dataset", "TINY", "--results", results])
        text = capsys.readouterr().out
        return text, re.findall(r"^- (.*?): `(.*)`$", text, re.MULTILINE)

    small = [
        "--epochs",
        "1",
        "--batch-size",
        "128",
        "--set",
        "model.hidden_size=8",
        "stream.steps=2",
        "stream.every=200",
    ]
    rest = ["--protocol", "stream", "--train-backbone", "--results", results]
    plus, base = ("experiments/TINY/LSTM_LoRA.py", "experiments/TINY/LSTM.py")
    call("-c", plus, "--seeds", "0", *small, "stream.lr=0.002", "stream.node_decay=0.1", *rest)
    call("-c", plus, "--seeds", "1", *small, "stream.lr=0.002", *rest, "--arm", "control")
    call("-c", base, "--seeds", "2", *small, *rest, "--arm", "finetune")
    call("-c", "experiments/TINY/HA_LoRA.py", "--seeds", "2", "--set", "stream.steps=2", *rest)
    _, commands = missing()
    assert [title for title, _ in commands] == [
        "HA, stream, base: all seeds",
        "LSTM, stream, base: seeds 0 1 2",
        "LSTM+, stream, control: seeds 0 2",
        "LSTM+, stream, plus: seeds 1 2",
        "LSTM, stream, finetune: seeds 0 1",
    ]
    for _, command in commands:
        python, script, *arguments = shlex.split(command)
        assert (python, script) == ("python", "experiments/run.py")
        call(*arguments)
    text, commands = missing()
    assert not commands and not re.search(r"LSTM\+? [(\[][0-9a-f]{8}", text), "one configuration of each arm"
    assert "| LSTM+ minus finetune | 3 |" in text and "| LSTM+ minus control | 3 |" in text

    (backbone,) = (tmp_path / "results" / "TINY" / "LSTM").glob("joint-base-*-seed0/model.pt")
    own = ["--protocol", "stream", "--from", str(backbone), "--results", results]
    call("-c", plus, "--seeds", "5", "--set", "model.hidden_size=8", "stream.steps=2", *own)
    _, commands = missing()
    assert [title for title, _ in commands] == ["LSTM, stream, base: seed 5"]
    assert f"--from {backbone}" in commands[0][1]
    call(*shlex.split(commands[0][1])[2:])
    text, commands = missing()
    assert not commands and len(re.findall(r"^\| LSTM\+ \[\w+\] minus base \| 1 \|", text, re.MULTILINE)) == 1
