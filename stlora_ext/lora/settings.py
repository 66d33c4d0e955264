"""The settings of an adapter, checked; reading them needs no torch."""

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from stlora_ext.errors import UserError, nearest
from stlora_ext.fields import checked

SHARINGS = ("node", "embedding", "vector", "none")
INPUTS = ("window", "forecast", "both")
ACTIVATIONS = ("identity", "relu")
LATER = {"row_dropout": 0.0}  # settings that came later, and what they are where files and records don't name them


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
        return {name: value for name, value in asdict(self).items() if value or name not in LATER}

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
