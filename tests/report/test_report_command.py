"""experiments/report.py: same records same page, nothing mixed, nothing left out in silence, what it refuses."""

import json
import re

import pytest

from experiments import report as report_command
from tests.report.toy import HOSTILE, report
from tests.support.commands import refusal
from tests.support.table_records import record, seeds, write


def lstm(**settings):
    return [
        *seeds([20.0, 21.0], dataset="TINY", **settings),
        *seeds([19.0, 20.5], model="LSTM+", arm="plus", dataset="TINY", **settings),
    ]


def made(results, tmp_path, *arguments) -> str:
    """Return the page of records whose data aren't there, without plotly's script."""
    report("--results", results, "--data", tmp_path / "no-data", "--out", tmp_path / "page.html", *arguments)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    return re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)


def test_the_same_records_checkpoints_and_data_make_the_same_bytes(folder, tmp_path):
    report(
        "--results",
        folder / "results",
        "--data",
        folder / "data",
        "--nodes",
        *HOSTILE,
        4,
        "--threads",
        1,
        "--out",
        tmp_path / "again.html",
    )
    assert (tmp_path / "again.html").read_bytes() == (folder / "page.html").read_bytes()


def test_the_order_in_which_records_were_written_changes_nothing(tmp_path):
    pages = [
        made(write(records, tmp_path / name), tmp_path).replace(str(tmp_path / name), "DIR")
        for name, records in (("a", lstm()), ("b", lstm()[::-1]))
    ]
    assert pages[0] == pages[1]


def test_two_versions_of_the_data_are_two_chapters(tmp_path):
    results = write(
        [record(dataset="TINY", seed=s, mae=20.0 + 9 * s, fingerprint=f"sha256:{s}") for s in range(2)],
        tmp_path / "results",
    )
    text = made(results, tmp_path)
    assert [text.count(f'<h2 id="data-{n}">TINY, simulated traffic flow, data sha256:{n}</h2>') for n in range(3)] == [
        1,
        1,
        0,
    ]
    assert ">20.00<" in text and ">29.00<" in text and "24.50" not in text


def test_what_is_absent_says_why_and_what_brings_it(tmp_path):
    text = made(
        write([*lstm(), record("HA", None, protocol="fitted", fitted=True, dataset="TINY")], tmp_path / "results"),
        tmp_path,
    )
    needs = re.findall(r'<p class="absent">(.*?)</p>', text)
    assert sum("make it with: python datasets/simulate.py TINY" in each for each in needs) == 1
    assert sum("Records without the errors of single nodes: LSTM+: joint, plus." in each for each in needs) == 2
    assert sum("No model here was trained by epochs" in each for each in needs) == 1
    assert "HA+, adapt, plus" in text


def test_without_data_the_nodes_lie_on_a_grid_that_says_so(tmp_path):
    records = lstm()
    for each in records:
        each["test"]["nodes"] = {"MAE": [node + each["test"]["average"]["MAE"] for node in range(3)]}
    text = made(write(records, tmp_path / "results"), tmp_path)
    assert "A grid in the order of the nodes&#39; numbers, no map" in text
    assert '<td class="name">LSTM+: joint, plus</td><td class="count">2</td>' in text


def test_other_data_than_the_records_are_not_used(folder, tmp_path):
    write([record(dataset="QUICK", num_nodes=5)], tmp_path / "results")
    report("--results", tmp_path / "results", "--data", folder / "data", "--out", tmp_path / "page.html")
    assert "this part of the records of QUICK is of other data" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_run_without_checkpoint_is_named_with_its_command(folder, tmp_path):
    for path in (folder / "results" / "QUICK" / "LSTM").glob("*.json"):
        (tmp_path / "results" / "QUICK" / "LSTM").mkdir(parents=True, exist_ok=True)
        (tmp_path / "results" / "QUICK" / "LSTM" / path.name).write_bytes(path.read_bytes())
    report("--results", tmp_path / "results", "--data", folder / "data", "--out", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert re.search(
        r"<li>LSTM: its checkpoint isn&#39;t there; make it with <code>python experiments/run.py "
        r".*?--seeds 0 .*?--force.*?</code>",
        text,
    )


def test_models_are_chosen(tmp_path):
    results = write([*lstm(), record("HA", None, protocol="fitted", fitted=True, dataset="TINY")], tmp_path / "results")
    text = made(results, tmp_path, "--models", "LSTM", "LSTM+")
    assert "Δ LSTM+" in text and "HA (fitted)" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "LSTN"], "no records of model 'LSTN' here: did you mean 'LSTM'?"),
        (["--dataset", "TINI"], "no records of 'TINI'"),
        (["--dataset", "TINY", "--nodes", "3"], "TINY has no node '3': expected an id, or a number from 0 to 2"),
        (["--dataset", "TINY", "--nodes", "abc"], "TINY has no node 'abc': expected an id, or a number from 0 to 2"),
        (["--nodes", "1"], "--nodes 1: nodes belong to one data set, name it with --dataset"),
        (["--out", "."], "--out . is a folder: name the page, such as report.html"),
        (["--days", "0"], "'0' is not a whole number of at least 1"),
    ],
)
def test_refusals_name_the_remedy(tmp_path, capsys, arguments, message):
    results = write([*lstm(), record(dataset="CITY")], tmp_path / "results")
    found = refusal(report_command.main, ["--results", results, "--data", tmp_path, *arguments], capsys)
    assert message in found
    assert not (tmp_path / "report.html").exists()


def test_the_nodes_that_gain_lose_and_have_no_score_add_up_to_all_and_the_page_says_why(tmp_path):
    records = lstm()
    for run, errors in zip(records, [[5.0, 5.0, 5.0, None]] * 2 + [[4.0, 6.0, 5.0, None]] * 2, strict=True):
        run["test"]["nodes"] = {"MAE": errors}
        run["data"]["num_nodes"] = 4
    text = made(write(records, tmp_path / "results"), tmp_path)
    line = text.split('<td class="name">LSTM+: joint, plus</td>')[1].split("</tr>")[0]
    assert re.findall(r'<td class="(?:count|number)">(.*?)</td>', line)[:5] == ["2", "1", "1", "1", "1"]
    assert "1 of 4 nodes have no reading in the test set, so no score, and aren&#39;t drawn." in text


def test_scores_that_a_record_lacks_are_gaps_and_every_figure_is_json(tmp_path):
    """Without a target there is no error: null, which JSON.parse of the browser reads, not NaN."""
    records = lstm()
    records[0]["test"]["average"]["MAPE"] = None
    records[0]["test"]["horizons"][2] = dict.fromkeys(("MAE", "RMSE", "MAPE"))
    for each in records:
        each["test"]["nodes"] = {"MAE": [1.0, None, 2.0]}
    text = made(write(records, tmp_path / "results"), tmp_path)

    def refuse(constant):
        raise AssertionError(constant)

    found = re.findall(r'<script type="application/json" id="([a-z0-9-]+)">(.*?)</script>', text)
    figures = {name: json.loads(content, parse_constant=refuse) for name, content in found}
    assert len(figures) == 2 * 3
    line = next(trace for trace in figures["data-0-horizon-figure-data"]["data"] if trace["mode"] == "lines+markers")
    assert line["y"][2] is None and line["y"][3] == 24.5
