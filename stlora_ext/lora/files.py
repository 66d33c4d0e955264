"""Adapter files: one safetensors file of kilobytes that says which backbone it belongs to.

The tensors are the adapter's; the metadata entry "stlora" is JSON: format version, settings, number of nodes, name and
hash of the backbone, and, where known, the sensors' names, how many of them each expansion has added, the scaler's
statistics, the fingerprint of the data, and the key and configuration of the run that trained it ("origin"), from which
the backbone can be built.

A service file is an adapter file that can be updated further: it holds Adam's moments too, by the adapter's names after
"adam.", and the entry "service", what was done to it.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from stlora_ext.errors import UserError
from stlora_ext.files import atomic_path
from stlora_ext.lora.model import STLoRA, attach, widest_type
from stlora_ext.lora.sensors import checked_names, refuse_other_names
from stlora_ext.lora.settings import STLoRAConfig
from stlora_ext.weights import bare_state_dict, weights_fingerprint
from stlora_ext.wrapped import unwrapped

FORMAT = 1
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # of Adam, by torch's names
_ADAM = "adam."
_REQUIRED = {"settings": dict, "num_nodes": int, "backbone": str, "backbone_hash": str}


def backbone_hash(backbone: nn.Module) -> str:
    """Return "sha256:..." over the names and values of a backbone's parameters and buffers."""
    return weights_fingerprint(bare_state_dict(backbone))


def save_adapter(
    model: nn.Module,
    path: Path,
    *,
    scaler: dict[str, torch.Tensor] | None = None,
    data_fingerprint: str | None = None,
    origin: dict[str, Any] | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    service: dict[str, Any] | None = None,
) -> int:
    """Write the adapter of ``model`` to ``path``, atomically.

    Args:
        model: A model that ``attach`` returned; it, its backbone or both may be wrapped, the file is the same.
        path: The file, ``.safetensors``.
        scaler: Statistics of the normalisation, ``{"mean", "std"}``.
        data_fingerprint: Fingerprint of the data set that it was trained on.
        origin: ``{"key", "configuration"}`` of the run that trained it, plain values; ``experiments/predict.py`` needs
            it.
        optimizer: An Adam over the adapter's parameters, whose moments are kept; with ``service``.
        service: What was done to the adapter in service, plain values; makes it a service file.

    Returns:
        int: Size of the file in bytes.

    Raises:
        UserError: If ``model`` carries no adapter.
    """
    model = unwrapped(model)
    if not isinstance(model, STLoRA):
        raise UserError(f"save_adapter: a {type(model).__name__} carries no adapter; expected what attach() returned")
    described = {
        "format": FORMAT,
        "settings": model.config.as_dict(),
        "num_nodes": model.num_nodes,
        **({} if model.names is None else {"names": model.names}),
        **({"added": model.added} if model.added else {}),
        "backbone": type(unwrapped(model.backbone)).__name__,
        "backbone_hash": backbone_hash(model.backbone),
        "scaler": {name: value.tolist() for name, value in (scaler or {}).items()},
        "data_fingerprint": data_fingerprint,
        "origin": origin,
        **({} if service is None else {"service": service}),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in bare_state_dict(model.adapter).items()}
    if optimizer is not None:
        for name, parameter in model.adapter.named_parameters():
            state = optimizer.state.get(parameter, {})
            tensors |= {f"{_ADAM}{moment}.{name}": state[moment].detach().cpu() for moment in MOMENTS if state}
    path = Path(path)
    with atomic_path(path) as temporary:
        # not save_file, which keeps the file from every other user (mode 600)
        temporary.write_bytes(save(tensors, metadata={"stlora": json.dumps(described)}))
    return path.stat().st_size


