"""Tables mark the pairs whose runs were not computed alike."""

import pytest

from stlora_ext.tables import markdown as md
from stlora_ext.tables.alike import mark
from stlora_ext.tables.gains import gains_table
from stlora_ext.tables.pairs import beyond_control, blocks
from tests.support.table_records import markdown, record, rows

ALIKE = {"numerics": 3, "hardware": "CPU X", "versions": {"torch": "2.13.0+cpu"}, "threads": 1, "compiled": False}
OTHER = {"numerics": 4, "hardware": "GPU Y", "versions": {"torch": "2.11.0"}, "threads": 2, "compiled": True}


def pair(base=None, plus=None, protocol="joint", **plus_parts):
    """Records of LSTM and LSTM+ under two seeds; the provenance of seed 0 as given."""
    records = []
    for seed in (0, 1):
        one, other = record(seed=seed), record("LSTM+", seed, 19.0 + seed / 9, protocol=protocol, arm="plus")
        one["provenance"] = {**ALIKE, **((base or {}) if seed == 0 else {})}
        other["provenance"] = {**ALIKE, **((plus or {}) if seed == 0 else {})}
        records += [one, {**other, **plus_parts}]
    return records


def comparison(records):
    (found,) = [each for block in blocks(rows(records, ())) for each in block.comparisons]
    return found


def test_pairs_that_were_computed_alike_bear_no_sign():
    gains = md.render([gains_table("D", rows(pair(), ()))])
    assert mark(comparison(pair())) == "" and "‡" not in markdown(pair()) + gains


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("side", ["base", "plus"])
def test_one_pair_that_differs_marks_the_difference_and_names_it(name, side):
    records = pair(**{side: {name: OTHER[name]}})
    text = markdown(records)
    shown = {
        "numerics": "NUMERICS 3, 4",
        "hardware": "hardware CPU X, GPU Y",
        "versions": "torch 2.11.0, 2.13.0",
        "threads": "threads 1, 2",
        "compiled": "--compile off, on",
    }[name]
    assert "| Δ LSTM+ ‡ |" in text and "| LSTM+ ‡ | 2 |" in text and f"LSTM+ joint: {shown}." in text
    gains = md.render([gains_table("D", rows(records, ()))])
    assert "‡ |" in gains and f"LSTM+ joint: {shown}." in gains


def test_the_build_of_torch_is_no_difference_of_its_version():
    assert mark(comparison(pair(plus={"versions": {"torch": "2.13.0"}}))) == ""


def test_every_process_that_worked_on_a_run_counts():
    resumed = {"processes": [ALIKE, {**ALIKE, "hardware": "GPU Y"}]}
    assert "hardware CPU X, GPU Y" in markdown(pair(plus=resumed))


@pytest.mark.parametrize(
    ("base", "plus", "expected"),
    [("sha256:a", "sha256:a", ""), ("sha256:a", "sha256:b", "‡"), (None, "sha256:a", "§"), ("sha256:a", None, "§")],
)
def test_an_adapted_run_is_held_against_the_weights_of_the_base_it_is_paired_with(base, plus, expected):
    records = pair(protocol="adapt")
    for each in records:
        if each["key"]["arm"] == "base":
            each["weights"] = base
        else:
            key = {
                **each["key"],
                "model": "LSTM",
                "protocol": "joint",
                "arm": "base",
                "config_hash": "LSTMbasejoint0.001",
            }
            each["trained_backbone"] = {"key": key, "weights": plus}
    assert mark(comparison(records)) == expected
    assert ("the backbone's weights" in markdown(records)) == (expected == "‡")
    assert ("don't tell whether both runs" in markdown(records)) == (expected == "§")


def test_plus_against_control_is_marked_too():
    records = pair()
    for seed in (0, 1):
        control = record("LSTM+", seed, 19.5 + seed, arm="control", config_hash="c")
        control["provenance"] = {**ALIKE, "hardware": "GPU Y"}
        records.append(control)
    (found,) = beyond_control(rows(records, ()))
    assert mark(found) == "‡" and "LSTM+ joint minus control: hardware CPU X, GPU Y" in markdown(records)
