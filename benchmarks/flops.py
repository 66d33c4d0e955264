"""Floating-point operations of a training step: torch's counter, and by formula what it doesn't count.

The counter leaves out products that add to a tensor in place, linear layers by oneDNN, attention on the CPU and
recurrent layers, and takes a sparse matrix for a dense one.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from baselines.products import ONEDNN_LINEAR

aten = torch.ops.aten


def count_flops(model: torch.nn.Module, step: Callable[[], None], batch: int, num_nodes: int, input_len: int) -> int:
    """Count one call of ``step``, a training step of ``model``.

    Args:
        model: The model, for its recurrent layers, which run over ``batch * num_nodes`` sequences.
        step: Forward, backward and optimizer.
        batch: Windows.
        num_nodes: Sensors.
        input_len: Steps of a window.
    """
    with FlopCounterMode(display=False, custom_mapping=_FORMULAS) as counter:
        step()
    total = counter.get_total_flops()
    for module in model.modules():
        if isinstance(module, torch.nn.LSTM) and module.weight_ih_l0.device.type != "cpu":  # there, it is products
            widths = [module.input_size] + [module.hidden_size] * (module.num_layers - 1)
            # Forward once, backward twice: the gradients of the input and of the weights.
            total += 3 * sum(
                2 * batch * num_nodes * input_len * 4 * module.hidden_size * (width + module.hidden_size)
                for width in widths
            )
    return total


def _product(first: Any, second: Any, *_: Any, **__: Any) -> int:
    """``[M, K] [K, N]``; of a sparse first factor, the elements that are there."""
    if first.layout != torch.strided:
        return 2 * first.values().numel() * second.shape[-1]
    return 2 * first.numel() * second.shape[-1]


def _added_product(_: Any, first: Any, second: Any, *__: Any, **___: Any) -> int:
    return _product(first, second)


def _linear(rows: Any, weight: Any, *_: Any, **__: Any) -> int:
    return 2 * rows.numel() * len(weight)


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """``Q K^T`` and the shares times V."""
    return 2 * query.numel() * key.shape[-2] + 2 * query.numel() // query.shape[-1] * key.shape[-2] * value.shape[-1]


def _attention_back(_: Any, query: Any, key: Any, value: Any, *__: Any, **___: Any) -> int:
    """``Q K^T`` again, and the gradients of the shares, V, Q and K."""
    rows = query.numel() // query.shape[-1]
    return 2 * rows * key.shape[-2] * (3 * query.shape[-1] + 2 * value.shape[-1])


_FORMULAS = {
    aten.mm: _product,
    aten.addmm: _added_product,
    aten.addmm_: _added_product,
    aten.bmm: _product,
    aten.baddbmm: _added_product,
    aten.baddbmm_: _added_product,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_back,
}
if ONEDNN_LINEAR is not None:
    _FORMULAS[ONEDNN_LINEAR] = _linear
for _formula in _FORMULAS.values():
    _formula._get_raw = True  # the counter then gives tensors instead of shapes
