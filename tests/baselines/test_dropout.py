"""The cheap dropout drops what PyTorch's drops: the share p, the rest scaled up, nothing in eval mode."""

import pytest
import torch

from baselines.dropout import Dropout, ResidualDropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_the_share_and_the_scale_are_those_of_dropout(p):
    torch.manual_seed(0)
    out = Dropout(p)(torch.ones(1001, 999))
    kept = out != 0
    assert kept.float().mean().item() == pytest.approx(1 - p, abs=2e-3)
    assert out[kept].unique().tolist() == pytest.approx([1 / (1 - p)], rel=1e-4)
    assert abs(torch.corrcoef(kept[:, :4].T.float()).fill_diagonal_(0)).max() < 0.15


def test_the_gradient_passes_where_an_element_was_kept():
    x = torch.ones(50, 50, requires_grad=True)
    out = Dropout(0.4)(x)
    out.sum().backward()
    assert torch.equal(x.grad, out.detach())


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_none_and_all_are_exact(p):
    x = torch.randn(7, 3)
    assert torch.equal(Dropout(p)(x), x * (1 - p)) and torch.equal(ResidualDropout(p)(x, x), x + x * (1 - p))


def test_eval_drops_nothing_and_the_residual_is_never_dropped():
    x, update = torch.randn(40, 40), torch.ones(40, 40)
    assert torch.equal(Dropout(0.5).eval()(x), x) and torch.equal(ResidualDropout(0.5).eval()(x, update), x + update)
    torch.manual_seed(1)
    added = ResidualDropout(0.5)(torch.zeros(40, 40), update)
    assert sorted(added.unique().tolist()) == [0.0, 2.0]
