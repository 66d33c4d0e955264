from typing import Any

import torch

from ...parts import parts

_NUMBERS = 1 << 19  # of a signal, whose products take G times as many


class WindowSum(torch.autograd.Function):
    """A linear layer on every window of k_t steps, ReLU, and the sum of its k_t blocks.

    A window is k_t * H consecutive numbers of a row, so it is read in place.
    """

    @staticmethod
    def forward(ctx: Any, signal: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Map ``[R, L + k_t - 1, H]`` with ``[k_t * H, k_t * H]`` to ``[R, L, H]``."""
        rows, steps, hidden_size = signal.shape
        width = len(weight)
        kernel = width // hidden_size
        total = signal.new_empty(rows, steps - kernel + 1, hidden_size)
        mapped = signal.new_empty(total.shape[1], rows, width)
        for t, (blocks, window) in enumerate(zip(mapped, WindowSum.windows(signal, kernel), strict=True)):
            torch.mm(window, weight.t(), out=blocks).relu_()
            torch.sum(blocks.view(rows, kernel, hidden_size), 1, out=total[:, t])
        ctx.save_for_backward(signal, weight, mapped)
        return total

    @staticmethod
    def windows(signal: torch.Tensor, kernel: int) -> list[torch.Tensor]:
        """Return the windows ``[R, k_t * H]`` of ``[R, L + k_t - 1, H]``, as views."""
        return [signal[:, t : t + kernel].flatten(1) for t in range(signal.shape[1] - kernel + 1)]

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        signal, weight, mapped = ctx.saved_tensors
        rows, _, hidden_size = signal.shape
        kernel = len(weight) // hidden_size
        of_signal, of_weight = signal.new_zeros(signal.shape), torch.zeros_like(weight)  # contiguous: seen in windows
        of_windows = WindowSum.windows(of_signal, kernel)
        for t, (blocks, window) in enumerate(zip(mapped, WindowSum.windows(signal, kernel), strict=True)):
            of_blocks = gradient[:, t].repeat(1, kernel).masked_fill_(blocks <= 0, 0)
            of_windows[t].addmm_(of_blocks, weight)
            of_weight.addmm_(of_blocks.t(), window)
        return of_signal, of_weight


def window_sum(signal: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return what :class:`WindowSum` returns; elsewhere than on a CPU all windows at once, few products to start."""
    return (WindowSum.apply if signal.device.type == "cpu" else sum_at_once)(signal, weight)


def sum_at_once(signal: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the same of all windows at once."""
    hidden_size = signal.shape[2]
    kernel = len(weight) // hidden_size
    length = signal.shape[1] - kernel + 1
    windows = torch.cat([signal[:, k : k + length] for k in range(kernel)], dim=2)
    return torch.relu(windows @ weight.t()).unflatten(2, (kernel, hidden_size)).sum(2)


def window_sum_plain(signal: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Define :class:`WindowSum`: the sum over the k_t blocks of ``relu(W window)``, of every window of k_t steps."""
    kernel = len(weight) // signal.shape[2]
    windows = signal.unfold(1, kernel, 1).transpose(2, 3).flatten(2)  # [R, L, k_t * H]
    return torch.relu(windows @ weight.t()).unflatten(2, (kernel, -1)).sum(2)


class GraphConvolution(torch.autograd.Function):
    """``Z = S W_0 + sum_g A_g (S W_g) + b``, a few samples at a time: the products ``S W_g`` stay in the cache."""

    @staticmethod
    def forward(
        ctx: Any, signal: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor, *graphs: torch.Tensor
    ) -> torch.Tensor:
        """Convolve ``[B, N, L, H]`` with ``[1 + G, H, H]`` and ``[H]`` over G graphs ``[B, N, N]``."""
        ctx.save_for_backward(signal, weights, *graphs)
        out = torch.addmm(bias, signal.flatten(0, 2), weights[0]).view(len(signal), signal.shape[1], -1)
        for part in parts(signal, _NUMBERS):
            rows, convolved = signal[part], out[part]
            for graph, mixed in zip(graphs, _mixed(rows, weights), strict=True):
                convolved.baddbmm_(graph[part], mixed.view_as(convolved))
        return out.view_as(signal)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        signal, weights, *graphs = ctx.saved_tensors
        gradient = gradient.contiguous()
        flat = gradient.flatten(0, 2)
        of_signal, of_weights = (flat @ weights[0].t()).view_as(signal), torch.zeros_like(weights)
        of_weights[0] = signal.flatten(0, 2).t() @ flat
        of_graphs = [graph.new_empty(graph.shape) for graph in graphs]
        for part in parts(signal, _NUMBERS):
            rows, of_rows = signal[part].flatten(0, 2), of_signal[part].flatten(0, 2)
            of_out = gradient[part].flatten(2)
            mixed = _mixed(signal[part], weights)
            for g, graph in enumerate(graphs):
                columns = mixed[g].view_as(of_out)
                torch.bmm(of_out, columns.transpose(1, 2), out=of_graphs[g][part])
                torch.bmm(graph[part].transpose(1, 2), of_out, out=columns)
                of_rows.addmm_(mixed[g], weights[1 + g].t())
            of_weights[1:].baddbmm_(rows.t().expand(len(graphs), -1, -1), mixed)
        return of_signal, of_weights, flat.sum(0), *of_graphs


def _mixed(signal: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return torch.bmm(signal.flatten(0, 2).expand(len(weights) - 1, -1, -1), weights[1:])


def graph_convolution_plain(
    signal: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor, *graphs: torch.Tensor
) -> torch.Tensor:
    """Define :class:`GraphConvolution`: ``S W_0 + sum_g A_g (S W_g) + b``."""
    mixed = [signal @ weight for weight in weights]
    convolved = [torch.einsum("bnm,bmlh->bnlh", *pair) for pair in zip(graphs, mixed[1:], strict=True)]
    return mixed[0] + sum(convolved) + bias
