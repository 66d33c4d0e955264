"""The node-adaptive low-rank layer (NALL): mathematics only.

    y_i = sigma(W x_i + s B A_i x_i + b)

for node i, with W ``[d_out, d_in]``, b ``[d_out]`` and B ``[d_out, r]`` shared by all nodes and A_i ``[r, d_in]`` its
own. How A_i is held is the ``sharing``:

    node        A_i free                          N r d_in parameters
    embedding   A_i = sum_k e_ik P_k              N k + k r d_in
    vector      A_i = diag(v_i) A                 N r + r d_in
    none        A_i = A, nothing node-level       r d_in

B A_i is never formed: cost and memory are linear in N and in r.

Source: ST-LoRA, arXiv 2404.07919, the node-adaptive low-rank layer.
"""

import math

import torch
from torch import nn


class LowRankInput(nn.Module):
    """The map ``u_i = A_i x_i``, from ``[N, B, d_in]`` to ``[N, B, r]``.

    Args:
        num_nodes: N.
        in_features: d_in.
        rank: r.
        sharing: How A_i is held.
        num_embeddings: k, for ``sharing="embedding"``.
        generator: Draws the initial values.
    """

    def __init__(
        self,
        num_nodes: int,
        in_features: int,
        rank: int,
        sharing: str,
        num_embeddings: int,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.sharing = sharing
        bound = math.sqrt(3 / in_features)  # LoRA's: uniform with variance 1 / d_in

        def uniform(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))

        if sharing == "node":
            self.matrix = uniform(num_nodes, rank, in_features)
        elif sharing == "embedding":
            scale = 1 / math.sqrt(num_embeddings)
            self.embedding = nn.Parameter(torch.empty(num_nodes, num_embeddings).normal_(0, scale, generator=generator))
            self.pool = uniform(num_embeddings, rank, in_features)
        else:
            self.matrix = uniform(rank, in_features)
            if sharing == "vector":
                self.vector = nn.Parameter(torch.ones(num_nodes, rank))

    def per_node(self) -> list[nn.Parameter]:
        """Return the tensors whose rows belong to one node each ``[N, ...]``."""
        own = {"node": "matrix", "embedding": "embedding", "vector": "vector"}.get(self.sharing)
        return [] if own is None else [getattr(self, own)]

    def factor(self, replaced: torch.Tensor | None = None, nodes: slice | None = None) -> torch.Tensor:
        """Return A: ``[N, r, d_in]``, or ``[r, d_in]`` where all nodes share it; of the ``nodes`` alone, if any."""
        if self.sharing == "none":
            return self.matrix
        rows = self._rows(replaced, nodes)
        if self.sharing == "embedding":
            num_embeddings, rank, in_features = self.pool.shape
            return (rows @ self.pool.view(num_embeddings, -1)).view(-1, rank, in_features)
        return rows.unsqueeze(2) * self.matrix if self.sharing == "vector" else rows

    def forward(
        self, x: torch.Tensor, replaced: torch.Tensor | None = None, nodes: slice | None = None
    ) -> torch.Tensor:
        if self.sharing in ("node", "embedding"):
            return torch.bmm(x, self.factor(replaced, nodes).transpose(1, 2))
        u = x @ self.matrix.t()
        return u * self._rows(replaced, nodes).unsqueeze(1) if self.sharing == "vector" else u

    def _rows(self, replaced: torch.Tensor | None, nodes: slice | None) -> torch.Tensor:
        """Return the nodes' rows ``[N, ...]``, the mean row for the nodes that are ``replaced`` (booleans ``[N]``)."""
        (rows,) = self.per_node()
        if replaced is None:
            return rows if nodes is None else rows[nodes]
        return torch.where(replaced.view(-1, *[1] * (rows.dim() - 1)), rows.mean(dim=0), rows)


class NALL(nn.Module):
    """Node-adaptive low-rank layer, from ``[N, B, d_in]`` to ``[N, B, d_out]``.

    Args:
        num_nodes: N.
        in_features: d_in.
        out_features: d_out.
        rank: r.
        scale: s.
        sharing: How A_i is held.
        num_embeddings: k, for ``sharing="embedding"``.
        relu: Whether sigma is ReLU; else the identity.
        generator: Draws the initial values; B starts at zero.
    """

    def __init__(
        self,
        num_nodes: int,
        in_features: int,
        out_features: int,
        rank: int,
        scale: float,
        sharing: str,
        num_embeddings: int,
        relu: bool,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        bound = 1 / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.empty(out_features, in_features).uniform_(-bound, bound, generator=generator))
        self.bias = nn.Parameter(torch.empty(out_features).uniform_(-bound, bound, generator=generator))
        self.lora_a = LowRankInput(num_nodes, in_features, rank, sharing, num_embeddings, generator)
        self.lora_b = nn.Parameter(torch.zeros(out_features, rank))
        self.scale, self.relu = scale, relu

    def forward(
        self, x: torch.Tensor, replaced: torch.Tensor | None = None, nodes: slice | None = None
    ) -> torch.Tensor:
        """Compute y.

        Args:
            x: ``[N, B, d_in]``.
            replaced: Booleans ``[N]``: these nodes have the mean row in place of their own.
            nodes: Those that ``x`` holds, without ``replaced``; None: all.
        """
        u = self.lora_a(x, replaced, nodes)
        y = nn.functional.linear(x, self.weight, self.bias) + u @ (self.scale * self.lora_b.t())
        return torch.relu(y) if self.relu else y
