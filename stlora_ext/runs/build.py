"""From an experiment and its data set to the host's configuration and the model."""

import math
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from basicts.runners.callback import EarlyStopping, GradientClipping
from torch import nn
from torch.optim import Adam
from torch.optim.lr_scheduler import MultiStepLR

from stlora_ext.config.backbones import BACKBONES
from stlora_ext.config.experiment import Experiment
from stlora_ext.config.registry import registrations
from stlora_ext.config.training import LENGTHS
from stlora_ext.data.plain_arrays import load_npz
from stlora_ext.data.prepared import Meta, prepare_again
from stlora_ext.errors import UserError, in_a_line
from stlora_ext.fields import field_names
from stlora_ext.horizons import reported_steps
from stlora_ext.host.config import ForecastingConfig
from stlora_ext.host.curriculum import HorizonCurriculum
from stlora_ext.host.runner import HostRunner
from stlora_ext.lora.model import STLoRA, attach, widened
from stlora_ext.lora.node_agnostic import node_holder
from stlora_ext.lora.predictor import Predictor
from stlora_ext.lora.settings import STLoRAConfig
from stlora_ext.runs.adapter_runner import STLoRAForecastingConfig, STLoRARunner
from stlora_ext.runs.new_sensors_runner import (
    NewSensorsAdapterRunner,
    NewSensorsBackboneRunner,
    NewSensorsForecastingConfig,
)
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.set_aside import new_sensors, of_sensors, refuse_short_days
from stlora_ext.runs.split_batches import refuse_unsplit
from stlora_ext.runs.stream_runner import (
    StreamAdapterRunner,
    StreamBackboneRunner,
    StreamForecastingConfig,
    is_updated,
    memory_rows,
)
from stlora_ext.runs.trial import refuse_mixed_windows, refuse_unfit
from stlora_ext.runs.without_data import ring_meta


def settled(exp: Experiment, meta: Meta, data_dir: Path) -> Experiment:
    """Return the experiment with the lengths of the data set's windows, and what follows from them, filled in.

    Raises:
        UserError: If it says other lengths.
    """
    input_len, output_len = (getattr(exp.training, name) or getattr(meta, name) for name in LENGTHS)
    if (input_len, output_len) != (meta.input_len, meta.output_len):
        name = f"{meta.name}-{input_len}-{output_len}"
        command = prepare_again(meta, data_dir, name, input_len, output_len)
        raise UserError(
            f"input_len={input_len}, output_len={output_len}: {meta.name} was prepared for "
            f"{meta.input_len} and {meta.output_len}, which its runs take; leave the lengths out, or "
            f"prepare it again under another name: {command} and run it with --dataset {name} --model {exp.model}"
        )
    return exp.with_lengths(meta.input_len, meta.output_len)


def model_config(exp: Experiment, meta: Meta, data_dir: Path) -> Any:
    """Build the config of the backbone's architecture from the settled experiment and the data set."""
    graph = data_dir / meta.name / "graph.npz"
    derived = {
        "num_nodes": meta.num_nodes,
        "num_features": meta.num_nodes,
        "enc_in": meta.num_nodes,
        "steps_per_day": meta.steps_per_day,
        "num_time_in_day": meta.steps_per_day,
        "num_timestamps": 2,
        "timestamp_sizes": [meta.steps_per_day, 7],
        "input_len": meta.input_len,
        "output_len": meta.output_len,
        "graph_path": str(graph) if meta.has_graph else None,
    }
    names = field_names(exp.backbone.config)
    derived = {name: value for name, value in derived.items() if name in names}
    try:
        return exp.backbone.config(**derived, **exp.model_settings)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # the model may be anybody's
        raise _unbuilt(exp, error) from None


