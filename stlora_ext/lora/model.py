"""ST-LoRA as a plug-in: a backbone with a node-level correction of its forecast.

    forecast = backbone(X) + correction

The correction lives in the backbone's output (normalised) space and is zero at attachment.

Source: ST-LoRA, arXiv 2404.07919.
"""

import inspect
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
        self.frozen = False

    @property
    def signature(self) -> inspect.Signature:
        """The backbone's forward signature."""
        return inspect.signature(self.backbone.forward)

    def freeze_backbone(self) -> None:
        """Train the adapter alone: the backbone gets no gradient and stays in eval mode whatever ``train()`` says."""
        self.frozen = True
        self.backbone.requires_grad_(False)
        self.backbone.eval()

    def train(self, mode: bool = True) -> "STLoRA":
        """Set the mode of the adapter, and of the backbone unless it is frozen."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def forward(self, inputs: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """Forecast.

        Args:
            inputs: Normalised readings ``[B, input_len, N]``.
            *args: What else the backbone takes.
            **kwargs: What else the backbone takes.

        Returns:
            What the backbone returns, a tensor or a dictionary with ``prediction``, corrected.

        Raises:
            UserError: If the input's or the forecast's steps or nodes aren't those of the settings.
        """
        if self.frozen:
            with torch.no_grad():
                result = self.backbone(inputs, *args, **kwargs)
        else:
            result = self.backbone(inputs, *args, **kwargs)
        forecast = result["prediction"] if isinstance(result, dict) else result
        self._check("input", inputs, self.config.input_len)
        self._check("forecast", forecast, self.config.output_len)
        x = {"window": (inputs,), "forecast": (forecast,), "both": (inputs, forecast)}[self.config.x]
        corrected = forecast + self.adapter(torch.cat(x, dim=1))
        return {**result, "prediction": corrected} if isinstance(result, dict) else corrected

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
