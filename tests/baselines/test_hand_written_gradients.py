"""Every function whose backward pass is written by hand, against the plain definition beside it."""

import warnings
from collections.abc import Callable

import pytest
import torch

from baselines import dropout, feed_forward, products
from baselines.activations import sigmoid_gradient, tanh_gradient
from baselines.AGCRN.arch import recurrence as agcrn
from baselines.D2STGNN.arch import attention, recurrent
from baselines.D2STGNN.arch import graph_convolution as dynamic
from baselines.GWNet.arch import diffusion, dilated_gate
from baselines.LSTM.arch import recurrence as lstm
from baselines.products import linear
from baselines.STAE.arch import group_attention
from baselines.STGCN.arch import gated_convolution
from baselines.STGCN.arch import graph_convolution as chebyshev
from stlora_ext.host import metrics

LAPLACIAN = torch.tensor([[1.0, -0.5, 0.0], [-0.5, 1.0, -0.3], [0.0, -0.3, 1.0]], dtype=torch.float64)
ONE_NODE = torch.tensor([[0.7]], dtype=torch.float64)
MASK = torch.tensor([[True, False, True], [True, True, False]])


def sparse(matrix: torch.Tensor) -> torch.Tensor:
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # "support is in beta state"
        return matrix.to_sparse_csr()


LINEAR = (products.Linear.apply, products.linear_plain)
FEED_FORWARD = (feed_forward.FeedForward.apply, feed_forward.feed_forward_plain)
GATED = (gated_convolution.GatedConvolution.apply, gated_convolution.gated_convolution_plain)
CHEBYSHEV = (chebyshev.ChebyshevConvolution.apply, chebyshev.chebyshev_convolution_plain)
DILATED = (dilated_gate.DilatedGate.apply, dilated_gate.dilated_gate_plain)
DIFFUSION = (diffusion.Diffusion.apply, diffusion.diffusion_plain)
GROUPS = (group_attention.GroupAttention.apply, group_attention.group_attention_plain)
GRAPH_GRU = (agcrn.GraphRecurrence.apply, agcrn.graph_recurrence_plain)
LSTM = (lstm.Recurrence.apply, lstm.recurrence_plain)
GRU = (recurrent.GRUOverTime.apply, recurrent.gru_over_time_plain)
WINDOWS = (dynamic.WindowSum.apply, dynamic.window_sum_plain)
DYNAMIC = (dynamic.GraphConvolution.apply, dynamic.graph_convolution_plain)
PAIR = (attention.Pair.apply, attention.pair_plain)
WEIGH = (attention.Weigh.apply, attention.weigh_plain)
MASKED_SUM = (dropout.MaskedSum.apply, dropout.masked_sum_plain)
MAE = (metrics.MaskedMAE(), metrics.masked_mae_plain)

