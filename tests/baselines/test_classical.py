"""VAR and SVR: what they compute, and that constant, duplicated or missing sensors don't break them."""

import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVR

from baselines.SVR import SVR, SVRConfig
from baselines.SVR.arch import svr_arch
from baselines.VAR import VAR, VARConfig
from experiments import run as run_command
from stlora_ext.config.experiment import experiment
from stlora_ext.data.prepared import load_meta
from stlora_ext.runs.backbone import run_key
from tests.support.commands import refusal

NODES = 4


def autoregressive(rows: int = 3000) -> tuple[torch.Tensor, list[np.ndarray], np.ndarray]:
    """A stable process of order 2 with known coefficients and little noise."""
    generator = np.random.default_rng(0)
    matrices, constant = [generator.normal(0, 0.2, (NODES, NODES)) for _ in range(2)], generator.normal(0, 1, NODES)
    series = np.zeros((rows, NODES))
    for t in range(2, rows):
        noise = generator.normal(0, 0.1, NODES)
        series[t] = constant + matrices[0] @ series[t - 1] + matrices[1] @ series[t - 2] + noise
    return torch.from_numpy(series).float(), matrices, constant


def test_var_recovers_the_coefficients_of_a_process_and_iterates_them():
    series, matrices, constant = autoregressive()
    model = VAR(VARConfig(num_nodes=NODES, order=2))
    model.fit(series, torch.ones_like(series, dtype=torch.bool))
    for k, matrix in enumerate(matrices):
        ours = model.coefficients[k * NODES : (k + 1) * NODES].T.numpy()
        np.testing.assert_allclose(ours, matrix, atol=0.06)
    window = series[100:112]
    expected = [window[-2].numpy(), window[-1].numpy()]
    blocks = [model.coefficients[k * NODES : (k + 1) * NODES].numpy() for k in range(2)]
    for _ in range(12):
        expected.append(model.intercept.numpy() + expected[-1] @ blocks[0] + expected[-2] @ blocks[1])
    np.testing.assert_allclose(model(window[None])[0].numpy(), np.stack(expected[2:]), rtol=1e-4, atol=1e-5)


def test_var_carries_the_last_reading_forward_and_begins_with_the_nodes_mean():
    series, _, _ = autoregressive(500)
    model = VAR(VARConfig(num_nodes=NODES))
    model.fit(series, torch.ones_like(series, dtype=torch.bool))
    window, mask = series[50:62].clone(), torch.ones(12, NODES, dtype=torch.bool)
    mask[-2:, 1] = mask[:, 2] = False
    filled = window.clone()
    filled[-2:, 1], filled[:, 2] = window[-3, 1], model.node_mean[2]
    assert torch.equal(model((window * mask)[None], mask[None]), model(filled[None]))


@pytest.mark.parametrize("trouble", ["duplicated", "constant", "never seen"])
def test_a_singular_network_still_gets_a_finite_forecast(trouble):
    series, _, _ = autoregressive(800)
    mask = torch.ones_like(series, dtype=torch.bool)
    series[:, 1] = {"duplicated": series[:, 0], "constant": torch.tensor(2.0), "never seen": torch.tensor(0.0)}[trouble]
    mask[:, 1] = trouble != "never seen"
    for model in (VAR(VARConfig(num_nodes=NODES)), SVR(SVRConfig(num_nodes=NODES, output_len=3))):
        model.fit(series, mask)
        forecast = model(series[None, 100:112])
        assert torch.isfinite(forecast).all() and forecast.abs().max() < 20


def test_a_window_shorter_than_the_order_is_refused():
    with pytest.raises(ValueError, match="order=3 needs as many input steps, input_len is 2"):
        VAR(VARConfig(num_nodes=NODES, input_len=2))


def fitted_svr(series, mask, **arguments):
    model = SVR(SVRConfig(num_nodes=NODES, output_len=2, penalty=0.5))
    model.fit(series, mask, seed=3, **arguments)
    return model


def test_svr_is_scikit_learns_per_node_and_horizon_without_missing_targets():
    series, _, _ = autoregressive(300)
    mask = torch.rand(series.shape, generator=torch.Generator().manual_seed(0)) > 0.2
    series = series * mask
    model = fitted_svr(series, mask)
    node, horizon = 2, 1
    rows = [t for t in range(300 - 13) if mask[t + 12 + horizon, node]]
    expected = LinearSVR(loss="epsilon_insensitive", epsilon=0, C=0.5, random_state=3).fit(
        np.stack([series[t : t + 12, node].double().numpy() for t in rows]),
        np.array([series[t + 12 + horizon, node].double() for t in rows]),
    )
    ours = model(series[None, :12])[0, horizon, node].item()
    assert ours == pytest.approx(expected.predict(series[None, :12, node].double().numpy())[0], rel=1e-4)


def test_an_interrupted_svr_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    series, _, _ = autoregressive(300)
    mask = torch.ones_like(series, dtype=torch.bool)
    whole, partial, fit_node, calls = fitted_svr(series, mask), tmp_path / "partial.npz", svr_arch._fit_node, []

    def interrupted(config, node, *rest):
        calls.append(node)
        if node == 2:
            raise KeyboardInterrupt
        return fit_node(config, node, *rest)

    monkeypatch.setattr(svr_arch, "_fit_node", interrupted)
    monkeypatch.setattr(svr_arch, "SAVE_EVERY", 1)
    torch_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.raises(KeyboardInterrupt):
        fitted_svr(series, mask, partial_path=partial)
    monkeypatch.setattr(
        svr_arch, "_fit_node", lambda config, node, *rest: calls.append(node) or fit_node(config, node, *rest)
    )
    calls.clear()
    resumed = fitted_svr(series, mask, partial_path=partial)
    torch.set_num_threads(torch_threads)
    assert calls == [2, 3]
    assert torch.equal(resumed.weight, whole.weight) and torch.equal(resumed.bias, whole.bias)


def test_a_damaged_partial_result_is_named(tmp_path):
    series, _, _ = autoregressive(100)
    (tmp_path / "partial.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(ValueError, match=r"partial\.npz is damaged"):
        fitted_svr(series, torch.ones_like(series, dtype=torch.bool), partial_path=tmp_path / "partial.npz")


def test_a_damaged_partial_result_is_refused_in_one_line_by_the_command(tiny_data, tmp_path, capsys):
    key = run_key(experiment("TINY", "SVR"), load_meta(tiny_data, "TINY"), 0)
    (tmp_path / key.path).mkdir(parents=True)
    (tmp_path / key.path / "fit.partial.npz").write_bytes(b"PK\x03\x04 broken")
    assert "fit.partial.npz is damaged" in refusal(
        run_command.main,
        ["-c", "experiments/TINY/SVR.py", "--data", tiny_data, "--results", tmp_path, "--seeds", "0"],
        capsys,
    )
