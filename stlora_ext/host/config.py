"""BasicTS's forecasting config, strict: unknown keys refused, one hash for one configuration."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from basicts.configs import BasicTSForecastingConfig, BasicTSModelConfig

from stlora_ext.errors import UserError, nearest
from stlora_ext.files import write_json
from stlora_ext.host.metrics import METRICS
from stlora_ext.host.scaler import GlobalZScoreScaler

# Keys that cannot change what is learned or measured, beyond those that BasicTS names.
_RESULT_INDEPENDENT = (
    "gpu_num",
    "seed",
    "ckpt_save_dir",
    "metrics",
    "eval_horizons",
    "data_fingerprint",
    "run_title",
    "run_key",
    "steps_per_day",
    "backbone_from",
    "backbone_weights",
    "cuda_graphs",
    "parts",
    "process",
    "val_data_shuffle",
    "test_data_shuffle",
    "loss",
    "taskflow",
)
# Keys that can change it though BasicTS leaves them out; here they are left out at these values only.
_RESULT_RELEVANT = {"val_interval": 1, "tf32": False, "bf16": False}
# Keys that move a result by rounding alone; they enter the hash at these values, whatever they are.
_ROUNDING = {"deterministic": False, "cudnn_benchmark": True, "cudnn_determinstic": False}
# Keys that have no effect in this runner, with the one value that says so.
_WITHOUT_EFFECT = {
    "loss": "MAE",
    "rescale": True,
    "null_to_num": 0.0,
    "ckpt_save_strategy": None,
    "test_interval": None,
    "num_steps": None,
    "best_metric": "min",
    "train_data_collate_fn": None,
    "val_data_collate_fn": None,
    "test_data_collate_fn": None,
}
_DATA_INDEPENDENT = ("data_file_path", "memmap", "local", "mode")


class _StrictConfig(BasicTSForecastingConfig):
    # Apart from its fields' class: EasyDict makes an item of everything that the instance's own class defines.

    def __init__(self, **kwargs: Any) -> None:
        known = [f.name for f in fields(type(self)) if not f.name.startswith("_")]
        for key in kwargs:
            if key not in known:
                raise UserError(f"unknown config key '{key}': {nearest(key, known)}")
        if kwargs.get("num_steps") is not None:
            raise UserError(f"num_steps={kwargs['num_steps']}: step-based training is not supported; set num_epochs")
        if kwargs.get("test_interval") is not None:
            raise UserError(
                f"test_interval={kwargs['test_interval']}: the test set is evaluated once, after training; leave it out"
            )
        for key, value in _WITHOUT_EFFECT.items():
            if key in kwargs and kwargs[key] != value:
                raise UserError(f"{key}={kwargs[key]!r}: this runner knows {key}={value!r} only; leave it out")
        for metric in (*kwargs.get("metrics", ()), kwargs.get("target_metric", "MAE")):
            if metric not in METRICS:
                raise UserError(f"metrics: '{metric}' has no exact sum; {nearest(str(metric), METRICS)}")
        gpus = kwargs.get("gpus")
        if gpus and len(gpus.split(",")) > 1:
            raise UserError(
                f"gpus='{gpus}': one process uses one GPU; name all of them where the run is started "
                "(launch_training's devices, experiments/run.py --gpus)"
            )
        super().__init__(**kwargs)
        horizons, output_len = self.eval_horizons or [], self.dataset_params.get("output_len")
        if output_len and any(type(step) is not int or not 1 <= step <= output_len for step in horizons):
            raise UserError(
                f"eval_horizons={list(horizons)}: the forecast has {output_len} steps; name steps from 1 "
                f"to {output_len}"
            )

    def save(self) -> None:
        """Write ``cfg.json`` into the run's folder."""
        write_json(Path(self.ckpt_save_dir) / "cfg.json", self.serialized)

    def _pack_params(self, obj: type, obj_params: Any) -> Any:
        # A field of a model's config is the model's, whatever key of this one is called so: FITS has a loss.
        if isinstance(obj_params, BasicTSModelConfig):
            for name in obj_params.keys() & {"input_len", "output_len"}:
                if self.get(name) is not None:
                    obj_params[name] = self[name]
            return obj_params
        return super()._pack_params(obj, obj_params)

    def _serialize_obj(self, obj: Any) -> Any:
        if isinstance(obj, (torch.Tensor, np.ndarray)):
            raise UserError(
                f"the config holds a {type(obj).__name__} of shape {tuple(obj.shape)}: give the name of "
                "the data set's graph or a path, so that two configs can be told apart"
            )
        if is_dataclass(obj) and not isinstance(obj, (type, dict)):
            return asdict(obj)
        if isinstance(obj, np.generic):
            return obj.item()
        if isinstance(obj, float) and obj != obj:
            return "nan"
        if isinstance(obj, partial) or getattr(obj, "__name__", "") == "<lambda>":
            raise UserError(
                "the config holds a lambda or a partial function: give a named function or an nn.Module, "
                "so that two configs can be told apart"
            )
        return super()._serialize_obj(obj)

    def _get_md5(self, serialized: dict) -> str:
        result_relevant = {
            key: value
            for key, value in serialized.items()
            if key not in (*self._TRAINING_INDEPENDENT_KEYS, *_RESULT_INDEPENDENT, *_RESULT_RELEVANT)
        }
        result_relevant.update(
            {key: serialized[key] for key, usual in _RESULT_RELEVANT.items() if serialized[key] != usual}
        )
        result_relevant.update(_ROUNDING)
        result_relevant["dataset_params"] = {
            key: value for key, value in (serialized["dataset_params"] or {}).items() if key not in _DATA_INDEPENDENT
        }
        model_config = dict(serialized["model_config"] or {})
        if "graph_path" in model_config:  # the fingerprint of the data covers what it holds
            model_config["graph_path"] = model_config["graph_path"] is not None
        result_relevant["model_config"] = model_config
        text = json.dumps(result_relevant, sort_keys=True, ensure_ascii=False)
        return hashlib.md5(text.encode("utf-8"), usedforsecurity=False).hexdigest()


