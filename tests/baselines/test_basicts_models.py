"""BasicTS's forecasters: what their papers say and BasicTS 1.1.0 doesn't do, and the windows that they take."""

import re
from dataclasses import replace

import pytest
import torch
from basicts.models.TiDE import TiDE as BasicTSTiDE
from basicts.models.Timer import Timer as BasicTSTimer
from basicts.models.TimesNet import TimesNetConfig
from basicts.modules.embed import TimestampEmbedding

from baselines.repaired.hi import HI
from stlora_ext.config.basicts_models import BASICTS_MODELS
from stlora_ext.config.experiment import DERIVED, experiment
from stlora_ext.data.prepared import load_meta
from stlora_ext.errors import UserError
from stlora_ext.fields import field_names
from stlora_ext.host.checkpoint import load_checkpoint
from stlora_ext.host.launcher import launch_training
from stlora_ext.host.metrics import MaskedMAE
from stlora_ext.host.runner import HostRunner
from stlora_ext.lora.sample import forward as called
from stlora_ext.lora.sample import sample_batch, sample_window
from stlora_ext.runs.adapter_runner import STLoRARunner
from stlora_ext.runs.build import build_model, host_config, model_config
from stlora_ext.runs.options import RunOptions
from tests.support.commands import ROOT
from tests.support.small import BASICTS, NODES, SMALL, data_folder, forecast, meta, small_backbone, windows

REFUSED = {"HI": lambda steps, ahead: ahead > steps, "TimeKAN": lambda steps, ahead: steps % 2 == 1}


@pytest.mark.parametrize("lengths", [(12, 24), (24, 12), (6, 3), (7, 5), (13, 12)], ids="{0[0]}-{0[1]}".format)
@pytest.mark.parametrize("name", BASICTS)
def test_what_has_to_divide_a_window_follows_from_it_or_the_window_is_refused_by_name(name, lengths):
    exp = experiment("SMALL", name, model_settings=SMALL.get(name, {}))
    described = replace(meta(), input_len=lengths[0], output_len=lengths[1])
    if REFUSED.get(name, lambda *_: False)(*lengths):
        with pytest.raises(UserError, match=f"SMALL/{name}.*input_len={lengths[0]}"):
            build_model(exp, described, data_folder(NODES))
    else:
        build_model(exp, described, data_folder(NODES))  # which tries a forecast


@pytest.mark.parametrize("steps", [6, 7])
@pytest.mark.parametrize("name", ["Autoformer", "DLinear", "DUET", "TimeMixer"])
def test_all_that_learns_beside_a_moving_average_gets_a_gradient_in_a_short_window(name, steps):
    model = small_backbone(name, input_len=steps)
    for _ in range(20):  # an expert of DUET is asked by some windows only
        forecast(model, windows(16, steps=steps)).square().mean().backward()
    idle = {part for part, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()}
    one_lag = ("encoder.layers.0.self_attn", "encoder.layers.1.self_attn")  # Autoformer's, weighted against no other
    assert all(part.startswith(one_lag) and name == "Autoformer" for part in idle), idle


@pytest.mark.parametrize("name", [*BASICTS, *(f"{name}+" for name in BASICTS)])
def test_the_runner_builds_a_model_from_the_settings_of_its_config_and_no_others(name):
    exp = experiment("SMALL", name, model_settings=SMALL.get(name.removesuffix("+"), {})).with_lengths(12, 12)
    built = dict(host_config(exp, meta(), 0, RunOptions(data_folder(NODES))).model_config)
    assert built == dict(model_config(exp, meta(), data_folder(NODES)))


def test_every_model_says_its_paper_and_has_the_data_sets_own_length_of_day():
    assert len(BASICTS) == 28 and all(model.paper for model in BASICTS_MODELS.values())
    hourly = replace(meta(), interval=60, steps_per_day=24)
    exp = experiment("SMALL", "TimesNet").with_lengths(12, 12)
    config = model_config(exp, hourly, data_folder(NODES))
    assert isinstance(config, TimesNetConfig) and list(config.timestamp_sizes) == [24, 7]


