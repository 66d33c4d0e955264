"""ST-LoRA as a plug-in: a backbone with a node-level correction of its forecast.

    forecast = backbone(X) + correction

The correction lives in the backbone's output (normalised) space and is zero at attachment.

Source: ST-LoRA, arXiv 2404.07919.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, Optional

import torch
from torch import nn

from stlora_ext.errors import UserError
from stlora_ext.lora.predictor import Predictor, STLoRAConfig


class STLoRA(nn.Module):
    """A backbone with an adapter; call it as the backbone is called.

    Args:
        backbone: Module from ``inputs [B, input_len, N]`` (and whatever else it takes) to ``[B, output_len, N]``.
        config: Settings of the adapter.
        num_nodes: N.
        seed: Seed of the adapter's initial values and dropout; the global generators aren't touched.
    """

    def __init__(self, backbone: nn.Module, config: STLoRAConfig, num_nodes: int, seed: int = 0) -> None:
        super().__init__()
        self.backbone = backbone
        self.adapter = Predictor(config, num_nodes, seed)
        self.config, self.num_nodes = config, num_nodes
        self.frozen, self.adapter_enabled = False, True
        self._trainable: list[nn.Parameter] = []

    @property
    def signature(self) -> inspect.Signature:
        """The backbone's forward signature."""
        return inspect.signature(self.backbone.forward)

    def freeze_backbone(self) -> None:
        """Train the adapter alone: the backbone gets no gradient and stays in eval mode whatever ``train()`` says."""
        if not self.frozen:
            self._trainable = [parameter for parameter in self.backbone.parameters() if parameter.requires_grad]
        self.frozen = True
        self.backbone.requires_grad_(False)
        self.backbone.eval()

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
        """Give the backbone back, trainable where it was before ``freeze_backbone``.

        Args:
            merge: Refused: the correction is added to the forecast, so no weights of the backbone could hold it.

        Raises:
            UserError: If asked to merge.
        """
        if merge:
            raise UserError("detach(merge=True): the correction is added to the backbone's forecast and is in none of "
                            "its weights; keep the model, whose own layers stlora_ext.merge can merge, or leave merge "
                            "out")
        for parameter in self._trainable:
            parameter.requires_grad_(True)
        self.frozen = False
        self.backbone.train(self.training)
        return self.backbone

    def forward(self, inputs: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """Forecast.

        Args:
            inputs: Normalised readings ``[B, input_len, N]``.
            *args: What else the backbone takes.
            **kwargs: What else the backbone takes. ``inputs_timestamps [B, input_len, 2]`` reaches the adapter too,
                and the adapter alone where the backbone doesn't take it.

        Returns:
            What the backbone returns, a tensor or a dictionary with ``prediction``, corrected.

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
        with torch.no_grad() if self.frozen else nullcontext():
            result = self.backbone(inputs, *args, **kwargs)
        if not self.adapter_enabled:
            return result
        if isinstance(result, dict):
            return {**result, "prediction": self.correct(inputs, result["prediction"], timestamps)}
        return self.correct(inputs, result, timestamps)

    def correct(self, inputs: torch.Tensor, forecast: torch.Tensor,
                timestamps: Optional[torch.Tensor] = None) -> torch.Tensor:
        """Add the correction to a forecast that the backbone has made of ``inputs``.

        Args:
            inputs: Normalised readings ``[B, input_len, N]``.
            forecast: The backbone's ``[B, output_len, N]``.
            timestamps: ``[B, input_len, 2]``, where the settings ask for times.

        Returns:
            torch.Tensor: Corrected forecast ``[B, output_len, N]``.

        Raises:
            UserError: As ``forward``.
        """
        self._check("input", inputs, self.config.input_len)
        self._check("forecast", forecast, self.config.output_len)
        if self.config.cycles and timestamps is None:
            raise UserError("the adapter takes the time of day or the day of the week: give inputs_timestamps, time of "
                            "day and day of week in [0, 1), [batch, input_len, 2]")
        x = {"window": (inputs,), "forecast": (forecast,), "both": (inputs, forecast)}[self.config.x]
        stamps = timestamps[:, -1] if self.config.cycles else None
        return forecast + self.adapter(torch.cat(x, dim=1), stamps)

    def _check(self, what: str, tensor: torch.Tensor, steps: int) -> None:
        if tensor.dim() != 3 or tensor.shape[1:] != (steps, self.num_nodes):
            length = "input_len" if what == "input" else "output_len"
            raise UserError(f"the {what} has shape {tuple(tensor.shape)}, the adapter expects [batch, {steps} steps, "
                            f"{self.num_nodes} nodes]; set {length} and num_nodes to the backbone's")


def attach(backbone: nn.Module, config: STLoRAConfig, num_nodes: int, *, seed: int = 0) -> STLoRA:
    """Put an ST-LoRA adapter on a backbone.

    Args:
        backbone: Module from ``[B, input_len, N]`` to ``[B, output_len, N]``; it isn't copied.
        config: Settings of the adapter.
        num_nodes: N.
        seed: Seed of the adapter's initial values and dropout.

    Returns:
        STLoRA: A module with the backbone's forward signature; its first forecasts are the backbone's, bit for bit.

    Raises:
        UserError: If the backbone carries an adapter already, or there is no node.
    """
    if isinstance(backbone, STLoRA):
        raise UserError("this backbone carries an ST-LoRA adapter already: attach to its .backbone instead")
    if num_nodes < 1:
        raise UserError(f"num_nodes={num_nodes}: expected at least 1")
    first: Optional[torch.Tensor] = next((t for t in (*backbone.parameters(), *backbone.buffers())), None)
    model = STLoRA(backbone, config, num_nodes, seed)
    return model if first is None else model.to(first.device)


def parameter_counts(model: nn.Module) -> dict[str, Any]:
    """Count parameters: the backbone's, the adapter's, those trained, and the adapter's share in percent.

    Returns:
        dict: ``backbone``, ``adapter``, ``trainable``, ``adapter_percent`` (of the backbone; None where that has none).
    """
    total = sum(p.numel() for p in model.parameters())
    adapter = sum(p.numel() for p in model.adapter.parameters()) if isinstance(model, STLoRA) else 0
    backbone = total - adapter
    return {"backbone": backbone, "adapter": adapter,
            "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "adapter_percent": 100 * adapter / backbone if backbone else None}


def widened(config: STLoRAConfig, num_nodes: int, at_least: int) -> STLoRAConfig:
    """Return ``config`` with ``sharing="none"`` and the smallest width that has ``at_least`` parameters."""
    width = 1
    while True:
        wide = replace(config, sharing="none", width=width)
        if sum(p.numel() for p in Predictor(wide, num_nodes).parameters()) >= at_least:
            return wide
        width += 1