@dataclass(init=False)
class ForecastingConfig(_StrictConfig):
    """BasicTSForecastingConfig that refuses what it doesn't know and hashes what it means.

    - A key that is no field is an error naming the nearest one (BasicTS keeps it silently).
    - ``md5`` doesn't depend on the order of keywords or on writing a default out, nor on devices, folders
      or metrics; tensors and arrays are refused because they cannot be told apart by it.
    - The scaler is global, NaN- and null-aware; the test set is evaluated once, at the end.
    """

    scaler: type = field(default=GlobalZScoreScaler, metadata={"help": "Scaler type."})
    norm_each_channel: bool = field(default=False, metadata={"help": "One mean and std, or one per node."})
    rescale: bool = field(default=True, metadata={"help": "Evaluate on the original scale."})
    metrics: list = field(default_factory=lambda: list(METRICS), metadata={"help": "What validation and test report."})
    test_interval: int | None = field(
        default=None, metadata={"help": "Always None: the test set is not looked at during training."}
    )
    data_fingerprint: str | None = field(
        default=None, metadata={"help": "Fingerprint of the data set; checkpoints of other data are refused."}
    )
    steps_per_day: int | None = field(
        default=None, metadata={"help": "Steps of a day, by which the test set's errors are summed too; None: not."}
    )
    run_key: str = field(default="", metadata={"help": "What identifies the run: its place in a results folder."})
    bf16: bool = field(
        default=False,
        metadata={"help": "Forward passes under bfloat16 autocast; weights, loss and metrics stay float32."},
    )
    cuda_graphs: bool = field(
        default=False, metadata={"help": "Record the passes of a training step once and replay them; on a GPU."}
    )
    parts: int = field(
        default=1, metadata={"help": "Parts of a training batch that run one after the other, their gradients added."}
    )
    process: int = field(default=0, metadata={"help": "Which of the run's processes this is; 0 alone writes."})
    run_title: str = field(default="", metadata={"help": "What the process title and progress lines begin with."})
