"""What the documents show is what the records say."""

import re

import pytest
import torch

from experiments.table import updated
from stlora_ext.errors import UserError
from stlora_ext.tables.documents import update_tables
from tests.commands import ROOT

DOCUMENTS = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
             if "<!-- table: " in path.read_text(encoding="utf-8")]

CODE = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_tables_of_a_document_are_what_the_published_records_say(path):
    text = path.read_text(encoding="utf-8")
    assert updated(text) == text, f"run: python experiments/table.py --update {path.relative_to(ROOT)}"


@pytest.mark.parametrize("code", CODE, ids=lambda code: code.splitlines()[0][:30])
def test_the_python_in_the_documents_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    exec(compile(code, "README.md", "exec"), {})


def test_only_marked_blocks_are_rewritten():
    text = "a\n<!-- table: --dataset X -->\nold\n<!-- end of table -->\nb\n"
    assert update_tables(text, lambda arguments: f"{arguments}\n") == text.replace("old", "['--dataset', 'X']")


def test_a_document_without_a_mark_is_refused():
    with pytest.raises(UserError, match="no marked table"):
        update_tables("text", lambda arguments: "")
