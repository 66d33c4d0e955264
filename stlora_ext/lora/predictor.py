"""The node-specific predictor: residual NALL layers that turn a node's steps into a correction of its forecast.

    H0 = Conv2D(X);  Hl = Hl-1 + NALLl(relu(Hl-1)), l = 1..L;  correction = G(HL)

The steps of X are Conv2D's channels and its kernel is 1x1, so it is a linear map per node and nodes are never mixed.
Time of day and day of week may join X as channels, the sine and cosine of the last input step's angle in the cycle;
they are the same for all nodes, so their part of Conv2D is computed once for the network.

Source: ST-LoRA, arXiv 2404.07919, the node-specific predictor.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn

from stlora_ext.lora.layer import NALL, LowRankInput
from stlora_ext.lora.settings import STLoRAConfig


class _Drawn(nn.Module):
    """What draws from a generator of its own, so that it never shifts what others draw.

    Args:
        p: How often an element is drawn.
        seed: Seed of the generator.
    """

    def __init__(self, p: float, seed: int) -> None:
        super().__init__()
        self.p, self._seed = p, seed
        self._generators: dict[torch.device, torch.Generator] = {}

    def reseed(self, seed: int) -> None:
        """Start the generator anew, on whichever device it is used next."""
        self._seed, self._generators = seed, {}

    def _uniform(self, shape: Sequence[int], device: torch.device) -> torch.Tensor:
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self._seed)
        return torch.rand(shape, device=device, generator=self._generators[device])


class NodeDropout(_Drawn):
    """Dropout: ``p`` is the share of zeroed elements."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return x
        return x * (self._uniform(x.shape, x.device) >= self.p) / (1 - self.p)


class RowDropout(_Drawn):
    """Draws the nodes of a batch that have the mean row instead of their own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor | None:
        """Return booleans ``[N]``, true for these nodes, for ``x [N, ...]``; None where there are none."""
        if not self.training or self.p == 0:
            return None
        return self._uniform(x.shape[:1], x.device) < self.p


class Predictor(nn.Module):
    """Corrections of forecasts, from X ``[B, channels, N]`` to ``[B, output_len, N]``; zero at the start.

    Args:
        config: Settings.
        num_nodes: N.
        seed: Seed of the initial values and of what is drawn in training.
    """

    def __init__(self, config: STLoRAConfig, num_nodes: int, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        bound = 1 / math.sqrt(config.channels)
        self.conv_weight = nn.Parameter(
            torch.empty(config.width, config.channels).uniform_(-bound, bound, generator=generator)
        )
        self.conv_bias = nn.Parameter(torch.empty(config.width).uniform_(-bound, bound, generator=generator))
        self.nalls = nn.ModuleList(
            NALL(
                num_nodes,
                config.width,
                config.width,
                config.rank,
                config.scale,
                config.sharing,
                config.num_embeddings,
                config.activation == "relu",
                generator,
            )
            for _ in range(config.layers)
        )
        self.cycles = config.cycles
        if self.cycles:
            self.time_weight = nn.Parameter(
                torch.empty(config.width, 2 * len(self.cycles)).uniform_(-bound, bound, generator=generator)
            )
        self.dropout = NodeDropout(config.dropout, seed)
        self.row_dropout = RowDropout(0.0 if config.sharing == "none" else config.row_dropout, seed ^ 1)
        self.output_weight = nn.Parameter(torch.zeros(config.output_len, config.width))
        self.output_bias = nn.Parameter(torch.zeros(config.output_len))

    def per_node(self) -> list[nn.Parameter]:
        """Return the tensors whose rows belong to one node each ``[N, ...]``; none with ``sharing="none"``."""
        return [tensor for part in self.modules() if isinstance(part, LowRankInput) for tensor in part.per_node()]

    def forward(self, x: torch.Tensor, stamps: torch.Tensor | None = None, nodes: slice | None = None) -> torch.Tensor:
        """Correct.

        Args:
            x: ``[B, channels, N]``; of another floating-point type than the predictor's, it is converted.
            stamps: Time of day and day of week of the last input step, shares of their cycles ``[B, 2]``; only where
                the settings ask for them.
            nodes: Those that ``x`` holds, in evaluation; None: all.

        Returns:
            torch.Tensor: Correction ``[B, output_len, N]``.
        """
        return self.corrected(self.embedded(x, stamps), nodes).permute(1, 2, 0)

    def embedded(self, x: torch.Tensor, stamps: torch.Tensor | None = None) -> torch.Tensor:
        """Return H0 ``[N, B, width]``, which no weights of a node's own enter."""
        dtype = self.conv_weight.dtype
        h = nn.functional.linear(x.permute(2, 0, 1).to(dtype), self.conv_weight, self.conv_bias)
        if self.cycles:
            assert stamps is not None
            angle = 2 * math.pi * stamps[:, self.cycles[0] : self.cycles[-1] + 1]
            h = h + nn.functional.linear(torch.cat([angle.sin(), angle.cos()], dim=1).to(dtype), self.time_weight)
        return h

    def corrected(self, h: torch.Tensor, nodes: slice | None = None) -> torch.Tensor:
        """Return the correction ``[N, B, output_len]`` from H0."""
        replaced = self.row_dropout(h)
        for nall in self.nalls:
            h = h + nall(self.dropout(torch.relu(h)), replaced, nodes)
        return nn.functional.linear(h, self.output_weight, self.output_bias)
