"""One experiment: a data set, a model and how it is trained; and the host configuration that follows from it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Optional

from basicts.runners.callback import EarlyStopping, GradientClipping
from torch.optim import Adam
from torch.optim.lr_scheduler import MultiStepLR

from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError, nearest
from stlora_ext.host.config import ForecastingConfig
from stlora_ext.registry import Backbone, get_backbone
from stlora_ext.settings import TrainingSettings, checked, field_names

DEFAULT_SEEDS = (0, 1, 2, 3, 4)
# Fields of a model's config that follow from the data and the window, not from the user.
_DERIVED = ("num_nodes", "input_len", "output_len", "steps_per_day")


@dataclass(frozen=True)
class Experiment:
    """What one config file says.

    Attributes:
        dataset: Name of the data set.
        model: Registered name of the model.
        training: How it is trained.
        model_settings: Fields of the model's config that differ from its defaults.
        seeds: Seeds that run unless others are asked for.
    """

    dataset: str
    model: str
    training: TrainingSettings
    model_settings: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = DEFAULT_SEEDS

    @property
    def backbone(self) -> Backbone:
        """The registered backbone."""
        return get_backbone(self.model)

    @property
    def protocol(self) -> str:
        """How the weights come about: ``fitted`` or ``joint``."""
        return "fitted" if self.backbone.fitted else "joint"

    @property
    def arm(self) -> str:
        """Which arm of the comparison this is."""
        return "base"

    @property
    def cell_seeds(self) -> tuple[Optional[int], ...]:
        """The seeds to run; ``(None,)`` where no seed changes the result."""
        return (None,) if self.backbone.deterministic else self.seeds

    def override(self, values: Mapping[str, Any]) -> "Experiment":
        """Return the experiment with settings replaced; ``model.X`` names field X of the model's config.

        Raises:
            UserError: On an unknown key, with the nearest one, or a value of another type.
        """
        training, model, seeds = {}, {}, self.seeds
        for key, value in values.items():
            if key == "seeds":
                seeds = tuple(value)
            elif key.startswith("model."):
                model[key.removeprefix("model.")] = value
            else:
                training[key] = value
        settable = [name for name in field_names(self.backbone.config) if name not in _DERIVED]
        for key in model:
            if key not in settable:
                raise UserError(f"unknown key 'model.{key}' of {self.model}: {nearest(key, settable)}"
                                if settable else f"unknown key 'model.{key}': {self.model} has no settings")
        for key in training:
            known = [*field_names(TrainingSettings), "seeds", *(f"model.{name}" for name in settable)]
            if key not in known:
                raise UserError(f"unknown key '{key}': {nearest(key, known)}")
        return replace(self, seeds=seeds, training=replace(self.training, **checked(TrainingSettings, training)),
                       model_settings={**self.model_settings, **checked(self.backbone.config, model, "model.")})


def experiment(dataset: str, model: str, **settings: Any) -> Experiment:
    """Describe an experiment; a config file holds one, named ``CFG``.

    Args:
        dataset: Name of the data set, a folder under ``datasets/``.
        model: Registered name of the model.
        **settings: Fields of ``TrainingSettings`` that differ from the model's published settings; ``seeds``;
            and ``model_settings={...}`` with fields of the model's config.

    Raises:
        UserError: On an unknown name or a value of another type.
    """
    model_settings = settings.pop("model_settings", {})
    base = Experiment(dataset, model, get_backbone(model).training)
    return base.override({**settings, **{f"model.{key}": value for key, value in model_settings.items()}})


def model_config(exp: Experiment, meta: Meta) -> Any:
    """Build the config of the model's architecture from the experiment and the data set."""
    derived = {"num_nodes": meta.num_nodes, "steps_per_day": meta.steps_per_day,
               "input_len": exp.training.input_len, "output_len": exp.training.output_len}
    names = field_names(exp.backbone.config)
    return exp.backbone.config(**{name: value for name, value in derived.items() if name in names},
                               **exp.model_settings)


def host_config(exp: Experiment, meta: Meta, data_dir: Path, seed: Optional[int], gpus: Optional[str] = None,
                run_dir: Optional[Path] = None, save_results: bool = False) -> ForecastingConfig:
    """Build the host's configuration of one run.

    Raises:
        UserError: If the data set was prepared for other window lengths.
    """
    training = exp.training
    if (training.input_len, training.output_len) != (meta.input_len, meta.output_len):
        raise UserError(f"input_len={training.input_len}, output_len={training.output_len}: {meta.name} was "
                        f"prepared for {meta.input_len} and {meta.output_len}; prepare it again under another name "
                        f"with --input-len {training.input_len} --output-len {training.output_len}")
    callbacks = [EarlyStopping(training.patience)]
    if training.clip_grad_norm is not None:
        callbacks.append(GradientClipping(training.clip_grad_norm))
    schedule = {}
    if training.lr_milestones:
        schedule = {"lr_scheduler": MultiStepLR, "lr_scheduler_params": {
            "milestones": list(training.lr_milestones), "gamma": training.lr_gamma}}
    title = f"{exp.dataset}/{exp.model}" + ("" if seed is None else f" seed {seed}")
    return ForecastingConfig(
        model=exp.backbone.arch, model_config=model_config(exp, meta),
        dataset_name=meta.name,
        dataset_params={"dataset_name": meta.name, "input_len": training.input_len, "output_len": training.output_len,
                        "use_timestamps": True, "memmap": False, "data_file_path": str(data_dir / meta.name)},
        null_val=meta.null_val, callbacks=callbacks, num_epochs=training.num_epochs, val_interval=training.val_interval,
        optimizer=Adam, optimizer_params={"lr": training.lr, "weight_decay": training.weight_decay}, **schedule,
        train_batch_size=training.batch_size, val_batch_size=training.eval_batch_size,
        test_batch_size=training.eval_batch_size, eval_horizons=[3, 6, 12], seed=0 if seed is None else seed,
        gpus=gpus or None, save_results=save_results, ckpt_save_dir=str(run_dir) if run_dir else ".",
        data_fingerprint=meta.fingerprint, run_title=title)


def configuration(exp: Experiment) -> dict[str, Any]:
    """Return what a record keeps of the experiment: every setting, as plain values."""
    config = exp.backbone.config
    defaults = {name: getattr(config, name, None) for name in field_names(config) if name not in _DERIVED}
    return {"training": asdict(exp.training), "model": {**defaults, **exp.model_settings}}
