"""The node-specific predictor: residual NALL layers that turn a node's steps into a correction of its forecast.

    H0 = Conv2D(X);  Hl = Hl-1 + NALLl(relu(Hl-1)), l = 1..L;  correction = G(HL)

The steps of X are Conv2D's channels and its kernel is 1x1, so it is a linear map per node and nodes are never mixed.
Time of day and day of week may join X as channels, the sine and cosine of the last input step's angle in the cycle;
they are the same for all nodes, so their part of Conv2D is computed once for the network.

Source: ST-LoRA, arXiv 2404.07919, the node-specific predictor.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import nn

from stlora_ext.errors import UserError, nearest
from stlora_ext.fields import checked
from stlora_ext.lora.layer import NALL, SHARINGS, LowRankInput

INPUTS = ("window", "forecast", "both")
ACTIVATIONS = ("identity", "relu")
_LATER = ("row_dropout",)


@dataclass(frozen=True)
class STLoRAConfig:
    """Settings of an ST-LoRA adapter; validated, and a JSON round trip by ``to_json`` and ``from_json``.

    The defaults add 7,180 parameters at 170 nodes.

    Attributes:
        input_len: Steps of the input window.
        output_len: Steps of the forecast.
        sharing: How the node-level factor A_i is held: ``node``, ``embedding``, ``vector`` or ``none``.
        rank: r, the rank of the node-level weights.
        alpha: Numerator of the scale s = alpha / r; None: r, so that s = 1.
        rank_stabilised: s = alpha / sqrt(r) instead.
        num_embeddings: k, the size of a node's embedding for ``sharing="embedding"``.
        layers: L, the number of NALL layers.
        width: Channels d of H.
        x: What the predictor sees: the input ``window``, the backbone's ``forecast``, or ``both``.
        time_of_day: Whether it sees the time of day too.
        day_of_week: Whether it sees the day of the week too.
        activation: The NALL's outer sigma: ``identity`` or ``relu``.
        dropout: Dropout on the input of each NALL.
        row_dropout: In training, how often a node's row (its matrix, embedding or vector) is the mean row instead,
            drawn per node and batch, one draw for all layers. Then the mean row, a new sensor's first, has been
            trained. Without effect where ``sharing`` is ``none``.
    """

    input_len: int = 12
    output_len: int = 12
    sharing: Literal["node", "embedding", "vector", "none"] = "embedding"
    rank: int = 2
    alpha: float | None = None
    rank_stabilised: bool = False
    num_embeddings: int = 8
    layers: int = 2
    width: int = 32
    x: Literal["window", "forecast", "both"] = "both"
    time_of_day: bool = False
    day_of_week: bool = False
    activation: Literal["identity", "relu"] = "identity"
    dropout: float = 0.0
    row_dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("input_len", "output_len", "rank", "num_embeddings", "layers", "width"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UserError(f"adapter {name}={value!r}: expected a whole number of at least 1")
        for name, options in (("sharing", SHARINGS), ("x", INPUTS), ("activation", ACTIVATIONS)):
            if getattr(self, name) not in options:
                raise UserError(f"adapter {name}={getattr(self, name)!r}: {nearest(str(getattr(self, name)), options)}")
        if self.alpha is not None and not 0 < self.alpha < math.inf:
            raise UserError(f"adapter alpha={self.alpha}: expected a number above 0, or None for the rank")
        for name in ("dropout", "row_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"adapter {name}={getattr(self, name)}: expected a share of at least 0 and below 1")

    @property
    def scale(self) -> float:
        """s, the factor of the low-rank path."""
        alpha = self.rank if self.alpha is None else self.alpha
        return alpha / (math.sqrt(self.rank) if self.rank_stabilised else self.rank)

    @property
    def channels(self) -> int:
        """Steps of X."""
        return {"window": self.input_len, "forecast": self.output_len, "both": self.input_len + self.output_len}[self.x]

    @property
    def cycles(self) -> list[int]:
        """Columns of the time stamps that X holds: 0, time of day; 1, day of week."""
        return [column for column, used in enumerate((self.time_of_day, self.day_of_week)) if used]

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain values; those that came later only where they are set, as files of before."""
        return {name: value for name, value in asdict(self).items() if value or name not in _LATER}

    def to_json(self) -> str:
        """Return the settings as JSON."""
        return json.dumps(self.as_dict(), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "STLoRAConfig":
        """Return the settings that ``to_json`` wrote.

        Raises:
            UserError: On anything else.
        """
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(f"adapter settings are no JSON ({error})") from None
        if not isinstance(values, dict):
            raise UserError(f"adapter settings are a JSON {type(values).__name__}, expected an object")
        return cls(**checked(cls, values, "adapter."))


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
        dtype = self.conv_weight.dtype
        h = nn.functional.linear(x.permute(2, 0, 1).to(dtype), self.conv_weight, self.conv_bias)  # [N, B, width]
        if self.cycles:
            assert stamps is not None
            angle = 2 * math.pi * stamps[:, self.cycles[0] : self.cycles[-1] + 1]
            h = h + nn.functional.linear(torch.cat([angle.sin(), angle.cos()], dim=1).to(dtype), self.time_weight)
        replaced = self.row_dropout(h)
        for nall in self.nalls:
            h = h + nall(self.dropout(torch.relu(h)), replaced, nodes)
        return nn.functional.linear(h, self.output_weight, self.output_bias).permute(1, 2, 0)
