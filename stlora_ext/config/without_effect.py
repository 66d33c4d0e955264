"""Settings that a user gives and that change nothing in the run: a mistake, or a second key for the same result."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from stlora_ext.config.stream import ADAPTER_LR
from stlora_ext.config.training import CURRICULUM_EPOCHS, FROZEN_LR, TrainingSettings
from stlora_ext.errors import UserError

if TYPE_CHECKING:
    from stlora_ext.config.experiment import Experiment  # which refuses what this module finds


class Idle(NamedTuple):
    """Why a setting changes nothing, and the setting in its place that says the same; none: it is left out."""

    why: str
    instead: Mapping[str, Any] = {}

    @property
    def remedy(self) -> str:
        """What to do about it, in words."""
        return (
            "".join(f"{key}={str(value).replace(' ', '')} says the same" for key, value in self.instead.items())
            or "leave it out"
        )


def refuse_without_effect(exp: "Experiment", config: "Experiment", given: Mapping[str, Any]) -> None:
    """Refuse the first of the settings that were given and change nothing.

    Raises:
        UserError: On such a setting, with the reason and the remedy.
    """
    for key, idle in without_effect(exp, config, given).items():
        raise UserError(f"{key}={given[key]}: it has no effect, because {idle.why}; {idle.remedy}")


def without_effect(exp: "Experiment", config: "Experiment", given: Mapping[str, Any]) -> dict[str, Idle]:
    """Return the settings that were given and change nothing.

    A setting that says what the config says anyway isn't one of them: it changes no key either.

    Args:
        exp: The experiment, with these settings, in its arm and protocol.
        config: What it is without them.
        given: The settings, by the keys that ``Experiment.override`` takes.
    """
    idle = dict(_of_run(exp, config))
    if exp.adapter is None:
        why = f"{exp.model} has no adapter, which {exp.model}+ has"
        idle |= {key: Idle(why) for key in given if key == "adapter_lr" or key.startswith("adapter.")}

    def said(experiment: "Experiment") -> tuple[Any, ...]:
        # The settings of an experiment hold those of its own protocol alone.
        return experiment.settings, experiment.stream, experiment.new_sensors

    return {key: idle[key] for key in given if key in idle and said(config.override({key: given[key]})) != said(config)}


def _of_run(exp: "Experiment", config: "Experiment") -> Iterator[tuple[str, Idle]]:
    """Yield the settings that change nothing in this run, whoever gives them."""
    if exp.protocol != "fitted":
        yield from _schedule(exp.training, config.training)
        yield from _stopping(exp.training, config.training)
    if exp.protocol == "stream":
        yield from _stream(exp)
    else:
        yield from ((f"stream.{name}", Idle("only --protocol stream updates a model")) for name in vars(exp.stream))
    if exp.protocol == "new-sensors":
        yield from _new_sensors(exp)
    else:
        why = "only --protocol new-sensors sets sensors aside"
        yield from ((f"new_sensors.{name}", Idle(why)) for name in vars(exp.new_sensors))
    if exp.protocol == "adapt" and (exp.backbone.fitted or exp.backbone_from is not None):
        yield "lr", Idle("the backbone isn't trained, and adapter_lr is the adapter's")
        yield "weight_decay", Idle("the backbone isn't trained, and the adapter has none")
    if exp.adapter is not None:
        usual = FROZEN_LR if exp.protocol in ("adapt", "new-sensors") else exp.training.lr
        if exp.protocol == "stream":
            yield "adapter_lr", Idle("under --protocol stream the adapter's learning rate is stream.lr")
        elif exp.training.adapter_lr == usual:
            yield "adapter_lr", Idle(f"the adapter's learning rate is {usual:g} without it")
        if exp.adapter.alpha == exp.adapter.rank:
            yield "adapter.alpha", Idle(f"it is the rank, {exp.adapter.rank}, without it")
        if exp.adapter.sharing != "embedding":
            yield "adapter.num_embeddings", Idle(f"adapter.sharing={exp.adapter.sharing} has no embeddings")
        if exp.adapter.sharing == "none":
            yield "adapter.row_dropout", Idle("adapter.sharing=none has no rows")
        if exp.adapter.rank == 1:
            yield "adapter.rank_stabilised", Idle("adapter.rank=1 is its own square root")
    for name, condition in exp.backbone.unused.items():
        if condition is None:
            yield f"model.{name}", Idle(f"nothing of {exp.backbone.name} reads it")
        elif exp.settings["model"].get(condition[0]) == condition[1]:
            yield f"model.{name}", Idle(f"model.{condition[0]}={condition[1]}")


_OF_STEPS = ("memory", "lr", "batch_size", "recency", "node_decay")


def _stream(exp: "Experiment") -> Iterator[tuple[str, Idle]]:
    if exp.arm == "base":
        yield from (
            (f"stream.{name}", Idle("the base arm is never updated")) for name in vars(exp.stream) if name != "every"
        )
    if exp.arm == "finetune":
        yield from ((f"stream.{name}", Idle("finetune has no adapter")) for name in ("node_decay", "start"))
    if exp.arm in ("control", "wide") or (exp.adapter is not None and exp.adapter.sharing == "none"):
        yield "stream.node_decay", Idle("there are no per-node weights")
    if exp.stream.steps == 0:
        yield from ((f"stream.{name}", Idle("stream.steps=0 updates nothing")) for name in _OF_STEPS)
    if exp.stream.lr == (ADAPTER_LR if exp.adapter is not None else exp.training.lr / 10):
        yield "stream.lr", Idle(f"it is {exp.stream.lr:g} without it")
    if exp.stream.batch_size == exp.training.batch_size:
        yield "stream.batch_size", Idle(f"it is the backbone's, {exp.stream.batch_size}, without it")


def _new_sensors(exp: "Experiment") -> Iterator[tuple[str, Idle]]:
    if exp.arm != "plus":
        yield from ((f"new_sensors.{name}", Idle(f"the arm {exp.arm} fits nothing")) for name in ("days", "iterations"))
    if exp.new_sensors.names:
        yield from ((f"new_sensors.{name}", Idle("new_sensors.names is given")) for name in ("share", "split"))


def _schedule(training: TrainingSettings, config: TrainingSettings) -> Iterator[tuple[str, Idle]]:
    epochs = training.num_epochs
    kept, usual = (
        [epoch for epoch in settings.lr_milestones if 0 <= epoch < epochs] for settings in (training, config)
    )
    if kept == usual:
        yield "lr_milestones", Idle(f"those of the config lower the learning rate alike in {epochs} epochs")
    elif len(kept) < len(training.lr_milestones):
        late = next(epoch for epoch in training.lr_milestones if epoch not in kept)
        yield "lr_milestones", Idle(f"no epoch of {epochs} comes after {late}", {"lr_milestones": kept})
    if not kept:
        yield "lr_gamma", Idle(f"no milestone (lr_milestones) comes before the last of {epochs} epochs")
    warm_up = training.curriculum_warm_up
    if epochs < CURRICULUM_EPOCHS:
        why = f"a run of fewer than {CURRICULUM_EPOCHS} epochs has no curriculum"
        yield from (("curriculum_warm_up", Idle(why)), ("curriculum_every", Idle(why)))
    elif warm_up is None:
        yield "curriculum_every", Idle("there is no curriculum (curriculum_warm_up=None)")
    elif warm_up >= epochs:
        why = f"the curriculum would begin after the last of {epochs} epochs"
        yield "curriculum_warm_up", Idle(why, {"curriculum_warm_up": None})
        yield "curriculum_every", Idle(why)


def _stopping(training: TrainingSettings, config: TrainingSettings) -> Iterator[tuple[str, Idle]]:
    epochs = training.num_epochs
    if training.val_interval > epochs:
        yield "val_interval", Idle(f"the last of {epochs} epochs is validated anyway", {"val_interval": epochs})
    validations = -(-epochs // training.val_interval)

    def never(patience: int) -> bool:
        return patience + 1 >= validations

    if never(training.patience):
        why = f"a run of {epochs} epochs ends before it runs out"
        if never(config.patience):
            yield "patience", Idle(f"{why}, as before the usual {config.patience}")
        elif training.patience != epochs:
            yield "patience", Idle(why, {"patience": epochs})
