import torch
from torch import nn

from ..config.lstm_config import LSTMConfig


class LSTM(nn.Module):
    """Long short-term memory network whose weights are shared by all nodes.

    Paper: Long Short-Term Memory (Hochreiter and Schmidhuber, Neural Computation 1997), as the traffic
    benchmarks use it: 1x1 projection, LSTM with the nodes folded into the batch, last hidden state of the
    top layer, linear, ReLU, linear to the horizon.

    Args:
        config: Lengths and widths.
    """

    def __init__(self, config: LSTMConfig) -> None:
        super().__init__()
        self.input_projection = nn.Linear(1, config.embed_size)
        self.lstm = nn.LSTM(config.embed_size, config.hidden_size, config.num_layers, batch_first=False,
                            dropout=config.dropout if config.num_layers > 1 else 0.0)
        self.hidden_layer = nn.Linear(config.hidden_size, config.end_size)
        self.output_layer = nn.Linear(config.end_size, config.output_len)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Forecast.

        Args:
            inputs: Normalised readings ``[B, input_len, num_nodes]``.

        Returns:
            torch.Tensor: Normalised forecast ``[B, output_len, num_nodes]``.
        """
        batch_size, input_len, num_nodes = inputs.shape
        sequence = inputs.transpose(0, 1).reshape(input_len, batch_size * num_nodes, 1)
        _, (hidden, _) = self.lstm(self.input_projection(sequence))
        forecast = self.output_layer(torch.relu(self.hidden_layer(hidden[-1])))  # [B * N, output_len]
        return forecast.view(batch_size, num_nodes, -1).transpose(1, 2)
