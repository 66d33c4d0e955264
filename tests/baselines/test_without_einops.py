"""Where the package einops isn't installed, only the models that are written with it are refused."""

import subprocess
import sys

from tests.support.commands import ROOT

WITHOUT = """
import sys
sys.modules["einops"] = None  # any import of it fails, as where it isn't installed
from stlora_ext.config.basicts_models import BASICTS_MODELS
from stlora_ext.errors import UserError
for name, model in BASICTS_MODELS.items():
    try:
        model.imported()
    except UserError as error:
        print(error)
"""


def test_a_model_imports_its_own_module_so_that_crossformer_and_duet_alone_need_einops():
    done = subprocess.run([sys.executable, "-c", WITHOUT], cwd=ROOT, capture_output=True, text=True, check=True)
    needs = "needs the package einops, which isn't installed: pip install einops"
    assert done.stdout.splitlines() == [f"model Crossformer {needs}", f"model DUET {needs}"]
