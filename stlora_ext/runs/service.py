"""An adapter in service: what its file says was done to it, and what an update of it goes on from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from stlora_ext.config.config_file import config_or_default
from stlora_ext.config.experiment import LARGEST_SEED, Experiment, checked_seeds, configuration
from stlora_ext.config.stream import StreamSettings
from stlora_ext.config.training import FROZEN_LR, LENGTHS
from stlora_ext.config.without_effect import refuse_without_effect
from stlora_ext.data.available import open_dataset
from stlora_ext.data.local_time import row_axis
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.fields import checked
from stlora_ext.runs.backbone import run_key
from stlora_ext.runs.build import settled
from stlora_ext.runs.key import ADAPTER, SERVICE
from stlora_ext.runs.loaded import refuse_backbone
from stlora_ext.runs.reopen import FinishedRun, load_adapted, load_model, open_run, read_origin, sensors_of

if TYPE_CHECKING:
    import pandas as pd

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Service:
    """What was done to an adapter in service.

    Attributes:
        update: Index of the next update.
        seed: Seeds what the updates draw.
        stream: How it is updated.
        updates: Those done in service: ``index``; ``until``, the time of the last row; ``readings`` that were new;
            ``loss``, the mean of the training steps; ``seconds``. Those of a stream run are in its record.
        sensors: What was added: ``names``; ``until``, the time of the last row; ``fits``, each with ``sensors``,
            ``windows`` and ``ridge``; ``seconds``.
    """

    update: int
    seed: int
    stream: StreamSettings
    updates: Sequence[Mapping[str, Any]] = ()
    sensors: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, content: Any, path: Path) -> "Service":
        """Return what a service file says.

        Raises:
            UserError: If it is damaged.
        """
        try:
            stream = StreamSettings(**checked(StreamSettings, content["stream"], "stream."))
            if stream.lr is None:  # in files of before it was that of an adapter on a frozen backbone
                stream = replace(stream, lr=FROZEN_LR)
            service = cls(
                content["update"], content["seed"], stream, tuple(content["updates"]), tuple(content.get("sensors", ()))
            )
            good = type(service.update) is int and service.update >= len(service.updates)
            if not good or type(service.seed) is not int or not 0 <= service.seed <= LARGEST_SEED:
                raise ValueError(f"update {service.update!r}, seed {service.seed!r}, {len(service.updates)} done")
            for done in service.updates:
                datetime.fromisoformat(done["until"])
            for added in service.sensors:
                datetime.fromisoformat(added["until"])
        except UserError as error:
            raise damaged(path, str(error)) from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(path, f"{type(error).__name__}: {error}") from None
        return service

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "update": self.update,
            "seed": self.seed,
            "stream": asdict(self.stream.of_adapter()),
            "updates": [dict(done) for done in self.updates],
            **({"sensors": [dict(added) for added in self.sensors]} if self.sensors else {}),
        }

    def seen_until(self, meta: Meta, source: Path) -> "pd.Timestamp | None":
        """Return the time of the latest row that an update has seen; None before the first.

        Args:
            meta: The data set.
            source: The file, for messages.

        Raises:
            UserError: If the file is damaged: its times aren't the data set's.
        """
        import pandas as pd

        times = [pd.Timestamp(done["until"]) for done in self.updates]
        of_run = self.update - len(times)
        if of_run:
            every = self.stream.every or meta.steps_per_day
            last = meta.windows["train"] + meta.windows["val"] + (of_run - 1) * every  # window of the run's last period
            times.append(row_axis(meta, [last + meta.input_len - 1])[0])
        zoned = row_axis(meta, [0]).tz is not None
        wrong = next((time for time in times if (time.tzinfo is not None) != zoned), None)
        if wrong is not None:
            raise damaged(source, f"updated at {wrong}, {meta.name} has rows such as {row_axis(meta, [0])[0]}")
        return max(times, default=None)


@dataclass(frozen=True)
class Start:
    """What an update goes on from.

    Attributes:
        source: The file that was read.
        said: What that is, in words.
        model: With the adapter that is updated, or the backbone alone where the adapter starts at zero; on the CPU.
        stats: ``mean`` and ``std`` of its scaler.
        meta: Its data set, with the sensors that the model knows.
        exp: Protocol ``stream``, with the settings of the adapter and of the updates.
        origin: ``{"key", "configuration"}`` of the run that the new file names.
        service: What was done to it so far.
        moments: The service file with Adam's moments; None before the first update.
    """

    source: Path
    said: str
    model: nn.Module
    stats: dict[str, torch.Tensor]
    meta: Meta
    exp: Experiment
    origin: dict[str, Any]
    service: Service
    moments: Path | None = None

    @property
    def title(self) -> str:
        """Data set, model and seed."""
        return f"{self.exp.dataset}/{self.exp.model} seed {self.service.seed}"


def open_start(
    path: Path,
    data: Path,
    results: Path,
    *,
    backbone: Path | None = None,
    given: Settings | None = None,
    seed: int | None = None,
) -> Start:
    """Open what an update goes on from.

    Args:
        path: The record or model.pt of a finished run, an adapter file or a service file.
        data: Folder of the prepared data sets.
        results: Folder of the runs, for a record without its run's folder beside it.
        backbone: Of a file, the checkpoint with its backbone's weights; None: the model.pt beside it.
        given: Settings ``stream.X``, and ``adapter.X`` where the adapter starts at zero.
        seed: Seeds the updates' draws, before the first; None: that of the run, 0 where it has none.

    Raises:
        UserError: If something is absent or damaged, doesn't belong together, or can't be updated so.
    """
    given = dict(given or {})
    if seed is not None:
        checked_seeds([seed])
    foreign = next((name for name in given if not name.startswith(("stream.", "adapter."))), None)
    if foreign is not None:
        raise UserError(f"--set {foreign}: an update reads stream.X and adapter.X only; leave it out")
    if "stream.every" in given:
        raise UserError("--set stream.every: in service an update is made when you ask for it; leave it out")
    if path.suffix == ".safetensors":
        return _of_file(path, data, backbone, given, seed)
    refuse_backbone(path, backbone)
    run, meta = open_run(path, results, data)
    if run.exp.arm == "finetune":
        raise UserError(
            f"{path} is a run that updated every weight of {run.exp.model}: only an adapter is updated in service; "
            f"give the run of {run.exp.model} that it began with, or one of {run.exp.model}+"
        )
    if run.exp.adapter is None:
        return _of_base(run, meta, data, given, seed)
    assert run.checkpoint is not None
    file = run.checkpoint.parent / (SERVICE if run.exp.protocol == "stream" else ADAPTER)
    if not file.is_file():
        raise UserError(f"{file} is not there, which the updates of {path} go on from: put it back, or repeat the run")
    return _of_file(file, data, run.checkpoint, given, seed)


def _of_base(run: FinishedRun, meta: Meta, data: Path, given: Settings, seed: int | None) -> Start:
    """Begin with an adapter at zero, of the benchmark's settings, on the backbone of a run."""
    base = run.exp
    if base.protocol == "new-sensors":
        raise UserError(
            f"{run.path} is the base of protocol new-sensors, which knows a part of the sensors and has no adapter: "
            f"give a run of {base.model}+ under this protocol, or of {base.model} on all sensors"
        )
    config = config_or_default(base.dataset, f"{base.model}+")[1]
    if not base.backbone.fitted:
        config = replace(config, training=base.training)
    else:  # whose record keeps no setting of training but these
        kept = {name: getattr(base.training, name) for name in (*LENGTHS, "eval_batch_size", "bf16")}
        config = replace(config, training=replace(config.training, **kept))
    config = replace(config, model_settings=base.model_settings).with_protocol("stream")
    exp = config.override(given)
    _refuse_start(given, "zero", run.path)
    refuse_without_effect(exp, config, given)
    exp = settled(exp, meta, data)
    if seed is None:
        seed = run.key.seed or 0
    model, stats = load_model(run, meta, data)
    origin = {"key": run_key(exp, meta, seed).as_dict(), "configuration": configuration(exp)}
    said = f"{run.path}, the adapter at zero"
    return Start(run.path, said, model, stats, meta, exp, origin, Service(0, seed, exp.stream))


