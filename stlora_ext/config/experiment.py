"""One experiment: a data set, a model and how it is trained."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from stlora_ext.config.backbone import Backbone
from stlora_ext.config.new_sensors import NewSensorsSettings
from stlora_ext.config.registry import get_backbone
from stlora_ext.config.stream import StreamSettings
from stlora_ext.config.training import LENGTHS, TrainingSettings
from stlora_ext.config.without_effect import refuse_without_effect
from stlora_ext.data.names import check_dataset_name
from stlora_ext.errors import UserError, nearest
from stlora_ext.fields import checked, field_names
from stlora_ext.lora.settings import STLoRAConfig

DEFAULT_SEEDS = (0, 1, 2, 3, 4)
LARGEST_SEED = 2**32 - 1  # that numpy takes
PROTOCOLS = ("joint", "adapt", "stream", "new-sensors")
# The benchmark's adapter: the best validation error among the settings that add at most 1 % to AGCRN at 170 nodes
# (docs/adapter_settings.md). STLoRAConfig itself takes no times, which a module attached by hand may not be given.
ADAPTER = STLoRAConfig(time_of_day=True, day_of_week=True, activation="relu")
# Fields of a model's config that follow from the data and the window, not from the user, in our names and BasicTS's.
DERIVED = (
    "num_nodes",
    "num_features",
    "enc_in",
    "input_len",
    "output_len",
    "steps_per_day",
    "num_time_in_day",
    "num_timestamps",
    "timestamp_sizes",
    "graph_path",
)


ArmName = Literal["base", "plus", "control", "wide", "finetune", "full"]
ProtocolName = Literal["fitted", "joint", "adapt", "stream", "new-sensors"]


@dataclass(frozen=True)
class Experiment:
    """What one config file says.

    Attributes:
        dataset: Name of the data set.
        model: Name of the model, with "+" where it carries an adapter.
        training: How it is trained.
        model_settings: Fields of the backbone's config that differ from its defaults.
        adapter: Settings of the adapter; None without one.
        arm: ``base``, or ``finetune`` under ``stream``, without adapter; ``plus``, ``control`` or ``wide`` with one.
        protocol: ``joint``, ``adapt``, ``stream``, or ``fitted`` for a fitted backbone without adapter.
        backbone_from: For ``adapt`` and ``stream``, the checkpoint of the trained backbone, ``{seed}`` standing for the
            run's seed; None: the one that the base arm's run of the same seed and settings has written.
        adapter_from: For ``stream`` with ``start="adapted"``, the checkpoint of the adapter that it starts from; None:
            that of the run under ``adapt`` of the same seed and settings.
        seeds: Seeds that run unless others are asked for.
        stream: How it is updated under ``stream``.
        new_sensors: Which sensors are set aside under ``new-sensors``, and how their weights are fitted.
    """

    dataset: str
    model: str
    training: TrainingSettings
    model_settings: Mapping[str, Any] = field(default_factory=dict)
    adapter: STLoRAConfig | None = None
    arm: ArmName = "base"
    protocol: ProtocolName = "joint"
    backbone_from: str | None = None
    adapter_from: str | None = None
    seeds: tuple[int, ...] = DEFAULT_SEEDS
    stream: StreamSettings = StreamSettings()
    new_sensors: NewSensorsSettings = NewSensorsSettings()

    @property
    def backbone(self) -> Backbone:
        """The registered backbone."""
        return get_backbone(self.model)

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting, as plain values."""
        return configuration(self)

    @property
    def run_seeds(self) -> tuple[int | None, ...]:
        """The seeds to run; ``(None,)`` where no seed changes the result."""
        return (None,) if self.backbone.deterministic and self.arm == "base" else self.seeds

    @property
    def adapts(self) -> bool:
        """Whether its run goes on from the weights of another one, that of ``trained()``."""
        if self.protocol == "new-sensors":
            return self.arm != "base"
        return self.protocol == "stream" or (self.protocol == "adapt" and not self.backbone.fitted)

    def override(self, values: Mapping[str, Any]) -> "Experiment":
        """Return the experiment with settings replaced.

        Args:
            values: Fields of ``TrainingSettings``; ``model.X``, field X of the backbone's config; ``adapter.X``,
                field X of ``STLoRAConfig``; ``stream.X``, field X of ``StreamSettings``;
                ``new_sensors.X``, field X of ``NewSensorsSettings``; ``seeds``.

        Raises:
            UserError: On an unknown key, with the nearest one, or a value of another type.
        """
        groups: dict[str, dict[str, Any]] = {"": {}, "model": {}, "adapter": {}, "stream": {}, "new_sensors": {}}
        rest = {key: value for key, value in values.items() if key != "seeds"}
        known = [*field_names(TrainingSettings), "seeds", *(f"model.{name}" for name in self._model_fields())]
        if self.adapter is not None:
            known += [f"adapter.{name}" for name in field_names(STLoRAConfig) if name not in DERIVED]
        known += [f"stream.{name}" for name in field_names(StreamSettings)]
        known += [f"new_sensors.{name}" for name in field_names(NewSensorsSettings)]
        for key, value in rest.items():
            if key not in known:
                raise UserError(f"unknown key '{key}': {nearest(key, known)}")
            group, _, name = key.rpartition(".")
            groups[group][name] = value
        adapter = self.adapter
        if adapter is not None:
            adapter = replace(adapter, **checked(STLoRAConfig, groups["adapter"], "adapter."))
        training = replace(self.training, **checked(TrainingSettings, groups[""]))
        if self.protocol == "fitted":
            training = _without_training(training)
        return replace(
            self,
            seeds=checked_seeds(values.get("seeds", self.seeds)),
            adapter=adapter,
            training=training,
            stream=replace(self.stream, **checked(StreamSettings, groups["stream"], "stream.")),
            new_sensors=replace(self.new_sensors, **checked(NewSensorsSettings, groups["new_sensors"], "new_sensors.")),
            model_settings={**self.model_settings, **checked(self.backbone.config, groups["model"], "model.")},
        )

    def trained(self) -> "Experiment":
        """Return the experiment whose run trains, or fits, the backbone alone."""
        base = replace(
            self,
            model=self.model.removesuffix("+"),
            adapter=None,
            arm="base",
            backbone_from=None,
            adapter_from=None,
            training=replace(self.training, adapter_lr=None),
        )
        if self.backbone.fitted:
            return replace(base, protocol="fitted", training=_without_training(self.training))
        if self.protocol == "new-sensors" and self.arm != "full":
            return replace(base, new_sensors=self.new_sensors.of_split())
        return replace(base, protocol="joint")

    def with_arm(self, arm: ArmName) -> "Experiment":
        """Return the experiment in another arm; ``base`` and ``finetune`` drop the adapter.

        Raises:
            UserError: If the model carries no adapter, or what would be updated isn't trained by steps.
        """
        if arm == "finetune" and self.protocol != "stream":
            raise UserError(f"--arm finetune: only --protocol stream updates a trained {self.model}")
        if arm == "finetune" and self.backbone.fitted:
            raise UserError(
                f"--arm finetune: {self.backbone.name} is fitted once, not trained by steps; its adapter is "
                f"updated, --arm plus of {self.backbone.name}+"
            )
        if arm == "full" and self.protocol != "new-sensors":
            raise UserError("--arm full: only --protocol new-sensors has it, training on all sensors; leave it out")
        if arm == "wide" and self.protocol == "new-sensors":
            raise UserError("--arm wide: --protocol new-sensors has the arms base, control, plus and full")
        if arm in ("base", "finetune"):
            base = self.trained()
            if self.protocol == "stream":
                stream = self.stream.of_base() if arm == "base" else self.stream.of_finetune()
                return replace(base, protocol="stream", arm=arm, backbone_from=self.backbone_from, stream=stream)
            return base
        if self.adapter is None:
            raise UserError(
                f"--arm {arm}: {self.model} carries no adapter; give the config of {self.model}+, "
                f"experiments/{self.dataset}/{self.model}_LoRA.py"
            )
        if self.protocol == "new-sensors" and arm in ("control", "full"):
            return replace(self, arm=arm, new_sensors=self.new_sensors.of_split())
        if self.protocol == "stream" and arm in ("control", "wide"):
            return replace(self, arm=arm, stream=replace(self.stream, node_decay=0.0))
        return replace(self, arm=arm)

    def with_protocol(self, protocol: ProtocolName, backbone_from: str | None = None) -> "Experiment":
        """Return the experiment under another protocol; under ``stream`` ``with_arm`` keeps what its arm reads.

        Raises:
            UserError: If the model can't be trained by it, or a trained backbone is named where none is needed.
        """
        if self.adapter is None and protocol not in ("stream", "new-sensors"):
            raise UserError(
                f"--protocol {protocol}: {self.model} carries no adapter to train; give the config of "
                f"{self.model.removesuffix('+')}+"
            )
        if protocol == "joint" and self.backbone.fitted:
            raise UserError(
                f"--protocol joint: {self.backbone.name} is fitted, not trained; its adapter is trained "
                "with --protocol adapt"
            )
        if protocol == "stream":
            training = replace(self.training, adapter_lr=None)
            return replace(self, protocol=protocol, backbone_from=backbone_from, training=training)
        if protocol == "new-sensors":
            if self.backbone.fitted:
                raise UserError(
                    f"--protocol new-sensors: {self.backbone.name} is fitted, and this protocol trains its backbone by "
                    "steps, without the sensors that are set aside; name a trained model"
                )
            if backbone_from is not None:
                raise UserError(
                    f"--from {backbone_from}: --protocol new-sensors trains its backbone without the sensors that are "
                    "set aside; leave --from out"
                )
            new_sensors = self.new_sensors.of_split() if self.adapter is None else self.new_sensors
            return replace(self, protocol=protocol, new_sensors=new_sensors)
        if backbone_from is not None and self.backbone.fitted:
            raise UserError(
                f"--from {backbone_from}: {self.backbone.name} is fitted to the data of the run itself; "
                "leave --from out"
            )
        if backbone_from is not None and protocol == "joint":
            raise UserError(f"--from {backbone_from}: only --protocol adapt and stream start from a trained backbone")
        return replace(self, protocol=protocol, backbone_from=backbone_from)

    def with_lengths(self, input_len: int, output_len: int) -> "Experiment":
        """Return the experiment with the lengths of a window, and what follows from them, filled in."""
        follow = self.backbone.following(input_len, output_len)
        training = replace(self.training, input_len=input_len, output_len=output_len)
        adapter = self.adapter
        if adapter is not None:
            adapter = replace(adapter, input_len=input_len, output_len=output_len)
        return replace(self, training=training, model_settings={**follow, **self.model_settings}, adapter=adapter)

    def _model_fields(self) -> list[str]:
        return [name for name in field_names(self.backbone.config) if name not in DERIVED]


