"""What a data set measures: the catalogue knows the benchmark's, meta.json those that were prepared with --domain."""

import json

import pytest

from stlora_ext.data.catalog import CATALOG
from stlora_ext.data.quantity import Quantity, quantity


def test_every_known_set_has_a_domain_and_a_unit_and_needs_no_data(tmp_path):
    for name in CATALOG:
        assert all(vars(quantity(name, tmp_path)).values())
    assert quantity("PEMS08", tmp_path).heading("PEMS08") == "PEMS08, traffic flow"
    assert quantity("METR-LA", tmp_path).axis("MAE") == "MAE, mph"
    assert quantity("METR-LA", tmp_path).axis("MAPE") == "MAPE, %"


@pytest.mark.parametrize(
    ("content", "domain"),
    [({"domain": "bikes per hour"}, "bikes per hour"), ({"domain": "unknown"}, ""), ({"domain": 3}, ""), ({}, "")],
)
def test_a_set_of_ones_own_has_the_domain_that_it_was_prepared_with(tmp_path, content, domain):
    (tmp_path / "MINE").mkdir()
    (tmp_path / "MINE" / "meta.json").write_text(json.dumps(content))
    assert quantity("MINE", tmp_path) == Quantity(domain)


@pytest.mark.parametrize("damage", ["", "[]", "{", "\x00"])
def test_a_set_that_is_absent_or_damaged_has_none(tmp_path, damage):
    (tmp_path / "MINE").mkdir()
    (tmp_path / "MINE" / "meta.json").write_text(damage)
    for name in ("MINE", "OTHER"):
        assert quantity(name, tmp_path) == Quantity() and Quantity().heading(name) == name
        assert (Quantity().axis("MAE"), Quantity().reading) == ("MAE", "reading")
