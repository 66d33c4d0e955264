"""ST-LoRA as a plug-in: a backbone with a node-level correction of its forecast.

    forecast = backbone(X) + correction

The correction lives in the backbone's output (normalised) space and is zero at attachment.

Source: ST-LoRA, arXiv 2404.07919.
"""

import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import reduce
from typing import Any

import torch
from torch import nn

from stlora_ext.errors import UserError
from stlora_ext.lora.parts import forecast_in_parts, parts_of
from stlora_ext.lora.predictor import Predictor
from stlora_ext.lora.sensors import checked_names
from stlora_ext.lora.settings import STLoRAConfig
from stlora_ext.wrapped import bare_names, unwrapped


class STLoRA(nn.Module):
    """A backbone with an adapter; call it as the backbone is called.

    Args:
        backbone: Module from ``inputs [B, input_len, N]`` (and whatever else it takes) to ``[B, output_len, N]``.
        config: Settings of the adapter.
        num_nodes: N.
        seed: Seed of the adapter's initial values and dropout; the global generators aren't touched.
        names: Name of each sensor, in the order of the nodes; None: they have none.
    """

    def __init__(
        self,
        backbone: nn.Module,
        config: STLoRAConfig,
        num_nodes: int,
        seed: int = 0,
        names: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.adapter = Predictor(config, num_nodes, seed)
        self.config, self.num_nodes, self.names = config, num_nodes, names
        self.added: tuple[int, ...] = ()  # how many of the nodes each expansion has added
        self.frozen, self.adapter_enabled = False, True
        self._trainable: dict[str, bool] = {}

    @property
    def sensors(self) -> tuple[str, ...]:
        """Name of each sensor, in the order of the nodes; '0', '1', ... where they have none."""
        return self.names or tuple(map(str, range(self.num_nodes)))

    @property
    def signature(self) -> inspect.Signature:
        """The backbone's forward signature; of a wrapped backbone, that of what is wrapped."""
        return inspect.signature(unwrapped(self.backbone).forward)

    def freeze_backbone(self) -> None:
        """Train the adapter alone: no parameter of the backbone is trainable any more, and it stays in eval mode.

        Whatever ``train()`` says later, the backbone stays in eval mode until ``unfreeze_backbone``. Gradients flow
        where something asks for them: to inputs that require them, through the backbone, and to those of its
        parameters that are made trainable again with ``requires_grad_(True)``. Where nothing asks, no graph through the
        backbone is kept.
        """
        if not self.frozen:
            self._trainable = {name: parameter.requires_grad for name, parameter in self._backbone_parameters()}
        self.frozen = True
        self.backbone.requires_grad_(False)
        self.backbone.eval()

    def unfreeze_backbone(self) -> None:
        """Undo ``freeze_backbone``: what was trainable is so again, and the backbone takes the model's mode.

        It changes nothing if the backbone isn't frozen.
        """
        if not self.frozen:
            return
        for name, parameter in self._backbone_parameters():
            parameter.requires_grad_(self._trainable.get(name, parameter.requires_grad))
        self.frozen = False
        self.backbone.train(self.training)

    @contextmanager
    def unfrozen_kernels(self) -> Iterator[None]:
        """Compute in the ``with`` block as before ``freeze_backbone``, to the bit; call it without gradients.

        torch chooses some kernels by whether a parameter requires gradients.
        """
        asked = [(p, self._trainable.get(name, p.requires_grad)) for name, p in self._backbone_parameters()]
        before = [(parameter, parameter.requires_grad) for parameter, _ in asked]
        try:
            for parameter, requires_grad in asked:
                parameter.requires_grad_(requires_grad)
            yield
        finally:
            for parameter, requires_grad in before:
                parameter.requires_grad_(requires_grad)

    def _backbone_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """The backbone's parameters by the names they have unwrapped: it may be wrapped while it is frozen."""
        named = dict(self.backbone.named_parameters())
        return [(bare, named[name]) for name, bare in bare_names(self.backbone, named).items()]

    def train(self, mode: bool = True) -> "STLoRA":
        """Set the mode of the adapter, and of the backbone unless it is frozen."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    @contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """Forecast as the backbone does, within the ``with`` block."""
        before, self.adapter_enabled = self.adapter_enabled, False
        try:
            yield
        finally:
            self.adapter_enabled = before

    def detach(self, *, merge: bool = False) -> nn.Module:
        """Give the backbone back, unfrozen.

        Args:
            merge: Refused: the correction is added to the forecast, so no weights of the backbone could hold it.

        Raises:
            UserError: If asked to merge.
        """
        if merge:
            raise UserError(
                "detach(merge=True): the correction is added to the backbone's forecast and is in none of "
                "its weights; keep the model, whose own layers stlora_ext.merge can merge, or leave merge "
                "out"
            )
        self.unfreeze_backbone()
        return self.backbone

    def forward(self, inputs: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """Forecast.

        Args:
            inputs: Normalised readings ``[B, input_len, N]``.
            *args: What else the backbone takes.
            **kwargs: What else the backbone takes. ``inputs_timestamps [B, input_len, 2]`` reaches the adapter too,
                and the adapter alone where the backbone doesn't take it.

        Returns:
            What the backbone returns, a tensor or a dictionary with ``prediction``, corrected. Where
            sensors were added, evaluation keeps nothing but ``prediction`` of a dictionary.

        Raises:
            UserError: If the input's or the forecast's steps or nodes aren't those of the settings, or the times that
                they ask for are absent.
        """
        timestamps = kwargs.get("inputs_timestamps")
        if self.config.cycles:
            taken = self.signature.parameters
            if "inputs_timestamps" not in taken:
                kwargs.pop("inputs_timestamps", None)
            elif timestamps is None:
                timestamps = self.signature.bind(inputs, *args, **kwargs).arguments.get("inputs_timestamps")
        parts = self._parts()
        if len(parts) == 1:
            result = self.backbone(inputs, *args, **kwargs)
        else:
            self._check("input", inputs, self.config.input_len)
            result = forecast_in_parts(self.backbone, parts, inputs, *args, **kwargs)
        if not self.adapter_enabled:
            return result
        if isinstance(result, dict):
            return {**result, "prediction": self.correct(inputs, result["prediction"], timestamps)}
        return self.correct(inputs, result, timestamps)

    def correct(
        self, inputs: torch.Tensor, forecast: torch.Tensor, timestamps: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Add the correction to a forecast that the backbone has made of ``inputs``.

        Args:
            inputs: Normalised readings ``[B, input_len, N]``.
            forecast: The backbone's ``[B, output_len, N]``.
            timestamps: ``[B, input_len, 2]``, where the settings ask for times.

        Returns:
            torch.Tensor: Corrected forecast ``[B, output_len, N]``, of the forecast's type.

        Raises:
            UserError: As ``forward``.
        """
        self._check("input", inputs, self.config.input_len)
        self._check("forecast", forecast, self.config.output_len)
        stamps = None
        if self.config.cycles:
            if timestamps is None:
                raise UserError(
                    "the adapter takes the time of day or the day of the week: give inputs_timestamps, "
                    "time of day and day of week in [0, 1), [batch, input_len, 2]"
                )
            stamps = timestamps[:, -1]
        x = {"window": (inputs,), "forecast": (forecast,), "both": (inputs, forecast)}[self.config.x]
        parts = self._parts()
        if len(parts) == 1:
            return (forecast + self.adapter(torch.cat(x, dim=1), stamps)).to(forecast.dtype)
        corrections = [
            self.adapter(torch.cat([tensor[:, :, part] for tensor in x], dim=1), stamps, part) for part in parts
        ]
        return (forecast + torch.cat(corrections, dim=2)).to(forecast.dtype)

    def _parts(self) -> list[slice]:
        """Return the nodes that are forecast together: in evaluation, those that came together."""
        return [slice(None)] if self.training else parts_of(self.num_nodes, self.added)

    def _check(self, what: str, tensor: torch.Tensor, steps: int) -> None:
        if tensor.dim() != 3 or tensor.shape[1:] != (steps, self.num_nodes):
            length = "input_len" if what == "input" else "output_len"
            raise UserError(
                f"the {what} has shape {tuple(tensor.shape)}, the adapter expects [batch, {steps} steps, "
                f"{self.num_nodes} nodes]; set {length} and num_nodes to the backbone's"
            )


def attach(
    backbone: nn.Module, config: STLoRAConfig, num_nodes: int, *, seed: int = 0, names: Iterable[str] | None = None
) -> STLoRA:
    """Put an ST-LoRA adapter on a backbone.

    The adapter is on the backbone's device and of its floating-point type: that of its parameters, else that of its
    buffers; of several the widest, so bfloat16 and float32 make float32.

    Args:
        backbone: Module from ``[B, input_len, N]`` to ``[B, output_len, N]``; it isn't copied. It may be wrapped, by
            torch.compile, DataParallel or DistributedDataParallel.
        config: Settings of the adapter.
        num_nodes: N.
        seed: Seed of the adapter's initial values and dropout.

        names: Name of each sensor, in the order of the nodes, which the adapter's file then keeps; without any they are
            '0', '1', ...

    Returns:
        STLoRA: A module with the backbone's forward signature; its first forecasts are the backbone's, bit for bit.

    Raises:
        UserError: If the backbone carries an adapter already, there is no node, or the names aren't one per node, each
            another.
    """
    if isinstance(unwrapped(backbone), STLoRA):
        raise UserError("this backbone carries an ST-LoRA adapter already: attach to its .backbone instead")
    if num_nodes < 1:
        raise UserError(f"num_nodes={num_nodes}: expected at least 1")
    if names is not None:
        names = checked_names(names, "attach")
        if len(names) != num_nodes:
            raise UserError(f"attach: {len(names)} names for num_nodes={num_nodes}; give one per node, in their order")
    model = STLoRA(backbone, config, num_nodes, seed, names)
    tensors = [*backbone.parameters(), *backbone.buffers()]
    dtype = widest_type(backbone.parameters()) or widest_type(tensors)
    computing = [tensor for tensor in tensors if _computes(tensor)] or tensors
    model.adapter.to(device=computing[0].device if computing else None, dtype=dtype)
    return model


def widest_type(tensors: Iterable[torch.Tensor]) -> torch.dtype | None:
    """Return the floating-point type that holds the values of all floating-point ``tensors``; None if there are none.

    Types of 8 bits don't count: they store weights, and nothing is computed in them.
    """
    types = {tensor.dtype for tensor in tensors if _computes(tensor)}
    return reduce(torch.promote_types, types) if types else None


def _computes(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() and tensor.element_size() > 1


def forward_names(model: nn.Module) -> set[str]:
    """Return the names of what ``model``, with or without adapter and wrapped or not, takes in its forward.

    ``inputs_timestamps`` is among them if the adapter alone takes it.
    """
    model = unwrapped(model)
    if not isinstance(model, STLoRA):
        return set(inspect.signature(model.forward).parameters)
    return {*model.signature.parameters, *(["inputs_timestamps"] if model.config.cycles else [])}


def parameter_counts(model: nn.Module) -> dict[str, Any]:
    """Count parameters: the backbone's, the adapter's, those trained, and the adapter's share in percent.

    Args:
        model: A model with or without adapter; it may be wrapped.

    Returns:
        dict: ``backbone``, ``adapter``, ``trainable``, ``adapter_percent`` (of the backbone; None where that has none).
    """
    model = unwrapped(model)
    total = sum(p.numel() for p in model.parameters())
    adapter = sum(p.numel() for p in model.adapter.parameters()) if isinstance(model, STLoRA) else 0
    backbone = total - adapter
    return {
        "backbone": backbone,
        "adapter": adapter,
        "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "adapter_percent": 100 * adapter / backbone if backbone else None,
    }


def widened(config: STLoRAConfig, num_nodes: int, at_least: int) -> STLoRAConfig:
    """Return ``config`` with ``sharing="none"`` and the smallest width that has ``at_least`` parameters."""
    width = 1
    while True:
        wide = replace(config, sharing="none", width=width)
        if sum(p.numel() for p in Predictor(wide, num_nodes).parameters()) >= at_least:
            return wide
        width += 1
