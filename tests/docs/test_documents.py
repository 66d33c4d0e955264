"""What the documents show is what the records say."""

import re
import sys
import types

import pytest
import torch

from experiments.table import updated
from stlora_ext.config import registry
from stlora_ext.errors import UserError
from stlora_ext.tables.documents import update_tables
from tests.support.commands import ROOT

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
TEXTS = {path: path.read_text(encoding="utf-8") for path in PAGES}
DOCUMENTS = [path for path, text in TEXTS.items() if "<!-- table: " in text]
CODE = [
    pytest.param(path.name, code, id=f"{path.name}-{number}")
    for path, text in TEXTS.items()
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_tables_of_a_document_are_what_the_published_records_say(path):
    text = path.read_text(encoding="utf-8")
    assert updated(text) == text, f"run: python experiments/table.py --update {path.relative_to(ROOT)}"


@pytest.mark.parametrize(("document", "code"), CODE)
def test_the_python_in_the_documents_runs(document, code, tiny_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets").symlink_to(tiny_data)
    monkeypatch.setitem(sys.modules, "an_example", example := types.ModuleType("an_example"))  # dataclasses ask for it
    monkeypatch.setattr(registry, "_BACKBONES", dict(registry._BACKBONES))  # an example registers a backbone
    torch.manual_seed(0)
    exec(compile(code, document, "exec"), vars(example))


def test_examples_of_a_backbone_are_short():
    blocks = re.findall(r"```python\n(.*?)```", TEXTS[ROOT / "docs" / "own_backbone.md"], re.DOTALL)
    assert len(blocks) == 3 and all(code.count("\n") < 45 for code in blocks)


def test_only_marked_blocks_are_rewritten():
    text = "a\n<!-- table: --dataset X -->\nold\n<!-- end of table -->\nb\n"
    assert update_tables(text, lambda arguments: f"{arguments}\n") == text.replace("old", "['--dataset', 'X']")


def test_a_document_without_a_mark_is_refused():
    with pytest.raises(UserError, match="no marked table"):
        update_tables("text", lambda arguments: "")