def checked_seeds(seeds: Any) -> tuple[int, ...]:
    """Return ``seeds`` as a tuple.

    Raises:
        UserError: If they aren't whole numbers that a generator takes, at least one.
    """
    if (
        not isinstance(seeds, (list, tuple, range))
        or not seeds
        or not all(type(seed) is int and 0 <= seed <= LARGEST_SEED for seed in seeds)
    ):
        raise UserError(f"seeds={seeds!r}: expected whole numbers from 0 to {LARGEST_SEED}, such as [0, 1, 2]")
    return tuple(seeds)


def _without_training(training: TrainingSettings) -> TrainingSettings:
    # What a fitted model ignores must not set its runs apart.
    kept = (*LENGTHS, "eval_batch_size", "bf16")
    return TrainingSettings(**{name: getattr(training, name) for name in kept})


def experiment(
    dataset: str,
    model: str,
    *,
    model_settings: Mapping[str, Any] | None = None,
    adapter: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Experiment:
    """Describe an experiment; a config file holds one, named ``CFG``.

    Args:
        dataset: Name of the data set, a folder under ``datasets/``.
        model: Registered name of the backbone; "NAME+" with an adapter.
        model_settings: Fields of the backbone's config that differ from the published settings.
        adapter: Fields of ``STLoRAConfig`` that differ from ``ADAPTER``; for "NAME+" only.
        **settings: Fields of ``TrainingSettings`` that differ from the published settings; ``seeds``.

    Raises:
        UserError: On an unknown name or a value of another type.
    """
    check_dataset_name(dataset)
    backbone = get_backbone(model)
    base = Experiment(
        dataset, model, backbone.training, backbone.settings, protocol="fitted" if backbone.fitted else "joint"
    )
    if model.endswith("+"):
        base = replace(base, adapter=ADAPTER, arm="plus", protocol="adapt" if backbone.fitted else "joint")
    given = {
        **settings,
        **{f"model.{key}": value for key, value in (model_settings or {}).items()},
        **{f"adapter.{key}": value for key, value in (adapter or {}).items()},
    }
    exp = base.override(given)
    refuse_without_effect(exp, base, given)
    return exp


def configuration(exp: Experiment) -> dict[str, Any]:
    """Return what a record keeps of the experiment, which has its lengths: every setting, as plain values."""
    config = exp.backbone.config
    defaults = {name: getattr(config, name, None) for name in field_names(config) if name not in DERIVED}
    settings = {"training": asdict(exp.training), "model": {**defaults, **exp.model_settings}}
    if exp.adapter is not None:
        settings["adapter"] = exp.adapter.as_dict()
    if exp.protocol == "stream":
        settings["stream"] = asdict(exp.stream)
    if exp.protocol == "new-sensors":
        settings["new_sensors"] = asdict(exp.new_sensors)
    return settings
