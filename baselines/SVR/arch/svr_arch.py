import os
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import nn

from ..config.svr_config import SVRConfig

SAVE_EVERY = 16  # nodes between two savings of a partial result


class SVR(nn.Module):
    """Linear support vector regression of each node and horizon on the node's own window.

        y[b, h, i] = w_ih . x[b, :, i] + c_ih

    Fitted by scikit-learn's LinearSVR (epsilon-insensitive loss), nodes in parallel; a window whose target is missing
    doesn't count. It is fitted, not trained.

    Args:
        config: Lengths, number of nodes, C and epsilon.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, config: SVRConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("weight", torch.zeros(config.num_nodes, config.output_len, config.input_len))
        self.register_buffer("bias", torch.zeros(config.num_nodes, config.output_len))

    def fit(
        self,
        data: torch.Tensor,
        mask: torch.Tensor,
        *,
        seed: int = 0,
        partial_path: Path | None = None,
        identity: str = "",
        progress: Callable[..., Iterable] | None = None,
    ) -> None:
        """Fit all nodes; what ``partial_path`` holds of an interrupted fit isn't done again.

        Args:
            data: Normalised readings ``[rows, num_nodes]``, 0 where missing.
            mask: True where a reading is there, ``[rows, num_nodes]``.
            seed: Seed of the solver.
            partial_path: Where fitted nodes are kept until the last one is done.
            identity: What identifies the fit; nodes that were kept under another one are refused.
            progress: Called as ``progress(items, total, done, unit)``; yields the items and shows how many are done.

        Raises:
            ValueError: If what ``partial_path`` holds is damaged or another fit's.
        """
        values, there = data.cpu().numpy(), mask.cpu().numpy()
        done = _read_partial(partial_path, self.weight.shape, identity)
        rest = [node for node in range(self.config.num_nodes) if node not in done]
        # Processes, not threads: liblinear has one random generator per process.
        workers = Parallel(n_jobs=torch.get_num_threads(), return_as="generator_unordered")
        fitted = workers(delayed(_fit_node)(self.config, node, values[:, node], there[:, node], seed) for node in rest)
        if progress is not None:
            fitted = progress(fitted, self.config.num_nodes, len(done), "node")
        for count, (node, coefficients) in enumerate(fitted, start=1):
            done[node] = coefficients
            if partial_path is not None and (count % SAVE_EVERY == 0 or count == len(rest)):
                _write_partial(partial_path, done, identity)
        for node, coefficients in done.items():
            self.weight[node] = torch.from_numpy(coefficients[:, :-1])
            self.bias[node] = torch.from_numpy(coefficients[:, -1])

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Forecast.

        Args:
            inputs: Normalised readings ``[B, input_len, num_nodes]``, 0 where missing.

        Returns:
            torch.Tensor: Normalised forecast ``[B, output_len, num_nodes]``.
        """
        forecast = torch.baddbmm(self.bias.unsqueeze(1), inputs.permute(2, 0, 1), self.weight.transpose(1, 2))
        return forecast.permute(1, 2, 0)  # from [N, B, output_len]


def _fit_node(config: SVRConfig, node: int, values: np.ndarray, there: np.ndarray, seed: int) -> tuple[int, np.ndarray]:
    """Return the node and its coefficients ``[output_len, input_len + 1]``, the intercept last."""
    from sklearn.exceptions import ConvergenceWarning  # not before a fit: a sweep's plan builds the model, too
    from sklearn.svm import LinearSVR

    count = len(values) - config.input_len - config.output_len + 1
    windows = np.lib.stride_tricks.sliding_window_view(values, config.input_len)[:count].astype(np.float64)
    coefficients = np.zeros((config.output_len, config.input_len + 1))
    for horizon in range(config.output_len):
        rows = slice(config.input_len + horizon, config.input_len + horizon + count)
        known = there[rows]
        if known.any():
            solver = LinearSVR(loss="epsilon_insensitive", epsilon=config.epsilon, C=config.penalty, random_state=seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                solver.fit(windows[known], values[rows][known].astype(np.float64))
            coefficients[horizon] = [*solver.coef_, np.ravel(solver.intercept_)[0]]
    return node, coefficients.astype(np.float32)


def _read_partial(path: Path | None, shape: torch.Size, identity: str) -> dict[int, np.ndarray]:
    if path is None or not path.exists():
        return {}
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as saved:
            nodes, coefficients = saved["nodes"].tolist(), saved["coefficients"]
            kept = str(saved["identity"])
    except Exception as error:  # a damaged archive raises almost anything
        raise ValueError(
            f"SVR: the partial result {path} is damaged ({str(error)[:200]}): delete it to fit anew"
        ) from None
    if kept != identity or coefficients.shape[1:] != (shape[1], shape[2] + 1):
        raise ValueError(f"SVR: the partial result {path} is of another fit: delete it to fit anew")
    return dict(zip(nodes, coefficients, strict=True))


def _write_partial(path: Path, done: dict[int, np.ndarray], identity: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp.npz")
    np.savez(
        temporary, nodes=np.array(list(done)), coefficients=np.stack(list(done.values())), identity=np.array(identity)
    )
    os.replace(temporary, path)
