"""A finished run evaluated again from its checkpoint."""

import tempfile
from pathlib import Path

from stlora_ext.data.prepared import Meta
from stlora_ext.host.launcher import launch_evaluation
from stlora_ext.host.runner import HostRunner
from stlora_ext.runs.adapter_runner import STLoRARunner
from stlora_ext.runs.build import build_model, host_config
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.reopen import FinishedRun, read_checkpoint


def evaluate(
    run: FinishedRun, meta: Meta, data: Path, gpus: str | None = None, forecasts: Path | None = None
) -> HostRunner:
    """Evaluate a run's checkpoint on the test split by the run's own runner.

    Args:
        run: The run; its checkpoint is there.
        meta: Its data set.
        data: Folder of the prepared data sets.
        gpus: Number of the GPU; None or "": CPU.
        forecasts: Folder that receives the forecasts, ``test_results/*.npy`` in original units; None: none are kept.

    Returns:
        HostRunner: Its ``test_result`` holds the scores, its ``model`` the checkpoint's weights.

    Raises:
        UserError: If checkpoint or data are damaged or not the run's.
    """
    read_checkpoint(run, meta)
    build_model(run.exp, meta, data)
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(data, gpus=gpus, save_results=forecasts is not None)
        cfg = host_config(run.exp, meta, run.key.seed, options, forecasts or Path(folder))
        return launch_evaluation(cfg, str(run.checkpoint), HostRunner if run.exp.adapter is None else STLoRARunner)