# The function and its definition, the shapes of what they differentiate, and what follows.
CASES = {
    "linear": (LINEAR, [(2, 3, 4), (5, 4), (5,)], []),
    "linear, one row": (LINEAR, [(1, 1, 4), (1, 4), (1,)], []),
    "feed forward": (FEED_FORWARD, [(2, 3, 4), (6, 4), (6,), (2, 6), (2,)], []),
    "feed forward, one row": (FEED_FORWARD, [(1, 1, 4), (6, 4), (6,), (2, 6), (2,)], []),
    "GLU": (GATED, [(2, 5, 3, 2), (8, 2, 3, 1), (8,)], [False]),
    "GLU, one sample and node": (GATED, [(1, 4, 1, 2), (2, 2, 3, 1), (2,)], [False]),
    "GTU": (GATED, [(2, 5, 3, 2), (8, 2, 3, 1), (8,)], [True]),
    "GTU, one step left": (GATED, [(2, 3, 3, 1), (4, 1, 3, 1), (4,)], [True]),
    "Chebyshev, order 1": (CHEBYSHEV, [(2, 2, 3, 4), (1, 2, 4), (1, 2)], [LAPLACIAN]),
    "Chebyshev, order 2": (CHEBYSHEV, [(2, 2, 3, 2), (2, 3, 2), (2, 3)], [LAPLACIAN]),
    "Chebyshev, order 5, sparse": (CHEBYSHEV, [(1, 2, 3, 2), (5, 3, 2), (5, 3)], [sparse(LAPLACIAN)]),
    "Chebyshev, one node": (CHEBYSHEV, [(1, 2, 1, 2), (4, 3, 2), (4, 3)], [ONE_NODE]),
    "dilated gate": (DILATED, [(6, 3, 2), (3, 2, 4), (4,)], [2]),
    "dilated gate, one step left": (DILATED, [(2, 1, 2), (2, 2, 4), (4,)], [1]),
    "dilated gate, steps at once": ((dilated_gate.at_once, DILATED[1]), [(6, 3, 2), (3, 2, 4), (4,)], [2]),
    "diffusion": (DIFFUSION, [(2, 6, 2), (4, 2, 3), (3,), (3, 6), (3, 3)], []),
    "diffusion, one sample": (DIFFUSION, [(2, 3, 2), (2, 2, 3), (3,), (3, 3)], []),
    "diffusion, one node": (DIFFUSION, [(1, 1, 2), (3, 2, 3), (3,), (1, 1), (1, 1)], []),
    "diffusion, steps at once": ((diffusion.at_once, DIFFUSION[1]), [(2, 6, 2), (4, 2, 3), (3,), (3, 6), (3, 3)], []),
    "attention in groups": (GROUPS, [(3, 4, 12)], [2]),
    "attention in groups, one token": (GROUPS, [(1, 1, 12)], [2]),
    "graph recurrence": (GRAPH_GRU, [(3, 4, 2, 6), (2, 3, 3), (3, 3, 2, 4), (3, 3, 2, 2)], []),
    "graph recurrence, one of each": (GRAPH_GRU, [(1, 1, 1, 3), (1, 1, 1), (1, 2, 1, 2), (1, 2, 1, 1)], []),
    "LSTM": (LSTM, [(4, 2, 2, 3), (8, 2), (8, 2), (8,)], [False]),
    "LSTM, last state": (LSTM, [(4, 2, 2, 3), (8, 2), (8, 2), (8,)], [True]),
    "LSTM, one sequence and step": (LSTM, [(1, 1, 2, 1), (8, 2), (8, 2), (8,)], [False]),
    "GRU": (GRU, [(3, 2, 4), (2, 4), (6, 2), (6, 2), (6,), (6,)], []),
    "GRU, one sequence and step": (GRU, [(1, 2, 1), (2, 1), (6, 2), (6, 2), (6,), (6,)], []),
    "sum over windows": (WINDOWS, [(4, 5, 2), (6, 6)], []),
    "sum over windows, one row and window": (WINDOWS, [(1, 3, 2), (6, 6)], []),
    "sum over windows, at once": ((dynamic.sum_at_once, WINDOWS[1]), [(4, 5, 2), (6, 6)], []),
    "dynamic graphs": (DYNAMIC, [(2, 3, 2, 2), (3, 2, 2), (2,), (2, 3, 3), (2, 3, 3)], []),
    "dynamic graphs, one sample and node": (DYNAMIC, [(1, 1, 2, 2), (2, 2, 2), (2,), (1, 1, 1)], []),
    "pairs": (PAIR, [(2, 2, 3, 4), (5, 2, 3, 4)], []),
    "pairs, one sequence": (PAIR, [(1, 2, 3, 1), (1, 2, 3, 1)], []),
    "weighted sums": (WEIGH, [(2, 5, 2, 4), (5, 2, 3, 4)], []),
    "weighted sums, one sequence": (WEIGH, [(1, 1, 2, 1), (1, 2, 3, 1)], []),
    "masked sum": (MASKED_SUM, [(2, 3), (2, 3)], [2.0 * MASK]),
    "masked error": (MAE, [(2, 3)], [torch.ones(2, 3), MASK]),
    "masked error, no target": (MAE, [(2, 3)], [torch.ones(2, 3), torch.zeros_like(MASK)]),
}
TOLERANCES = {torch.float64: {"rtol": 1e-10, "atol": 1e-12}, torch.float32: {"rtol": 1e-4, "atol": 1e-5}}


def numbers(generator: torch.Generator, shape: tuple[int, ...], dtype: torch.dtype, dense: bool) -> torch.Tensor:
    """Draw ``shape``; if not ``dense``, with its dimensions in reverse order in memory and a gap after every number."""
    drawn = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    if dense:
        return drawn
    spread = torch.empty(*reversed(shape), 2, dtype=dtype)[..., 0].permute(tuple(reversed(range(len(shape)))))
    return spread.copy_(drawn)


