"""A model from an adapter file: its origin says which backbone to build, a checkpoint holds the weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stlora_ext.config.experiment import Experiment
from stlora_ext.data.fingerprint import refuse_changed_data
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.host.checkpoint import load_checkpoint
from stlora_ext.lora.files import load_adapter, read_adapter
from stlora_ext.lora.model import STLoRA
from stlora_ext.runs.build import build_model
from stlora_ext.runs.key import checked_key
from stlora_ext.runs.reopen import CHECKPOINT, OTHER_DATA_REMEDY, rebuild
from stlora_ext.runs.same_data import refuse_other_data
from stlora_ext.weights import bare_state, load_weights


@dataclass(frozen=True)
class AdapterOrigin:
    """What an adapter file says about where it comes from.

    Attributes:
        path: The file.
        described: Its description.
        exp: The experiment of the run that trained it.
    """

    path: Path
    described: dict[str, Any]
    exp: Experiment


def read_origin(path: Path) -> AdapterOrigin:
    """Read which run an adapter file comes from.

    Raises:
        UserError: If the file is absent or damaged, or was saved without origin or scaler.
    """
    described, _ = read_adapter(path)
    origin, scaler = described.get("origin"), described.get("scaler")
    if not origin or not scaler:
        raise UserError(
            f"adapter file {path} holds no {'scaler' if origin else 'origin'}: expected one that run.py "
            "wrote, or save_adapter with scaler=... and origin=...; in Python, load_adapter(backbone, "
            "path) takes it as it is"
        )
    try:
        key, configuration = checked_key(origin["key"]), origin["configuration"]
        for statistic in ("mean", "std"):
            shape = tuple(torch.tensor(scaler[statistic], dtype=torch.float32).shape)
            if shape not in ((), (described["num_nodes"],)):
                raise ValueError(f"{statistic} has shape {shape}, expected a number, or one per node")
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise UserError(
            f"adapter file {path} is damaged (its origin or scaler: {error}): put back a whole copy"
        ) from None
    return AdapterOrigin(path, described, rebuild(key, configuration, f"adapter file {path}"))


def load_adapted(
    origin: AdapterOrigin, meta: Meta, data_dir: Path, backbone_from: Path | None = None
) -> tuple[STLoRA, dict[str, torch.Tensor]]:
    """Build the backbone of an adapter file, load its weights and put the adapter on it.

    Args:
        origin: The file.
        meta: Its data set.
        data_dir: Folder of the prepared data sets.
        backbone_from: Checkpoint that holds the backbone's weights, with or without an adapter's; None: the
            ``model.pt`` beside the file.

    Returns:
        tuple: The model in eval mode, on the CPU, and the statistics ``mean`` and ``std`` of its scaler.

    Raises:
        UserError: If the data set or the weights aren't the adapter's, or no checkpoint is there.
    """
    refuse_changed_data(data_dir, meta)
    refuse_other_data(
        {"fingerprint": origin.described.get("data_fingerprint")},
        meta,
        f"adapter file {origin.path}",
        OTHER_DATA_REMEDY,
    )
    source = origin.path.parent / CHECKPOINT if backbone_from is None else backbone_from
    if not source.is_file():
        expected = (
            f"expected the {CHECKPOINT} of the {origin.exp.model} run that trained the adapter, or of the "
            f"{origin.exp.backbone.name} that it adapted"
        )
        raise UserError(
            f"--backbone {source} does not exist: {expected}"
            if backbone_from is not None
            else f"adapter file {origin.path} has no {CHECKPOINT} beside it: name one with --backbone PATH; {expected}"
        )
    backbone = build_model(origin.exp.with_arm("base"), meta, data_dir)
    load_weights(backbone, _of_backbone(load_checkpoint(source)["model_state_dict"]), source)
    model = load_adapter(
        backbone, origin.path, num_nodes=meta.num_nodes, input_len=meta.input_len, output_len=meta.output_len
    )
    return model, {name: torch.tensor(value) for name, value in origin.described["scaler"].items()}


def _of_backbone(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the backbone's weights by its own names, from the state of a model with or without adapter."""
    state = bare_state(state)
    if not any(name.startswith("adapter.") for name in state):
        return state
    return {name.removeprefix("backbone."): tensor for name, tensor in state.items() if name.startswith("backbone.")}