def read_adapter(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Read an adapter file: its description and its tensors.

    Raises:
        UserError: If it is absent, damaged or no adapter file of this format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            described = json.loads((file.metadata() or {}).get("stlora", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except FileNotFoundError:
        raise UserError(f"adapter file {path} does not exist") from None
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise UserError(f"adapter file {path} is damaged ({error}): save it again, or put back a whole copy") from None
    if not isinstance(described, dict) or "format" not in described:
        raise UserError(f"{path} is no ST-LoRA adapter file: expected one that save_adapter wrote")
    if described["format"] != FORMAT:
        raise UserError(
            f"adapter file {path} has format {described['format']}, expected {FORMAT}: save it again with this version"
        )
    wrong = next((name for name, kind in _REQUIRED.items() if type(described.get(name)) is not kind), None)
    if wrong is None and not isinstance(described.get("data_fingerprint"), (str, type(None))):
        wrong = "data_fingerprint"
    names, added = described.get("names"), described.get("added", [])
    if (
        wrong is None
        and added != []
        and not (
            isinstance(added, list)
            and all(type(count) is int and count > 0 for count in added)
            and sum(added) < described["num_nodes"]
        )
    ):
        wrong = "added"
    if wrong is None and names is not None and not _are_names(names, described["num_nodes"]):
        wrong = "names"
    if wrong is not None:
        raise UserError(f"adapter file {path} is damaged (no good '{wrong}'): save it again, or put back a whole copy")
    return described, tensors


def _are_names(names: Any, num_nodes: int) -> bool:
    return (
        isinstance(names, list)
        and all(isinstance(name, str) and name.strip() for name in names)
        and (len(set(names)) == len(names) == num_nodes)
    )


def load_adapter(
    backbone: nn.Module,
    path: Path,
    *,
    names: Iterable[str] | None = None,
    num_nodes: int | None = None,
    input_len: int | None = None,
    output_len: int | None = None,
) -> STLoRA:
    """Put the adapter of a file on the backbone it was saved with.

    The adapter is on the backbone's device and of the file's floating-point type, which is the backbone's unless the
    saved adapter had been converted.

    Args:
        backbone: The same architecture with the same weights, wrapped or not.
        path: The file.
        names: Names of the sensors at hand, in the order of the nodes, if they are to be checked. A file without names
            takes them.
        num_nodes: Nodes of the network at hand, if they are to be checked now; else at the first forward.
        input_len: Input steps, likewise.
        output_len: Forecast steps, likewise.

    Returns:
        STLoRA: In eval mode; its forecasts are those of the saved model.

    Raises:
        UserError: If the file is damaged, of another backbone, other sensors or their order, another number of nodes or
            length, or lacks a tensor.
    """
    described, stored = read_adapter(path)
    known = described.get("names")
    names = known if names is None else checked_names(names, "load_adapter")
    if names is not None and known is not None:
        refuse_other_names(names, known, f"adapter file {path}")
    num_nodes = len(names) if num_nodes is None and names is not None else num_nodes
    tensors = {name: tensor for name, tensor in stored.items() if not name.startswith(_ADAM)}
    config = STLoRAConfig.from_json(json.dumps(described["settings"]))
    for name, wanted, found in (
        ("num_nodes", num_nodes, described["num_nodes"]),
        ("input_len", input_len, config.input_len),
        ("output_len", output_len, config.output_len),
    ):
        if wanted is not None and wanted != found:
            raise UserError(
                f"adapter file {path} is for {name}={found}, not {wanted}: train an adapter for this "
                "network and horizon"
            )
    name = type(unwrapped(backbone)).__name__
    if name != described["backbone"]:
        raise UserError(
            f"adapter file {path} is for a {described['backbone']}, not a {name}: give the backbone that "
            "it was trained on"
        )
    if backbone_hash(backbone) != described["backbone_hash"]:
        raise UserError(
            f"adapter file {path} belongs to other weights of {described['backbone']} "
            f"({described['backbone_hash'][:19]}, these are {backbone_hash(backbone)[:19]}): load the "
            "checkpoint that it was trained on"
        )
    try:
        model = attach(backbone, config, described["num_nodes"], names=names)
    except UserError:
        raise
    except (RuntimeError, ValueError) as error:  # a size beyond memory
        raise UserError(
            f"adapter file {path} is damaged (its settings: {str(error).splitlines()[0][:120]}): save it "
            "again, or put back a whole copy"
        ) from None
    model.added = tuple(described.get("added", ()))
    expected = {name: tuple(tensor.shape) for name, tensor in model.adapter.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if expected != given:
        wrong = [
            f"{name} ({given.get(name, 'absent')}, expected {expected.get(name, 'none of this name')})"
            for name in sorted(expected.keys() | given.keys())
            if expected.get(name) != given.get(name)
        ]
        more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        raise UserError(
            f"adapter file {path} does not hold the tensors that its settings need: {', '.join(wrong[:4])}"
            f"{more}; save it again, or put back a whole copy"
        )
    model.adapter.to(dtype=widest_type(tensors.values())).load_state_dict(tensors)
    return model.eval()


def load_moments(optimizer: torch.optim.Optimizer, model: STLoRA, path: Path) -> None:
    """Give an Adam over the adapter's parameters the moments of a service file.

    Raises:
        UserError: If the file is damaged, or holds moments of other parameters.
    """
    tensors = read_adapter(path)[1]
    if not any(name.startswith(_ADAM) for name in tensors):
        return  # before its first update
    for name, parameter in model.adapter.named_parameters():
        optimizer.state[parameter] = {}
        for moment in MOMENTS:
            tensor = tensors.get(f"{_ADAM}{moment}.{name}")
            if tensor is None or tensor.shape != (() if moment == "step" else parameter.shape):
                raise UserError(
                    f"service file {path} is damaged (no good '{_ADAM}{moment}.{name}'): put back a whole copy, or go "
                    "on from an older one"
                )
            optimizer.state[parameter][moment] = tensor.clone() if moment == "step" else tensor.to(parameter)
