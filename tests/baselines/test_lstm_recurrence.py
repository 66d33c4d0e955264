"""The LSTM's own recurrence on the CPU computes what torch.nn.LSTM does, and so do its gradients."""

import pytest
import torch

from baselines.LSTM import LSTM, LSTMConfig
from baselines.LSTM.arch.recurrence import column_blocks


def output_and_gradients(model, forecast):
    model.zero_grad()
    output = forecast()
    output.square().mean().backward()
    return [output.detach(), *(parameter.grad.clone() for parameter in model.parameters())]


@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("input_len", [1, 7])
def test_it_agrees_with_torch_in_any_number_of_pieces(num_layers, input_len, monkeypatch):
    torch.manual_seed(0)
    settings = LSTMConfig(input_len=input_len, hidden_size=5, num_layers=num_layers, end_size=6, dropout=0.0)
    model = LSTM(settings).double()
    inputs = torch.randn(3, input_len, 4, dtype=torch.float64)
    expected = output_and_gradients(model, lambda: model.forward_by_torch(inputs))
    for columns in (5, 12, 4096):
        monkeypatch.setattr(LSTM, "COLUMNS", columns)
        for one, other in zip(output_and_gradients(model, lambda: model(inputs)), expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-14)


def test_dropout_acts_between_layers_in_train_mode_only():
    model = LSTM(LSTMConfig(input_len=4, hidden_size=8, end_size=6, dropout=0.5))
    inputs = torch.randn(2, 4, 3)
    assert not torch.equal(model(inputs), model(inputs))
    assert torch.equal(model.eval()(inputs), model(inputs))
    single = LSTM(LSTMConfig(input_len=4, hidden_size=8, end_size=6, num_layers=1, dropout=0.5))
    assert torch.equal(single(inputs), single(inputs))


@pytest.mark.parametrize(
    ("columns", "blocks"), [(4096, 8), (2688, 4), (2720, 4), (6290, 2), (7064, 8), (1856, 2), (1023, 1), (1, 1)]
)
def test_columns_are_cut_into_equal_blocks_of_512_or_more(columns, blocks):
    assert column_blocks(columns) == blocks
    assert columns % blocks == 0
    assert blocks == 1 or columns // blocks >= 512


def test_it_agrees_with_torch_in_several_blocks():
    torch.manual_seed(0)
    model = LSTM(LSTMConfig(input_len=3, hidden_size=5, num_layers=2, end_size=6, dropout=0.0)).double()
    inputs = torch.randn(64, 3, 20, dtype=torch.float64)
    assert column_blocks(64 * 20) == 2
    expected = output_and_gradients(model, lambda: model.forward_by_torch(inputs))
    for one, other in zip(output_and_gradients(model, lambda: model(inputs)), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-14)
