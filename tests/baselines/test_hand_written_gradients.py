"""Every backward pass that is written by hand, against differences of its forward pass in float64."""

import warnings

import pytest
import torch

from baselines import feed_forward
from baselines.AGCRN.arch.recurrence import GraphRecurrence
from baselines.D2STGNN.arch import graph_convolution as dynamic
from baselines.D2STGNN.arch.attention import Pair, Weigh
from baselines.D2STGNN.arch.graph_convolution import GraphConvolution, WindowSum, sum_at_once
from baselines.D2STGNN.arch.recurrent import GRUOverTime
from baselines.feed_forward import FeedForward
from baselines.GWNet.arch import diffusion, dilated_gate
from baselines.GWNet.arch.diffusion import Diffusion
from baselines.GWNet.arch.dilated_gate import DilatedGate
from baselines.LSTM.arch.recurrence import Recurrence
from baselines.products import Linear, linear
from baselines.STAE.arch.group_attention import GroupAttention
from baselines.STGCN.arch import gated_convolution
from baselines.STGCN.arch.gated_convolution import GatedConvolution
from baselines.STGCN.arch.graph_convolution import ChebyshevConvolution

LAPLACIAN = torch.tensor([[1.0, -0.5, 0.0], [-0.5, 1.0, -0.3], [0.0, -0.3, 1.0]], dtype=torch.float64)


def sparse(matrix: torch.Tensor) -> torch.Tensor:
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # "support is in beta state"
        return matrix.to_sparse_csr()


# The function, shapes of what it differentiates, and what follows.
FUNCTIONS = {
    "linear": (Linear, [(2, 3, 4), (5, 4), (5,)], []),
    "feed forward": (FeedForward, [(2, 3, 4), (6, 4), (6,), (2, 6), (2,)], []),
    "GLU": (GatedConvolution, [(2, 5, 3, 2), (8, 2, 3, 1), (8,)], [False]),
    "GTU, one step left": (GatedConvolution, [(2, 3, 3, 1), (4, 1, 3, 1), (4,)], [True]),
    "Chebyshev, order 1": (ChebyshevConvolution, [(2, 2, 3, 4), (1, 2, 4), (1, 2)], [LAPLACIAN]),
    "Chebyshev, order 2": (ChebyshevConvolution, [(2, 2, 3, 2), (2, 3, 2), (2, 3)], [LAPLACIAN]),
    "Chebyshev, order 5, sparse": (ChebyshevConvolution, [(1, 2, 3, 2), (5, 3, 2), (5, 3)], [sparse(LAPLACIAN)]),
    "dilated gate": (DilatedGate, [(6, 3, 2), (3, 2, 4), (4,)], [2]),
    "diffusion": (Diffusion, [(2, 6, 2), (4, 2, 3), (3,), (3, 6), (3, 3)], []),
    "attention in groups": (GroupAttention, [(3, 4, 12)], [2]),
    "graph recurrence": (GraphRecurrence, [(3, 4, 2, 6), (2, 3, 3), (3, 3, 2, 4), (3, 3, 2, 2)], []),
    "LSTM": (Recurrence, [(4, 2, 2, 3), (8, 2), (8, 2), (8,)], [False]),
    "LSTM, last state": (Recurrence, [(4, 2, 2, 3), (8, 2), (8, 2), (8,)], [True]),
    "GRU": (GRUOverTime, [(3, 2, 4), (2, 4), (6, 2), (6, 2), (6,), (6,)], []),
    "sum over windows": (WindowSum, [(4, 5, 2), (6, 6)], []),
    "dynamic graphs": (GraphConvolution, [(2, 3, 2, 2), (3, 2, 2), (2,), (2, 3, 3), (2, 3, 3)], []),
    "pairs": (Pair, [(2, 2, 3, 4), (5, 2, 3, 4)], []),
    "weighted sums": (Weigh, [(2, 5, 2, 4), (5, 2, 3, 4)], []),
}


# Whose work is cut into parts: the module's limit.
LIMITS = {
    "feed forward": (feed_forward, "ELEMENTS"),
    "GLU": (gated_convolution, "ELEMENTS"),
    "GTU, one step left": (gated_convolution, "ELEMENTS"),
    "dynamic graphs": (dynamic, "_NUMBERS"),
    "attention in groups": (GroupAttention, "SCORES"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_the_gradients_of_work_in_parts_are_those_of_the_whole(name, monkeypatch):
    monkeypatch.setattr(*LIMITS[name], 1)
    test_the_gradients_are_those_of_the_forward_pass(name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_gradients_are_those_of_the_forward_pass(name):
    function, shapes, rest = FUNCTIONS[name]
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]
    assert torch.autograd.gradcheck(lambda *leaves: function.apply(*leaves, *rest), inputs)


# What a GPU computes in their place.
AT_ONCE = {"dilated gate": dilated_gate.at_once, "diffusion": diffusion.at_once, "sum over windows": sum_at_once}


@pytest.mark.parametrize("name", AT_ONCE)
def test_all_steps_at_once_are_the_steps_one_after_the_other(name):
    function, shapes, rest = FUNCTIONS[name]
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]
    results = [run(*inputs, *rest) for run in (function.apply, AT_ONCE[name])]
    torch.testing.assert_close(*results)
    torch.testing.assert_close(*(torch.autograd.grad(result.square().sum(), inputs) for result in results))


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_float32_product_is_the_float64_one(relu, transposed):
    generator = torch.Generator().manual_seed(0)
    rows, weight, bias = (torch.randn(shape, generator=generator) for shape in ((2, 30, 17), (17, 9), (18,)))
    weight, bias = weight.t() if transposed else weight.t().contiguous(), bias[::2]
    expected = linear(rows.double(), weight.double(), bias.double(), relu)
    torch.testing.assert_close(linear(rows, weight, bias, relu), expected.float(), rtol=1e-5, atol=1e-5)
    assert (expected.min() >= 0) == relu