@pytest.mark.parametrize("steps", [0, 13])
@pytest.mark.parametrize("name", ["Autoformer", "Informer", "NonstationaryTransformer"])
def test_a_decoder_begins_with_steps_that_the_window_has(name, steps):
    exp = experiment("SMALL", name, model_settings={**SMALL.get(name, {}), "label_len": steps})
    with pytest.raises(UserError, match=f"model.label_len={steps}: .* expected 1 to 12"):
        build_model(exp, meta(), data_folder(NODES))


def test_a_setting_that_does_not_fit_is_refused_before_training():
    exp = experiment("SMALL", "PatchTST", model_settings={"n_heads": 5})
    with pytest.raises(UserError, match="SMALL/PatchTST can't"):
        build_model(exp, meta(), data_folder(NODES))


@pytest.mark.parametrize(
    ("name", "field"),
    [("FiLM", "input_len"), ("FiLM", "output_len"), ("MTSMixer+", "num_nodes"), ("StemGNN", "num_nodes")],
)
def test_a_model_that_would_learn_nothing_from_one_step_or_sensor_is_refused_by_name(name, field):
    exp = experiment("SMALL", name)
    expected = f"SMALL/{re.escape(name)}: {field}=1: {name.removesuffix('+')} learns nothing from less than 2; name "
    with pytest.raises(UserError, match=expected):
        build_model(exp, replace(meta(), **{field: 1}), data_folder(NODES))


@pytest.mark.parametrize("name", [name for name in BASICTS if name not in ("MTSMixer", "StemGNN")])
def test_the_shape_of_one_sensors_forecast_follows_from_its_window_in_every_model_that_takes_one(name):
    model = small_backbone(name, num_nodes=1).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))  # Leddam begins with all steps alike
    forecasts = [forecast(model, windows(3, 1, seed=seed)) for seed in (1, 2)]
    steps = [(made - made.mean(1, keepdim=True)) / made.std(1, keepdim=True) for made in forecasts]
    assert (steps[0] - steps[1]).abs().max() > 1e-3


def test_embeddings_of_the_time_of_day_are_each_steps_own_at_the_lengths_of_day_that_the_page_names():
    page = (ROOT / "docs" / "models.md").read_text()
    exact, early = (
        [int(number) for number in re.findall(r"\d+", re.search(sentence, page).group(1))]
        for sentence in (r"At ([\d, and]+)\ssteps a day each step has its own", r"At ([\d, and]+), and at\s+some")
    )
    wrong = {}
    for size in exact + early:
        embedding = TimestampEmbedding(1, [size])
        embedding.embeds[0].weight.data.copy_(torch.arange(size).unsqueeze(1))
        step = torch.arange(size)
        wrong[size] = (embedding((step / size)[:, None])[:, 0] != step).sum().item()
    assert {size for size in wrong if wrong[size]} == set(early) and len(exact) == 6 and len(early) == 7
    assert all(count <= size / 10 for size, count in wrong.items())


class Losses(HostRunner):
    """Remembers the loss of every step, and what it would be without the model's own."""

    def _passes(self, batch):
        loss = super()._passes(batch)
        self.losses = [*getattr(self, "losses", []), loss.item()]
        return loss


def trained(name, data, folder, runner=Losses, **settings):
    exp = experiment("TINY", name, num_epochs=1, batch_size=2048, **settings)
    cfg = host_config(exp, load_meta(data, "TINY"), 0, RunOptions(data), folder)
    return launch_training(cfg, runner)


def test_fits_learns_the_squared_error_on_the_normalised_scale(tiny_data, tmp_path):
    losses = {
        mode: trained("FITS", tiny_data, tmp_path / mode, model_settings=settings).losses[0]
        for mode, settings in (("y", {}), ("mae", {"loss": "MAE"}), ("xy", {"training_mode": "xy"}))
    }
    assert 0 < losses["y"] < 10 and len(set(losses.values())) == 3  # vehicles would give thousands