def _unbuilt(exp: Experiment, error: Exception) -> UserError:
    if isinstance(error, ValueError) and str(error).strip():  # which speaks of its values
        return UserError(f"{exp.dataset}/{exp.model}: {error}")
    return UserError(
        f"{exp.dataset}/{exp.model} can't be built with these settings ({in_a_line(error)}): correct those of the "
        "model, --set model.NAME=VALUE, or of the adapter, --set adapter.NAME=VALUE"
    )


def adapter_config(exp: Experiment, meta: Meta) -> STLoRAConfig:
    """Return the settings of the adapter in the settled experiment's arm."""
    config = exp.adapter
    assert config is not None
    if exp.arm == "control":
        return replace(config, sharing="none", row_dropout=0.0)
    if exp.arm == "wide":
        plus = sum(p.numel() for p in Predictor(config, meta.num_nodes).parameters())
        return replace(widened(config, meta.num_nodes, plus), row_dropout=0.0)
    return config


def build_model(exp: Experiment, meta: Meta, data_dir: Path) -> nn.Module:
    """Build the model with fresh weights, on the CPU.

    Raises:
        UserError: If the architecture refuses its settings or the data set, for instance for want of a graph, or the
            data set has other lengths.
    """
    exp = settled(exp, meta, data_dir)
    if exp.protocol == "new-sensors":
        _refuse_node_holder(exp, meta)
        if exp.arm == "plus":  # the others fit nothing
            refuse_short_days(exp.new_sensors, meta)
        meta = trained_on(exp, meta)
    if exp.protocol == "stream":
        _refuse_short_memory(exp, meta)
    _check_graph(exp, meta, data_dir / meta.name / "graph.npz")
    negative = next((name for name, value in exp.model_settings.items() if type(value) is int and value < 0), None)
    if negative is not None:
        raise UserError(
            f"{exp.dataset}/{exp.model} can't be built with these settings (model.{negative} is negative): "
            "correct those of the model, --set model.NAME=VALUE"
        )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Initializing zero-element tensors")  # a width of 0 learns nothing
            backbone = exp.backbone.arch(model_config(exp, meta, data_dir))
            if exp.backbone.name not in BACKBONES and not exp.backbone.fitted:  # ours check what they are given
                refuse_unfit(backbone, exp, meta)
            if exp.protocol == "stream" and not exp.backbone.fitted:
                refuse_mixed_windows(backbone, exp, meta)
            model: nn.Module = backbone
            if exp.adapter is not None:
                model = adapted = attach(backbone, adapter_config(exp, meta), meta.num_nodes)
                adapted.names = tuple(meta.sensor_ids) or None
    except (UserError, MemoryError):
        raise
    except Exception as error:  # the model may be anybody's
        raise _unbuilt(exp, error) from None
    if exp.protocol != "joint" and isinstance(model, STLoRA):
        model.freeze_backbone()
    return model


def trained_on(exp: Experiment, meta: Meta) -> Meta:
    """Return the data set as a model of ``exp`` sees it in training: under ``new-sensors``, but for ``full``, without
    the sensors that are set aside, and without a graph, which such a model doesn't read.

    Raises:
        UserError: If they can't be set aside.
    """
    if exp.protocol != "new-sensors":
        return meta
    left_out = set(new_sensors(exp.new_sensors, meta))
    kept = [column for column in range(meta.num_nodes) if exp.arm == "full" or column not in left_out]
    return of_sensors(meta, kept)


def scored_on(exp: Experiment, meta: Meta) -> Meta:
    """Return the data set as the test of ``exp`` scores it: under ``new-sensors`` the sensors that are set aside.

    Raises:
        UserError: If they can't be set aside.
    """
    return of_sensors(meta, new_sensors(exp.new_sensors, meta)) if exp.protocol == "new-sensors" else meta


def runner_class(exp: Experiment) -> type[HostRunner]:
    """Return the runner of an experiment's runs."""
    if exp.protocol == "new-sensors":
        return NewSensorsBackboneRunner if exp.adapter is None else NewSensorsAdapterRunner
    if exp.protocol == "stream":
        return StreamBackboneRunner if exp.adapter is None else StreamAdapterRunner
    return HostRunner if exp.adapter is None else STLoRARunner