def outputs_and_gradients(
    function: Callable, inputs: list[torch.Tensor], rest: list, wanted: list[int], dense: bool
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return all outputs, and the gradients of the ``wanted`` inputs."""
    leaves = [leaf.detach().requires_grad_(i in wanted) for i, leaf in enumerate(inputs)]
    result = function(*leaves, *rest)
    outputs = list(result) if isinstance(result, tuple) else [result]
    generator = torch.Generator().manual_seed(1)
    arriving = [numbers(generator, tuple(output.shape), output.dtype, dense) for output in outputs]
    return outputs, list(torch.autograd.grad(outputs, [leaves[i] for i in wanted], arriving))


def check(name: str, dtype: torch.dtype = torch.float64, dense: bool = True) -> None:
    functions, shapes, rest = CASES[name]
    generator = torch.Generator().manual_seed(0)
    inputs = [numbers(generator, shape, dtype, dense) for shape in shapes]
    rest = [value.to(dtype) if torch.is_tensor(value) and value.dtype.is_floating_point else value for value in rest]
    everything = list(range(len(inputs)))
    # All gradients, those without the first input, which is often data, and each alone.
    for wanted in [everything, everything[1:] or everything, *([i] for i in everything)]:
        results = [outputs_and_gradients(function, inputs, rest, wanted, dense) for function in functions]
        for ours, plain in zip(*results, strict=True):
            torch.testing.assert_close(ours, plain, **TOLERANCES[dtype])


@pytest.mark.parametrize("dense", [True, False], ids=["contiguous", "strided"])
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients_are_those_of_the_definition(name, dtype, dense):
    check(name, dtype, dense)


# Whose work is cut into parts: the module's limit.
LIMITS = {
    "feed forward": (feed_forward, "ELEMENTS"),
    "GLU": (gated_convolution, "ELEMENTS"),
    "GTU": (gated_convolution, "ELEMENTS"),
    "GTU, one step left": (gated_convolution, "ELEMENTS"),
    "dynamic graphs": (dynamic, "_NUMBERS"),
    "attention in groups": (group_attention.GroupAttention, "SCORES"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_work_in_parts_is_the_work_at_once(name, monkeypatch):
    monkeypatch.setattr(*LIMITS[name], 1)
    check(name)


@pytest.mark.parametrize("output", [0, 1])
def test_the_gradient_of_one_of_two_outputs_is_that_of_the_definition(output):
    functions, shapes, _ = CASES["graph recurrence"]
    generator = torch.Generator().manual_seed(0)
    inputs = [numbers(generator, shape, torch.float64, True) for shape in shapes]
    results = [
        outputs_and_gradients(lambda *leaves, f=f: f(*leaves)[output], inputs, [], list(range(4)), True)
        for f in functions
    ]
    torch.testing.assert_close(*results, **TOLERANCES[torch.float64])


@pytest.mark.parametrize(
    ("function", "gradient"), [(torch.sigmoid, sigmoid_gradient), (torch.tanh, tanh_gradient)], ids=["sigmoid", "tanh"]
)
@pytest.mark.parametrize("size", [1, 37, 10_007])
def test_the_gradient_of_an_activation_is_torchs_to_the_bit(function, gradient, size):
    x, grad = 3 * torch.randn(2, size, generator=torch.Generator().manual_seed(0))
    result = function(x.requires_grad_())
    (expected,) = torch.autograd.grad(result, x, grad)
    halves = torch.full((size, 2), torch.nan)  # its columns are strided
    with torch.no_grad():
        gradient(grad, result, out=halves[:, 0])
        in_place = grad.clone()
        gradient(in_place, result, out=in_place)
        assert torch.equal(gradient(grad, result), expected)
    assert torch.equal(halves[:, 0], expected) and torch.equal(in_place, expected)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_float32_product_is_the_float64_one(relu, transposed):
    generator = torch.Generator().manual_seed(0)
    rows, weight, bias = (torch.randn(shape, generator=generator) for shape in ((2, 30, 17), (17, 9), (18,)))
    weight, bias = weight.t() if transposed else weight.t().contiguous(), bias[::2]
    expected = linear(rows.double(), weight.double(), bias.double(), relu)
    torch.testing.assert_close(linear(rows, weight, bias, relu), expected.float(), rtol=1e-5, atol=1e-5)
    assert (expected.min() >= 0) == relu