@pytest.mark.parametrize("individual", [False, True])
@pytest.mark.parametrize("lengths", [(12, 1), (7, 24), (12, 12)])
def test_a_fits_that_changes_no_frequency_goes_on_as_the_window_and_whatever_follows_it(lengths, individual):
    """With the identity for its layer, it interpolates the window over all steps: at the first step is the first
    reading, at the first step of the forecast what is at ``input_len`` of all steps."""
    settings = {"individual": individual, "training_mode": "xy"}
    described = replace(meta(), input_len=lengths[0], output_len=lengths[1])
    model = build_model(experiment("SMALL", "FITS", model_settings=settings), described, data_folder(NODES))
    steps = sum(lengths)
    with torch.no_grad():
        for layer in model.freq_upsampler if individual else [model.freq_upsampler]:
            layer.weight.copy_(torch.eye(*layer.weight.shape))
            layer.bias.zero_()
    phase = torch.arange(steps) / steps * 2 * torch.pi
    window = torch.cos(torch.arange(lengths[0]) / lengths[0] * 2 * torch.pi)[None, :, None].expand(2, -1, NODES)
    made = torch.cat(list(reversed(model(window).values())), dim=1)
    torch.testing.assert_close(made, phase.cos()[None, :, None].expand(2, -1, NODES))


def test_a_fits_that_makes_more_frequencies_than_there_are_is_refused():
    exp = experiment("SMALL", "FITS", model_settings={"cut_freq": 9})
    with pytest.raises(
        UserError, match="SMALL/FITS: input_len=12 and .* cut_freq=9 makes 18 frequencies, and 24 steps have 13"
    ):
        build_model(exp, meta(), data_folder(NODES))


def test_duet_balances_its_experts_and_a_larger_weight_weighs_more(tiny_data, tmp_path):
    first = [
        trained("DUET", tiny_data, tmp_path / str(weight), model_settings={"loss_coef": weight}).losses[0]
        for weight in (0.0, 1.0, 3.0)
    ]
    assert first[0] < first[1] and first[2] - first[0] == pytest.approx(3 * (first[1] - first[0]), rel=1e-3)


def test_koopa_takes_the_strongest_frequencies_that_its_filter_sees_in_training_windows_and_keeps_them(
    tiny_data, tmp_path
):
    runner = trained("Koopa", tiny_data, tmp_path)
    filtered = runner.model.disentanglement
    seen = []
    filtered.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    with torch.no_grad():
        runner.model.eval()(next(iter(runner.train_data_loader))["inputs"])
    strength = torch.fft.rfft(seen[0], dim=1).abs().mean((0, 2))
    assert filtered.mask_spectrum.tolist() == strength.topk(1).indices.tolist()
    assert filtered(seen[0])[1].square().mean() > 0.1  # the time-invariant half, of windows of variance 1
    state = load_checkpoint(tmp_path / "best.pt")["model_state_dict"]
    assert state["disentanglement.chosen"] and "disentanglement.mask_spectrum" in state


def test_a_koopa_that_nothing_has_chosen_for_filters_more_than_the_mean_which_is_subtracted_before():
    variant, invariant = small_backbone("Koopa").disentanglement(windows())
    torch.testing.assert_close(variant + invariant, windows())
    assert invariant.diff(dim=1).abs().mean() > 0.1


@pytest.mark.parametrize("name", ["FITS+", "DUET+", "Koopa+"])
def test_an_adapter_learns_beside_a_loss_or_a_callback_of_the_backbones(name, tiny_data, tmp_path):
    runner = trained(name, tiny_data, tmp_path, STLoRARunner)
    assert runner.model.adapter.output_weight.any()  # it begins at zero


class OwnLoss(torch.nn.Module):
    """A model that computes a loss itself."""

    def __init__(self, config):
        super().__init__()
        self.linear = torch.nn.Linear(config.input_len, config.output_len)

    def forward(self, inputs, targets):
        prediction = self.linear(inputs.transpose(1, 2)).transpose(1, 2)
        return {"prediction": prediction, "loss": (prediction - targets).square().mean()}


def test_a_loss_that_a_backbone_computes_of_its_own_forecast_is_not_the_adapters(tiny_data, tmp_path):
    exp = experiment("TINY", "NLinear+", num_epochs=1, batch_size=2048)
    cfg = host_config(exp, load_meta(tiny_data, "TINY"), 0, RunOptions(tiny_data), tmp_path)
    cfg.model = OwnLoss
    runner = launch_training(cfg, STLoRARunner)
    assert isinstance(runner.loss, MaskedMAE) and runner.model.adapter.output_weight.any()