def _of_file(path: Path, data: Path, backbone: Path | None, given: Settings, seed: int | None) -> Start:
    """Go on from a service file, or begin with the adapter of an adapter file."""
    origin = read_origin(path)
    content = origin.described.get("service")
    service = None if content is None else Service.of(content, path)
    own = next((name for name in given if name.startswith("adapter.")), None)
    if own is not None:
        raise UserError(f"--set {own}: {path} holds an adapter, whose settings stay; leave it out")
    if service is None and origin.exp.protocol == "stream" and (path.parent / SERVICE).is_file():
        raise UserError(
            f"{path} is the adapter of a stream run, without what its updates go on from: give {path.parent / SERVICE}"
        )
    meta = open_dataset(origin.exp.dataset, data)
    model, stats = load_adapted(origin, meta, data, backbone)
    meta = sensors_of(origin, meta)
    if service is None:
        stream, start = StreamSettings(start="adapted"), "adapted"
    else:
        stream, start = service.stream, service.stream.start
    config = replace(origin.exp.with_protocol("stream"), stream=stream)
    exp = config.override(given)
    _refuse_start(given, start, path)
    if service is None:
        refuse_without_effect(exp, config, given)
    exp = replace(exp, adapter=model.config, arm="plus")  # control and wide are adapters of other settings
    if service is None:
        number = origin.exp.seeds[0] if seed is None else seed
        service = Service(0, number, exp.stream)
    elif seed not in (None, service.seed):
        raise UserError(f"--seed {seed}: {path} is updated with seed {service.seed}; leave it out")
    return Start(
        path,
        f"{'the adapter ' * (content is None)}{path}",
        model,
        stats,
        meta,
        settled(exp, meta, data),
        origin.described["origin"],
        replace(service, stream=exp.stream),
        path if service.update else None,
    )


def _refuse_start(given: Settings, start: str, path: Path) -> None:
    if given.get("stream.start", start) != start:
        raise UserError(f"--set stream.start={given['stream.start']}: {path} starts from '{start}'; leave it out")


def damaged(path: Path, why: str) -> UserError:
    """Return the error about a service file whose account of itself is wrong."""
    return UserError(
        f"service file {path} is damaged (what was done to it: {why}): put back a whole copy, or go on from an older "
        "one"
    )
