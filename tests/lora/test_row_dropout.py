"""Row dropout: in training some nodes have the mean row in place of their own, so that it learns to forecast."""

import copy

import pytest
import torch

from stlora_ext import merge
from stlora_ext.config.experiment import experiment
from stlora_ext.lora.settings import STLoRAConfig
from tests.lora.toy import NODES, node_tensors, plain, trained, windows

HELD = ("node", "embedding", "vector")
held = pytest.mark.parametrize("sharing", HELD)


def adapter(sharing, **settings):
    """An adapter in float64 that forecasts from the window alone, and one with the mean row for every node."""
    own = trained("LSTM", sharing, x="window", **settings).double()
    mean = copy.deepcopy(own)
    with torch.no_grad():
        for rows in node_tensors(mean) if sharing != "none" else []:
            rows.copy_(rows.mean(dim=0).expand_as(rows))
    return own.adapter, mean.adapter


@held
def test_a_node_has_its_own_rows_or_the_mean_rows_in_all_layers_at_once(sharing):
    own, mean = adapter(sharing, row_dropout=0.5, layers=3)
    x = windows().double()
    kept, replaced = own.eval()(x), mean.eval()(x)
    patterns = set()
    for _ in range(8):
        made = own.train()(x)
        is_mean = [bool(torch.allclose(made[..., node], replaced[..., node])) for node in range(NODES)]
        for node in range(NODES):
            torch.testing.assert_close(made[..., node], (replaced if is_mean[node] else kept)[..., node])
        patterns.add(tuple(is_mean))
    assert len(patterns) > 4  # a draw of its own for every batch
    assert 0.2 < sum(map(sum, patterns)) / (len(patterns) * NODES) < 0.8


@held
def test_evaluation_never_replaces_a_row(sharing):
    own, x = adapter(sharing, row_dropout=0.9)[0], windows().double()
    assert torch.equal(own.eval()(x), adapter(sharing)[0].eval()(x))


@held
def test_the_gradient_of_a_replaced_node_reaches_every_row_alike(sharing):
    own, _ = adapter(sharing, row_dropout=1 - 1e-9)
    own.train()(windows().double())[..., 3].sum().backward()
    for rows in own.per_node():
        assert rows.grad.abs().sum() > 0
        torch.testing.assert_close(rows.grad, rows.grad[:1].expand_as(rows))


@pytest.mark.parametrize("sharing", [*HELD, "none"])
def test_at_a_rate_of_0_and_without_rows_nothing_is_drawn(sharing):
    rate = 0.5 if sharing == "none" else 0.0
    own, x = adapter(sharing, row_dropout=rate)[0].train(), windows().double()
    assert own.row_dropout(x) is None
    assert torch.equal(own(x), adapter(sharing)[0].train()(x))


@held
def test_dropout_draws_the_same_with_and_without_row_dropout(sharing):
    seen = []
    for rate in (0.0, 0.5):
        own = adapter(sharing, dropout=0.4, row_dropout=rate)[0].train()
        own.nalls[0].register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
        for _ in range(3):
            own(windows().double())
    assert all(torch.equal(seen[batch], seen[batch + 3]) for batch in range(3))


def test_what_is_drawn_begins_anew_with_a_seed_and_leaves_the_global_generator_alone():
    own, x = adapter("node", row_dropout=0.5)[0].train(), windows().double()
    state = torch.get_rng_state()
    own.row_dropout.reseed(5)
    first = [own(x) for _ in range(3)]
    own.row_dropout.reseed(5)
    assert all(torch.equal(own(x), made) for made in first)
    own.row_dropout.reseed(6)
    assert not all(torch.equal(own(x), made) for made in first)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch", "ignore:The .grad attribute of a Tensor:UserWarning")
@held
def test_a_compiled_model_replaces_the_same_rows(sharing):
    plainly, compiled = (trained("LSTM", sharing, row_dropout=0.5, x="window").adapter.train() for _ in range(2))
    made = torch.compile(compiled, backend="eager")
    for _ in range(3):
        torch.testing.assert_close(made(windows()), plainly(windows()))
    torch.compiler.reset()


@held
def test_a_merged_model_has_no_rows_to_replace(sharing):
    model = trained("LSTM", sharing, row_dropout=0.9)
    x = torch.cat([windows(), windows()], dim=1)
    torch.testing.assert_close(merge(model, per_node=True).adapter.train()(x), model.adapter.eval()(x))


@pytest.mark.parametrize("rate", [-0.1, 1.0, 2])
def test_a_rate_that_is_no_share_is_refused(rate):
    with pytest.raises(ValueError, match=rf"row_dropout={rate}: expected a share of at least 0 and below 1"):
        STLoRAConfig(row_dropout=rate)


def test_settings_name_it_only_where_it_is_set():
    """So that records and files with and without the setting's name describe one run."""
    assert "row_dropout" not in plain("node").to_json()
    assert "row_dropout" not in experiment("TINY", "LSTM+").settings["adapter"]
    config = plain("node", row_dropout=0.25)
    assert STLoRAConfig.from_json(config.to_json()) == config
    assert experiment("TINY", "LSTM+", adapter={"row_dropout": 0.1}).settings["adapter"]["row_dropout"] == 0.1