def test_a_vectorised_tide_forecasts_what_basictss_does_node_by_node():
    model = small_backbone("TiDE").eval()
    stock = BasicTSTiDE(model_config(experiment("SMALL", "TiDE").with_lengths(12, 12), meta(), data_folder(NODES)))
    stock.temporal_decoder.ln = torch.nn.Identity()
    stock.load_state_dict(model.state_dict())
    torch.testing.assert_close(forecast(stock.eval(), windows()), forecast(model, windows()), rtol=1e-5, atol=1e-5)


def test_the_first_patch_of_timer_is_the_one_that_basicts_forecasts_beyond_the_window():
    model = small_backbone("Timer").eval()
    one_node = windows(3, 1)
    expected = BasicTSTimer.forward(model, one_node)[:, -model.patch_len :]
    torch.testing.assert_close(model(one_node)[:, : model.patch_len], expected)


def test_leddam_smooths_each_nodes_embedding_along_itself():
    smoothing = small_backbone("Leddam").denoising_layer
    embeddings = windows(3, 16, NODES)  # [B, nodes, hidden_size]
    other = embeddings.clone()
    other[:, 4] += 1
    smooth = smoothing(embeddings)
    assert (smoothing(other) != smooth).any(dim=2).any(dim=0).tolist() == [node == 4 for node in range(NODES)]
    assert (smooth.diff(dim=2).abs().mean() < 0.2 * embeddings.diff(dim=2).abs().mean()).item()


def test_a_nonstationary_transformer_whose_factors_are_fixed_forecasts_a_scaled_window_scaled():
    model = small_backbone("NonstationaryTransformer").eval()
    for learner in (model.backbone.tau_learner, model.backbone.delta_learner):
        torch.nn.init.zeros_(learner.mlp[-1].weight)
    expected = 3 * forecast(model, windows()) + 5
    torch.testing.assert_close(forecast(model, 3 * windows() + 5), expected, rtol=1e-3, atol=1e-3)


def test_no_step_of_a_nonstationary_transformers_forecast_sees_the_steps_after_it():
    model = small_backbone("NonstationaryTransformer").eval()
    known, ahead = torch.zeros(3, 12, 2), torch.zeros(3, 12, 2)
    other = ahead.clone()
    other[:, 6:] = 0.5
    changed = (model(windows(), known, other) != model(windows(), known, ahead)).any(dim=2).any(dim=0)
    assert changed.tolist() == [step >= 6 for step in range(12)]


def test_an_informer_in_training_forecasts_without_the_targets():
    model = small_backbone("Informer").train()
    with pytest.raises(TypeError, match="targets"):
        model(windows(), targets=windows(), inputs_timestamps=None, targets_timestamps=None)


def test_hi_repeats_the_end_of_the_window_and_has_nothing_to_train():
    model = small_backbone("HI")
    assert isinstance(model, HI) and not list(model.parameters())
    assert torch.equal(model(windows()), windows())


NEEDED_SOMETIMES = {"FITS": {"base_period", "h_order"}}  # without a cut_freq, which follows from the lengths


@pytest.mark.parametrize("name", list(BASICTS_MODELS))
def test_settings_that_nothing_reads_are_those_that_its_registration_names(name):
    exp = experiment("SMALL", name).with_lengths(12, 12)
    config = model_config(exp, meta(), data_folder(NODES))
    read, kind = set(), type(config)

    class Watched(kind):
        def __getattribute__(self, attribute):
            read.add(attribute)
            return super().__getattribute__(attribute)

    config.__class__ = Watched
    model = exp.backbone.arch(config)
    batch = sample_batch(sample_window(12, NODES, batch=2), meta().steps_per_day, 24)
    for mode in (True, False):
        called(model.train(mode), batch)
    unread = {field for field in field_names(kind) if field not in read and field not in DERIVED}
    assert unread - NEEDED_SOMETIMES.get(name, set()) == set(exp.backbone.unused)
