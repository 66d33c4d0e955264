"""Work in parts that fit the cache of a CPU."""

import torch


def parts(rows: torch.Tensor, elements: int) -> list[slice]:
    """Return slices of the first dimension with at most ``elements`` elements or one row; elsewhere than on a CPU and
    in compiled code, one of everything."""
    cut = rows.device.type == "cpu" and not torch.compiler.is_compiling()
    size = max(1, elements // rows[0].numel()) if cut else len(rows)
    return [slice(start, start + size) for start in range(0, len(rows), size)]