def backbone_node_holder(exp: Experiment, meta: Meta) -> str | None:
    """Return what holds the nodes of the backbone of an experiment (``node_holder``); for a graph it has a ring."""
    backbone = replace(exp.trained(), protocol="joint")
    with torch.random.fork_rng(devices=[]), tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def build(num_nodes: int) -> nn.Module:
            ring = ring_meta(folder, meta.name, num_nodes)
            few = replace(meta, num_nodes=num_nodes, sensor_ids=ring.sensor_ids, has_graph=True)
            return build_model(backbone, few, folder)

        return node_holder(build, meta.input_len, meta.output_len, meta.steps_per_day)


def _refuse_node_holder(exp: Experiment, meta: Meta) -> None:
    """Refuse a backbone that holds the nodes that it is trained on: it has nothing for a new one."""
    holder = backbone_node_holder(exp, meta)
    if holder is not None:
        what = (
            "forecasts a sensor from the others' inputs" if holder == "inputs" else f"holds the sensors in '{holder}'"
        )
        raise UserError(
            f"--protocol new-sensors: {exp.backbone.name} {what}, so it can't forecast new ones; "
            "python experiments/models.py lists the node-agnostic models"
        )


def _refuse_short_memory(exp: Experiment, meta: Meta) -> None:
    """Refuse a memory that holds no window: no update would have anything to learn from."""
    window, rows = meta.input_len + meta.output_len, memory_rows(exp.stream, meta.interval_seconds)
    if is_updated(exp.arm, exp.stream) and rows < window:
        raise UserError(
            f"stream.memory={exp.stream.memory:g}: {rows} rows of {meta.name} hold no window of {window}; give "
            f"at least --set stream.memory={math.ceil(100 * window / meta.steps_per_day) / 100:g}"
        )


def _check_graph(exp: Experiment, meta: Meta, path: Path) -> None:
    """Refuse a graph that claims more than its file holds: the architecture's reader takes it at its word."""
    asked = "graph_path" in field_names(exp.backbone.config) and exp.model_settings.get("use_graph", True)
    if not (asked and meta.has_graph):
        return
    try:
        load_npz(path)
    except (OSError, ValueError) as error:
        raise UserError(f"the graph {path} cannot be read ({error}): prepare the data set again") from None


