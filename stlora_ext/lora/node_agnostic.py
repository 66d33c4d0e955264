"""Whether a backbone is bound to the nodes that it was trained on, decided by a check and not by a list."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from stlora_ext.errors import UserError, in_a_line
from stlora_ext.lora.model import widest_type
from stlora_ext.lora.sample import OFFERED, forward, sample_batch, sample_window
from stlora_ext.wrapped import bare_names, unwrapped

NODES, FEWER = 9, 7
_SOME = list(range(NODES - 1, NODES - 1 - FEWER, -1))  # of the nodes, in another order
_INPUT_LEN, _OUTPUT_LEN, _STEPS_PER_DAY = 12, 12, 288


@torch.no_grad()
def node_holder(
    build: Callable[[int], nn.Module],
    input_len: int = _INPUT_LEN,
    output_len: int = _OUTPUT_LEN,
    steps_per_day: int = _STEPS_PER_DAY,
) -> str | None:
    """Return what holds the nodes: the name of a tensor, or "inputs"; None: a node-agnostic backbone.

    A backbone is node-agnostic where no tensor's shape depends on the number of nodes and a node's forecast doesn't
    change when others are left out. Weights are moved at random first: what begins at zero could mix nodes later.

    Args:
        build: Returns the backbone for a number of nodes.
        input_len: Steps of its input.
        output_len: Steps of its forecast.
        steps_per_day: Steps of a day.
    """
    whole, part = build(NODES).eval(), build(FEWER).eval()
    tensors = [dict(model.named_parameters()) | dict(model.named_buffers()) for model in (whole, part)]
    for name, tensor in tensors[0].items():
        if name not in tensors[1] or tensors[1][name].shape != tensor.shape:
            return name
    generator = torch.Generator().manual_seed(0)
    for name, tensor in tensors[0].items():
        if tensor.is_floating_point() or tensor.is_complex():
            tensor.add_(0.1 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype))
        tensors[1][name].copy_(tensor)
    inputs = sample_window(input_len, NODES, batch=2)
    all_nodes, fewer = (
        forward(model, sample_batch(nodes, steps_per_day, input_len + output_len))
        for model, nodes in ((whole, inputs), (part, inputs[:, :, :FEWER]))
    )
    return None if torch.allclose(all_nodes[:, :, :FEWER], fewer, rtol=1e-4, atol=1e-5) else "inputs"


@torch.no_grad()
def holder_of(backbone: nn.Module, num_nodes: int, input_len: int, output_len: int) -> str | None:
    """Return what holds the nodes of a trained backbone: the name of a tensor, or of an input; None: nothing.

    It is tried on a few nodes, whose forecasts must be possible, and the same when some of them are left out and the
    rest come in another order. The backbone is as it was afterwards.

    Args:
        backbone: The backbone, which may be wrapped.
        num_nodes: Nodes that it was trained on.
        input_len: Steps of its input.
        output_len: Steps of its forecast.

    Raises:
        UserError: If it can't forecast a few nodes, and no tensor says why.
    """
    backbone = unwrapped(backbone)
    for name, parameter in list(inspect.signature(backbone.forward).parameters.items())[1:]:
        required = parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        )
        if required and name not in OFFERED:
            return name
    tensors = [*backbone.parameters(), *backbone.buffers()]
    inputs = sample_window(input_len, NODES, batch=2).to(widest_type(tensors) or torch.float32)
    watch = _Failure(backbone, num_nodes)
    try:
        with _evaluating(backbone), watch:
            all_nodes, some = (
                forward(backbone, _placed(sample_batch(window, _STEPS_PER_DAY, input_len + output_len), tensors))
                for window in (inputs, inputs[:, :, _SOME])
            )
    except (UserError, Exception) as error:  # the model may be anybody's, and refuse the nodes in its own words
        holder = watch.holder or _sized(backbone, num_nodes, (input_len, output_len))
        if holder is not None:
            return holder
        raise UserError(
            f"the backbone can forecast no other number of nodes than {num_nodes} ({in_a_line(error)}): train backbone "
            "and adapter on all sensors"
        ) from None
    if all_nodes.shape[2:] != (NODES,) or some.shape[2:] != (FEWER,):
        return _sized(backbone, num_nodes, (input_len, output_len)) or "inputs"
    difference = (all_nodes[:, :, _SOME] - some).abs().max()
    tolerance = min(100 * torch.finfo(all_nodes.dtype).eps, 0.05) * all_nodes.abs().max()
    return None if difference <= tolerance else "inputs"


class _Failure(TorchFunctionMode):
    """Notes the backbone's tensor in an operation that fails, or the one from which an operand was made."""

    def __init__(self, backbone: nn.Module, num_nodes: int) -> None:
        super().__init__()
        self.num_nodes = num_nodes
        self.holder: str | None = None
        # The tensors, and what is made of them alone, are kept: while they live, an id is theirs.
        self._of = {id(tensor): (name, tensor) for name, tensor in _tensors(backbone).items()}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        operands = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        try:
            result = func(*args, **(kwargs or {}))
        except Exception:
            own = [self._of[id(tensor)] for tensor in operands if id(tensor) in self._of]
            self.holder = next((name for name, tensor in own if _has(tensor, self.num_nodes)), None)
            raise
        if operands and isinstance(result, torch.Tensor) and all(id(tensor) in self._of for tensor in operands):
            self._of.setdefault(id(result), (self._of[id(operands[0])][0], result))
        return result


def _sized(backbone: nn.Module, num_nodes: int, lengths: tuple[int, int]) -> str | None:
    """Return the first tensor with a dimension of the nodes, one of no layer of torch before one of a layer.

    Dimensions of layers are mostly features or steps; where there are as many steps as nodes, they don't count.
    """
    sized = [name for name, tensor in _tensors(backbone).items() if _has(tensor, num_nodes)]
    layers = {name for name, part in backbone.named_modules() if type(part).__module__.startswith("torch.nn.")}
    own = [name for name in sized if name.rpartition(".")[0] not in layers]
    return next(iter(own if num_nodes in lengths else own + sized), None)


def _tensors(backbone: nn.Module) -> dict[str, torch.Tensor]:
    """Return parameters and buffers by the names that they have where nothing is wrapped."""
    named = {**dict(backbone.named_parameters()), **dict(backbone.named_buffers())}
    names = bare_names(backbone, named)
    return {names[name]: tensor for name, tensor in named.items()}


def _has(tensor: torch.Tensor, num_nodes: int) -> bool:
    """Whether a dimension is the number of nodes, or a multiple of it."""
    return any(size > 1 and size % num_nodes == 0 for size in tensor.shape)


def _placed(batch: dict[str, torch.Tensor], tensors: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the batch where the backbone computes, its times of the type of its inputs."""
    device = tensors[0].device if tensors else None
    dtype = batch["inputs"].dtype
    return {
        name: tensor.to(device, dtype) if tensor.is_floating_point() else tensor.to(device)
        for name, tensor in batch.items()
    }


@contextmanager
def _evaluating(backbone: nn.Module) -> Iterator[None]:
    """Put every part into eval mode, and back into its own; the global generators stay as they are."""
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval()
    try:
        with torch.random.fork_rng({tensor.device.index for tensor in _tensors(backbone).values() if tensor.is_cuda}):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
