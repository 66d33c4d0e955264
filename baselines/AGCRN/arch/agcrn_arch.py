import torch
from torch import nn

from ..config.agcrn_config import AGCRNConfig
from .recurrence import GraphRecurrence


class AdaptiveGraphGRU(nn.Module):
    """GRU layer whose products are graph convolutions with weights of every node's own.

    A node's weights and biases are its embedding times a pool. ``z, r = sigmoid(gate([x, h]))``, candidate
    ``tanh(update([x, z h]))``, new state ``r h + (1 - r) candidate``.

    Args:
        input_size: Channels of the input.
        config: Widths of the model.
    """

    def __init__(self, input_size: int, config: AGCRNConfig) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, config.hidden_size

        def pool(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(config.node_embedding_dim, *shape))

        rows = (config.chebyshev_order, input_size + config.hidden_size)
        self.gate_weights_pool, self.gate_bias_pool = pool(*rows, 2 * config.hidden_size), pool(2 * config.hidden_size)
        self.update_weights_pool, self.update_bias_pool = pool(*rows, config.hidden_size), pool(config.hidden_size)

    def forward(
        self, x: torch.Tensor, diffused: torch.Tensor, node_embeddings: torch.Tensor, supports: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return all states.

        Args:
            x: Input ``[N, T, B, input_size]``.
            diffused: ``supports`` times the input, ``[K - 1, N, T, B, input_size]``.
            node_embeddings: ``[N, node_embedding_dim]``.
            supports: Chebyshev polynomials of the adaptive graph from order 1 on, ``[K - 1, N, N]``.

        Returns:
            tuple: States ``[N, T, B, hidden_size]``, and ``supports`` times the states, which the recurrence needs too.
        """
        num_nodes, steps, batch_size, _ = x.shape
        sizes = (self.input_size, self.hidden_size)
        (input_gate, state_gate), (input_update, state_update) = (
            (node_embeddings @ pool.flatten(1)).view(num_nodes, *pool.shape[1:]).split(sizes, dim=2)  # [N, K, C, O]
            for pool in (self.gate_weights_pool, self.update_weights_pool)
        )
        bias = node_embeddings @ torch.cat([self.gate_bias_pool, self.update_bias_pool], dim=1)  # [N, 3 H]

        # The input's share of the gates of all steps at once.
        weights = torch.cat([input_gate, input_update], dim=-1)  # [N, K, C, 3 H]
        shares = torch.baddbmm(bias[:, None], x.flatten(1, 2), weights[:, 0])
        for k, factor in enumerate(diffused, start=1):
            shares.baddbmm_(factor.flatten(1, 2), weights[:, k])
        shares, supports = shares.view(num_nodes, steps, batch_size, -1), supports.to(shares.dtype)
        return GraphRecurrence.apply(shares, supports, state_gate, state_update)


class AGCRN(nn.Module):
    """Adaptive graph convolutional recurrent network.

    Paper: Adaptive Graph Convolutional Recurrent Network for Traffic Forecasting (Bai, Yao, Li, Wang, Wang,
    NeurIPS 2020), https://arxiv.org/abs/2007.02842. The graph is ``softmax(relu(E E^T))`` of the node embeddings E,
    which also give every node its weights; the last state of the top layer is mapped to all horizons at once.

    Args:
        config: Lengths and widths.

    Raises:
        ValueError: If a setting is out of range.
    """

    def __init__(self, config: AGCRNConfig) -> None:
        super().__init__()
        if config.chebyshev_order < 2:
            raise ValueError(
                f"chebyshev_order={config.chebyshev_order}: expected at least 2, identity and adaptive graph; raise it"
            )
        for name in ("num_nodes", "hidden_size", "num_layers", "node_embedding_dim"):
            if not getattr(config, name) or getattr(config, name) < 1:
                raise ValueError(f"{name}={getattr(config, name)}: expected at least 1; raise it")
        self.chebyshev_order = config.chebyshev_order
        self.node_embeddings = nn.Parameter(torch.empty(config.num_nodes, config.node_embedding_dim))
        self.layers = nn.ModuleList(
            [AdaptiveGraphGRU(config.hidden_size if layer else 1, config) for layer in range(config.num_layers)]
        )
        self.output_layer = nn.Linear(config.hidden_size, config.output_len)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as the paper's code: Xavier-uniform where 2-D or more, else uniform(0, 1)."""
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.uniform_(parameter)
        # The paper's output layer is a convolution [output_len, 1, 1, hidden_size]: its fans differ from a matrix's.
        nn.init.xavier_uniform_(self.output_layer.weight.data[:, None, None])

    def supports(self) -> torch.Tensor:
        """Return the Chebyshev polynomials of the adaptive graph from order 1 on, ``[K - 1, N, N]``."""
        graph = torch.softmax(torch.relu(self.node_embeddings @ self.node_embeddings.t()), dim=1)
        polynomials = [torch.eye(len(graph), dtype=graph.dtype, device=graph.device), graph]
        for _ in range(2, self.chebyshev_order):
            polynomials.append(2 * graph @ polynomials[-1] - polynomials[-2])
        return torch.stack(polynomials[1:])

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Forecast.

        Args:
            inputs: Normalised readings ``[B, input_len, num_nodes]``.

        Returns:
            torch.Tensor: Normalised forecast ``[B, output_len, num_nodes]``.
        """
        supports = self.supports()
        states = inputs.permute(2, 1, 0).unsqueeze(-1).contiguous()  # [N, T, B, 1]
        diffused = torch.matmul(supports, states.flatten(1)).view(-1, *states.shape)
        for layer in self.layers:
            states, diffused = layer(states, diffused, self.node_embeddings, supports)
        return self.output_layer(states[:, -1]).permute(1, 2, 0)
