import torch
from torch import nn

from ...dropout import Dropout
from ..config.lstm_config import LSTMConfig
from .recurrence import Recurrence, column_blocks


class LSTM(nn.Module):
    """Long short-term memory network whose weights are shared by all nodes.

    Paper: Long Short-Term Memory (Hochreiter and Schmidhuber, Neural Computation 1997), as the traffic
    benchmarks use it: 1x1 projection, LSTM with the nodes folded into the batch, last hidden state of the
    top layer, linear, ReLU, linear to the horizon.

    Args:
        config: Lengths and widths.
    """

    COLUMNS = 4096  # sequences that a CPU runs at once, so that a step's gates stay in its caches

    def __init__(self, config: LSTMConfig) -> None:
        super().__init__()
        self.input_projection = nn.Linear(1, config.embed_size)
        self.lstm = nn.LSTM(
            config.embed_size,
            config.hidden_size,
            config.num_layers,
            batch_first=False,
            dropout=config.dropout if config.num_layers > 1 else 0.0,
        )
        self.dropout = Dropout(config.dropout)
        self.hidden_layer = nn.Linear(config.hidden_size, config.end_size)
        self.output_layer = nn.Linear(config.end_size, config.output_len)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Forecast.

        Args:
            inputs: Normalised readings ``[B, input_len, num_nodes]``.

        Returns:
            torch.Tensor: Normalised forecast ``[B, output_len, num_nodes]``.
        """
        if inputs.device.type != "cpu" or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
            return self.forward_by_torch(inputs)
        batch_size, input_len, num_nodes = inputs.shape
        sequences = inputs.transpose(0, 1).reshape(input_len, batch_size * num_nodes)
        layers = self._layers()
        forecast = torch.cat(
            [self._read_out(self._last_state(part, layers)) for part in sequences.split(self.COLUMNS, dim=1)]
        )
        return forecast.view(batch_size, num_nodes, -1).transpose(1, 2)

    def forward_by_torch(self, inputs: torch.Tensor) -> torch.Tensor:
        """Forecast by ``torch.nn.LSTM``: the same on any device, faster on a GPU."""
        batch_size, input_len, num_nodes = inputs.shape
        sequence = inputs.transpose(0, 1).reshape(input_len, batch_size * num_nodes, 1)
        _, (hidden, _) = self.lstm(self.input_projection(sequence))
        return self._read_out(hidden[-1]).view(batch_size, num_nodes, -1).transpose(1, 2)

    def _layers(self) -> list[tuple[torch.Tensor, ...]]:
        """Return W, U and the sum of the biases per layer, the projection taken into the first."""
        layers: list[tuple[torch.Tensor, ...]] = []
        weight_ih: torch.Tensor
        for weight_ih, weight_hh, bias_ih, bias_hh in self.lstm.all_weights:
            bias = bias_ih + bias_hh
            if not layers:
                bias = bias + weight_ih @ self.input_projection.bias
                weight_ih = weight_ih @ self.input_projection.weight
            layers.append((weight_ih, weight_hh, bias))
        return layers

    def _last_state(self, sequences: torch.Tensor, layers: list[tuple[torch.Tensor, ...]]) -> torch.Tensor:
        """Return the top layer's last states ``[R, hidden_size]`` of sequences ``[input_len, R]``."""
        states = sequences.unflatten(1, (column_blocks(sequences.shape[1]), 1, -1))
        for layer in layers[:-1]:
            states = self.dropout(Recurrence.apply(states, *layer, False))
        return Recurrence.apply(states, *layers[-1], True)[0].transpose(1, 2).flatten(0, 1)

    def _read_out(self, state: torch.Tensor) -> torch.Tensor:
        """Map states ``[R, hidden_size]`` to forecasts ``[R, output_len]``."""
        return self.output_layer(torch.relu(self.hidden_layer(state)))