def host_config(
    exp: Experiment,
    meta: Meta,
    seed: int | None,
    options: RunOptions,
    run_dir: Path | None = None,
    backbone: Mapping[str, str | None] = MappingProxyType({}),
) -> ForecastingConfig:
    """Build the host's configuration of one run.

    Args:
        exp: The experiment.
        meta: Its data set.
        seed: The seed; None where no seed changes the result.
        options: How the run is executed.
        run_dir: Where it works; None: nowhere, only its hash is wanted.
        backbone: What ``backbone.adapted`` says of the trained backbone that it adapts.

    Raises:
        UserError: If the data set has other lengths, or the model isn't tested as asked.
    """
    exp = settled(exp, meta, options.data)
    whole, meta = meta, trained_on(exp, meta)
    _refuse_untested(exp, options)
    training = exp.training
    streamed = exp.protocol == "stream"
    callbacks = [callback() for callback in exp.backbone.callbacks]
    if not streamed:
        callbacks.insert(0, EarlyStopping(training.patience))
    if training.clip_grad_norm is not None:
        callbacks.append(GradientClipping(training.clip_grad_norm))
    if training.curriculum and training.curriculum_warm_up is not None and not streamed:
        callbacks.append(HorizonCurriculum(training.curriculum_warm_up, training.curriculum_every))
    settings: dict[str, Any] = {}
    if training.lr_milestones:
        settings = {
            "lr_scheduler": MultiStepLR,
            "lr_scheduler_params": {"milestones": list(training.lr_milestones), "gamma": training.lr_gamma},
        }
    config_class = ForecastingConfig
    if exp.adapter is not None or exp.protocol in ("stream", "new-sensors"):
        config_class = STLoRAForecastingConfig
        settings.update(
            adapter=None if exp.adapter is None else adapter_config(exp, meta),
            num_nodes=meta.num_nodes,
            names=meta.sensor_ids or None,
            protocol=exp.protocol,
            adapter_lr=training.adapter_lr,
            **backbone,
        )
    if exp.protocol == "new-sensors":
        config_class = NewSensorsForecastingConfig
        settings.update(arm=exp.arm, new_sensors=exp.new_sensors, left_out=new_sensors(exp.new_sensors, whole))
    if streamed:
        config_class = StreamForecastingConfig
        settings.update(arm=exp.arm, stream=exp.stream, interval=meta.interval_seconds, adapter_from=exp.adapter_from)
    return config_class(
        model=exp.backbone.arch,
        model_config=model_config(exp, meta, options.data),
        dataset_name=meta.name,
        dataset_params={
            "dataset_name": meta.name,
            "input_len": meta.input_len,
            "output_len": meta.output_len,
            "use_timestamps": True,
            "memmap": True,
            "data_file_path": str(options.data / meta.name),
        },
        null_val=meta.null_val,
        callbacks=callbacks,
        num_epochs=training.num_epochs,
        val_interval=training.val_interval,
        optimizer=Adam,
        optimizer_params={"lr": training.lr, "weight_decay": training.weight_decay},
        train_batch_size=training.batch_size,
        val_batch_size=training.eval_batch_size,
        test_batch_size=training.eval_batch_size,
        eval_horizons=list(reported_steps(meta.output_len)),
        seed=0 if seed is None else seed,
        gpus=options.devices[0],
        save_results=options.save_results,
        ckpt_save_dir=str(run_dir) if run_dir else ".",
        data_fingerprint=meta.fingerprint,
        steps_per_day=meta.steps_per_day,
        run_title=_title(exp, seed),
        bf16=training.bf16,
        compile_model=options.compiled,
        cuda_graphs=options.cuda_graphs,
        parts=options.num_parts,
        deterministic=options.deterministic,
        cudnn_benchmark=not options.deterministic,
        cudnn_determinstic=options.deterministic,
        **settings,
    )


def _refuse_untested(exp: Experiment, options: RunOptions) -> None:
    refuse_unsplit(exp, options)
    if exp.protocol == "new-sensors" and options.compiled:
        raise UserError("--compile: not with --protocol new-sensors, which forecasts other sensors; leave it out")
    for option, given in (("--cuda-graphs", options.cuda_graphs), ("--compile", options.compiled)):
        if given and exp.protocol == "stream":
            raise UserError(f"{option}: not with --protocol stream, whose updates are a few steps each; leave it out")
    if options.cuda_graphs and options.compiled:
        raise UserError("--cuda-graphs: not with --compile; leave one of them out")
    for name in ("dropout", "row_dropout"):
        if options.cuda_graphs and getattr(exp.adapter, name, False):
            raise UserError(
                f"--cuda-graphs: not with adapter.{name}, whose generator isn't recorded; leave one of them out"
            )
    asked = {"compile": options.compiled, "bf16": exp.training.bf16, "cuda-graphs": options.cuda_graphs}
    for option in asked:
        if asked[option] and option not in exp.backbone.tested_with:
            tested = [name for name, listed in registrations().items() if option in listed.tested_with]
            raise UserError(
                f"--{option}: not tested with {exp.backbone.name}, only with {', '.join(tested)}; leave it out"
            )


def _title(exp: Experiment, seed: int | None) -> str:
    marks = [
        mark
        for mark, default in ((exp.arm, ("base", "plus")), (exp.protocol, ("joint", "fitted")))
        if mark not in default
    ]
    return " ".join([f"{exp.dataset}/{exp.model}", *marks, *([] if seed is None else [f"seed {seed}"])])
