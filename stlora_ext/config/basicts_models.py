"""Every forecaster that BasicTS 1.1.0 ships: where it is, its paper, and settings that suit windows of 12 steps.

Where a class comes from ``baselines.repaired``, its module says what BasicTS's own lacks. Lengths that have to divide
the window follow from it.
"""

from math import gcd
from typing import Any

from stlora_ext.config.backbone import Backbone, OfLengths
from stlora_ext.config.training import TrainingSettings

_TRAINING = TrainingSettings(lr=1e-3, clip_grad_norm=5.0, batch_size=32)
_TIMES = {"use_timestamps": True}  # time of day and day of week, whose sizes follow from the data


def _divisor(number: int, most: int) -> int:
    """Return the largest divisor of ``number`` up to ``most``."""
    return next(size for size in range(max(1, most), 0, -1) if number % size == 0)


def _part(name: str) -> OfLengths:
    """A part of the window, a third of it or less: 4 of 12 steps."""
    return lambda input_len, output_len: {name: _divisor(input_len, input_len // 3)}


def _part_of_both(name: str) -> OfLengths:
    """A part of the window and of the forecast."""
    return lambda input_len, output_len: {name: _divisor(gcd(input_len, output_len), gcd(input_len, output_len) // 3)}


def _patches(input_len: int, output_len: int) -> dict[str, Any]:
    patch = _divisor(input_len, input_len // 3)
    return {"patch_len": patch, "patch_stride": max(1, patch // 2)}


def _average(input_len: int) -> int:
    """A moving average over a quarter of the window, an odd number of steps: 25 of 96 in the papers, 3 of 12.

    Never 1: of that nothing is left beside the average, and what learns from the rest gets no gradient.
    """
    return max(3, input_len // 8 * 2 + 1)


def _averaged(input_len: int, output_len: int) -> dict[str, Any]:
    return {"moving_avg": _average(input_len)}


def _decoded(input_len: int, output_len: int) -> dict[str, Any]:
    """The decoder begins with the last half of the window."""
    return {"label_len": max(1, input_len // 2)}


def _decoded_averaged(input_len: int, output_len: int) -> dict[str, Any]:
    return _decoded(input_len, output_len) | _averaged(input_len, output_len)


def _halved(input_len: int, output_len: int) -> dict[str, Any]:
    """How often the window can be halved, at most three times: 12, 6, 3; once where it is odd."""
    return {"down_sampling_layers": max(int(input_len > 1), min(3, (input_len & -input_len).bit_length() - 1))}


def _halved_averaged(input_len: int, output_len: int) -> dict[str, Any]:
    return _halved(input_len, output_len) | _averaged(input_len, output_len)


def _frequencies(input_len: int, output_len: int) -> dict[str, Any]:
    """All frequencies of the window whose images fit into those of window and forecast."""
    whole, most = input_len + output_len, input_len // 2 + 1
    fitting = (cut for cut in range(most, 0, -1) if int(cut * (whole / input_len)) <= whole // 2 + 1)
    return {"cut_freq": next(fitting, 1)}


def _scales(input_len: int, output_len: int) -> dict[str, Any]:
    """Windows of one, two and four forecasts, where the input is as long."""
    return {"multiscale": [scale for scale in (1, 2, 4) if scale == 1 or scale * output_len <= input_len]}


def _periods(input_len: int, output_len: int) -> dict[str, Any]:
    """The frequencies that there are, five at most."""
    return {"top_k": max(1, min(5, (input_len + output_len) // 2))}


def _listed(
    name: str,
    paper: str,
    settings: dict[str, Any],
    of_lengths: OfLengths | None = None,
    *,
    arch: str = "",
    training: TrainingSettings = _TRAINING,
    **more: Any,
) -> Backbone:
    classes: dict[str, Any] = {
        "arch": arch or f"basicts.models.{name}:{name}",
        "config": f"basicts.models.{name}:{name}Config",
    }
    return Backbone(name, training=training, of_lengths=of_lengths, settings=settings, paper=paper, **classes, **more)


def _repaired(
    name: str, paper: str, settings: dict[str, Any], of_lengths: OfLengths | None = None, **more: Any
) -> Backbone:
    return _listed(name, paper, settings, of_lengths, arch=f"baselines.repaired.{name.lower()}:{name}", **more)


_NARROW = {"hidden_size": 64, "intermediate_size": 128}
_HEADS = {**_NARROW, "n_heads": 4}
_OF_CLASSES: dict[str, None] = {"num_classes": None}  # of a config that serves classification too

_MODELS = (
    _listed("Autoformer", "Wu et al. 2021, NeurIPS", _HEADS | _TIMES, _decoded_averaged, unused={"factor": None}),
    _listed("Crossformer", "Zhang and Yan 2023, ICLR", _HEADS, _part("patch_len")),
    _listed("DLinear", "Zeng et al. 2023, AAAI", {}, _averaged),
    _repaired("DUET", "Qiu et al. 2025, KDD", _HEADS, _averaged, callbacks=("stlora_ext.host.losses:AuxiliaryLoss",)),
    _repaired("FITS", "Xu et al. 2024, ICLR", {}, _frequencies, callbacks=("stlora_ext.host.losses:OwnLoss",)),
    _listed(
        "FiLM",
        "Zhou et al. 2022, NeurIPS",
        {"hidden_size": [64]},
        _scales,
        least={"input_len": 2, "output_len": 2},  # of one step it takes no frequency
    ),
    _listed("FreTS", "Yi et al. 2023, NeurIPS", {"embed_size": 32, "hidden_size": 64}),
    _repaired("HI", "Cui et al. 2021, CIKM", {}, training=TrainingSettings(), fitted=True, deterministic=True),
    _repaired("Informer", "Zhou et al. 2021, AAAI", _HEADS | _TIMES, _decoded, unused={"moving_avg": None}),
    _repaired(
        "Koopa",
        "Liu et al. 2023, NeurIPS",
        {},
        _part("seg_len"),
        callbacks=("baselines.repaired.koopa:KoopaFrequencies",),
    ),
    _repaired("Leddam", "Yu et al. 2024, ICML", {**_NARROW, "period": 16, "n_heads": 4}),
    _listed("LightTS", "Zhang et al. 2022, arXiv 2207.01186", {"hidden_size": 128}, _part("chunk_size")),
    _listed(
        "MTSMixer",
        "Li et al. 2023, arXiv 2302.04501",
        {"temporal_hidden_size": 64, "fac_T": True, "fac_C": True},
        lambda input_len, output_len: {"down_sampling": _divisor(input_len, 2)},
        least={"num_nodes": 2},  # it normalises over the nodes: one alone becomes a constant
    ),
    _listed("NLinear", "Zeng et al. 2023, AAAI", {}),
    _repaired(
        "NonstationaryTransformer",
        "Liu et al. 2022, NeurIPS",
        _HEADS | _TIMES | {"proj_hidden_size": 64},
        _decoded,
        unused=_OF_CLASSES,
    ),
    _listed(
        "PatchTST",
        "Nie et al. 2023, ICLR",
        _HEADS,
        _patches,
        arch="basicts.models.PatchTST:PatchTSTForForecasting",
        unused={"moving_avg": ("decomp", False), **_OF_CLASSES},
    ),
    _repaired("SOFTS", "Han et al. 2024, NeurIPS", {**_NARROW, "core_size": 32}),
    _listed(
        "STID",
        "Shao et al. 2022, CIKM",
        {"num_layers": 3, "if_time_in_day": True, "if_day_in_week": True},
        training=TrainingSettings(lr=2e-3, weight_decay=1e-4, clip_grad_norm=5.0, batch_size=32),
    ),
    _listed(
        "SegRNN",
        "Lin et al. 2023, arXiv 2308.11200",
        {"hidden_size": 64},
        _part_of_both("seg_len"),
        unused={"hidden_act": None},
    ),
    _listed("SparseTSF", "Lin et al. 2024, ICML", {}, _part_of_both("period_len")),
    _listed("StemGNN", "Cao et al. 2020, NeurIPS", {}, least={"num_nodes": 2}),  # of one, its Laplacian is 0
    _repaired(
        "TiDE", "Das et al. 2023, TMLR", {"hidden_size": 128, "intermediate_size": 64, "timestamps_encode_size": 4}
    ),
    _repaired(
        "TimeKAN",
        "Huang et al. 2025, ICLR",
        {"hidden_size": 32},
        _halved,
        unused={"intermediate_size": None, "hidden_act": None},
    ),
    _listed(
        "TimeMixer",
        "Wang et al. 2024, ICLR",
        {"hidden_size": 32, "intermediate_size": 64},
        _halved_averaged,
        arch="basicts.models.TimeMixer:TimeMixerForForecasting",
        unused={"use_revin": None, "top_k": ("decomp_method", "moving_avg"), **_OF_CLASSES},
    ),
    _listed("TimeXer", "Wang et al. 2024, NeurIPS", _HEADS, _part("patch_len")),
    _repaired(
        "Timer",
        "Liu et al. 2024, ICML",
        {**_HEADS, "num_layers": 2},
        _part("patch_len"),
        unused={"output_attentions": None},
    ),
    _listed(
        "TimesNet",
        "Wu et al. 2023, ICLR",
        {"hidden_size": 32, "intermediate_size": 32, **_TIMES},
        _periods,
        arch="basicts.models.TimesNet:TimesNetForForecasting",
        unused=_OF_CLASSES,
    ),
    _listed(
        "iTransformer",
        "Liu et al. 2024, ICLR",
        _HEADS,
        arch="basicts.models.iTransformer:iTransformerForForecasting",
        unused=_OF_CLASSES,
    ),
)
BASICTS_MODELS = {model.name: model for model in _MODELS}
