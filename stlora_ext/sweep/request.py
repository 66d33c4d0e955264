"""What sweep.py makes its plan from: the data sets, the models, their configs, and what can't run together."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from stlora_ext.config import registry
from stlora_ext.config.config_file import config_or_default, config_path
from stlora_ext.config.experiment import ArmName, Experiment, ProtocolName
from stlora_ext.config.nearest_config import model_of
from stlora_ext.config.without_effect import Idle, without_effect
from stlora_ext.data.available import open_dataset, prepared_sets
from stlora_ext.data.catalog import how_to_get
from stlora_ext.data.names import check_dataset_name
from stlora_ext.data.prepared import SPLITS, Meta, load_split
from stlora_ext.errors import UserError, nearest
from stlora_ext.folders import ROOT
from stlora_ext.runs.build import build_model, host_config
from stlora_ext.runs.options import RunOptions
from stlora_ext.sweep.job import Job
from stlora_ext.sweep.plan import ARMS_OF, in_order, jobs_of, settings_for, variants

ALL = "all"
_NEW: ProtocolName = "new-sensors"


@dataclass(frozen=True)
class Request:
    """What the user asked for.

    Attributes:
        datasets: Names, globs, or ``all``.
        models: Names, globs, or ``all``.
        without: Names or globs of backbones to leave out.
        protocols: ``joint``, ``adapt``, ``stream``, ``new-sensors``; None: what the configs say.
        arms: Arms of models with adapter.
        settings: Settings as ``Experiment.override`` takes them.
        data: Folder of the prepared data sets.
        compiled: Whether the models run through ``torch.compile``.
        cuda_graphs: Whether a GPU replays recorded training steps.
        extra: Further arguments of every ``run.py``.
        splits: Under ``new-sensors``, draws of the sensors that are set aside; none: the settings' one.
    """

    datasets: Sequence[str]
    models: Sequence[str]
    without: Sequence[str]
    protocols: Sequence[ProtocolName] | None
    arms: Sequence[ArmName]
    settings: Mapping[str, Any]
    data: Path
    compiled: bool = False
    cuda_graphs: bool = False
    extra: Sequence[str] = ()
    splits: Sequence[int] = ()

    def by_ability(self) -> Iterator["Request"]:
        """Yield the request protocol by protocol where a model may be unable to run under it, draw by draw."""
        others = [protocol for protocol in self.protocols or () if protocol != _NEW]
        if others or self.protocols is None:
            yield replace(self, protocols=self.protocols and others)
        if _NEW in (self.protocols or ()):
            draws: list[Mapping[str, Any]] = [{"new_sensors.split": split} for split in self.splits] or [{}]
            for draw in draws:
                yield replace(self, protocols=[_NEW], settings={**self.settings, **draw})


@dataclass
class Plan:
    """What will run.

    Attributes:
        jobs: The jobs, in order.
        left_out: What a glob matched but can't run, and why.
        settings: Models that use a setting, by setting; those that all models use are left out.
    """

    jobs: list[Job] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    settings: dict[str, list[str]] = field(default_factory=dict)


def make_plan(request: Request) -> Plan:
    """Plan the jobs.

    Raises:
        UserError: If a name is unknown, a data set that is named isn't there, a model that is named can't run on one
            that is named, no model has a setting, or nothing remains.
    """
    _refuse_idle(request)
    plan, jobs = Plan(), []
    folders = {path.parent.name for path in (ROOT / "experiments").glob("*/*.py")}
    datasets = _chosen("datasets", request.datasets, sorted(folders.union(prepared_sets(request.data))))
    registered = registry.models()  # now: run.py doesn't know what a config registers that it isn't given
    configs = {dataset: _configs(dataset) for dataset in datasets}
    known = list(dict.fromkeys([*registered, *(name for names in configs.values() for name in names)]))
    models = _chosen("models", request.models, known)
    for word in request.without:
        left = [model for model in models if not fnmatchcase(model.removesuffix("+"), word)]
        if len(left) == len(models):
            raise UserError(f"--without {word}: none of the models has this name; they are {', '.join(models)}")
        models = {model: models[model] for model in left}
    asked: dict[str, list[str]] = {key: [] for key in request.settings if key != "seeds"}
    idle: dict[str, Idle] = {}
    seen: list[str] = []
    for dataset, dataset_named in datasets.items():
        try:
            meta = _dataset(dataset, request.data)
        except UserError as error:
            if dataset_named:
                raise
            plan.left_out.append((dataset, str(error)))
            continue
        for model, model_named in models.items():
            known_here = model in registered or model in configs[dataset]
            if not (known_here or model_named):
                continue
            try:
                if not known_here:
                    raise UserError(
                        f"--models {model}: it isn't registered, and {dataset} has no config of it: write "
                        f"{config_path(dataset, model)}, or name the file that registers it, --plugins FILE"
                    )
            except UserError as error:
                _leave_out(plan, f"{dataset}/{model}", error, dataset_named and model_named)
                continue
            for part in request.by_ability():
                try:
                    jobs += _jobs(dataset, model, meta, part, asked, idle)
                    seen.append(model)
                except UserError as error:
                    _leave_out(plan, f"{dataset}/{model}", error, dataset_named and model_named)
                    break
    if not jobs:
        reasons = [f"{what}: {why}" for what, why in plan.left_out] or [
            f"none of --arms {' '.join(request.arms)} is one of a model without adapter under protocol "
            f"{' or '.join(request.protocols or ('joint',))}; give NAME+ as --models, or --arms base"
        ]
        raise UserError("nothing of this can run: " + "; ".join(reasons))
    for key, having in asked.items():
        if not having and key in idle:
            raise UserError(f"--set {key}: it has no effect, because {idle[key].why}; {idle[key].remedy}")
        if not having:
            raise UserError(f"--set {key}: none of the models has this setting ({', '.join(dict.fromkeys(seen))})")
        if set(having) != set(seen):
            plan.settings[key] = list(dict.fromkeys(having))
    plan.jobs = in_order(jobs)
    return plan


def _leave_out(plan: Plan, what: str, error: UserError, named: bool) -> None:
    """Note what can't run, and why.

    Raises:
        UserError: If the user named it.
    """
    if named:
        raise error
    plan.left_out.append((what, str(error)))


def _refuse_idle(request: Request) -> None:
    """Refuse arms that none of the protocols has, and draws that nothing reads."""
    protocols = request.protocols or ("joint",)
    for arm in request.arms:
        having = [protocol for protocol, arms in ARMS_OF.items() if arm in arms and protocol != "fitted"]
        if not set(having) & set(protocols):
            raise UserError(
                f"--arms {arm}: not an arm of protocol {' or '.join(protocols)}, but of {', '.join(having)}; leave "
                f"it out, or give --protocols {having[-1]}"
            )
    if request.splits and _NEW not in protocols:
        raise UserError(f"--splits: only --protocols {_NEW} sets sensors aside; leave it out")
    for name in ("split", "names"):
        if request.splits and f"new_sensors.{name}" in request.settings:
            raise UserError(
                f"--splits: --set new_sensors.{name} says which sensors are set aside; leave one of them out"
            )


def _chosen(option: str, words: Iterable[str], names: Sequence[str]) -> dict[str, bool]:
    """Return the names that ``words`` mean, and whether each is named itself rather than by a glob."""
    chosen: dict[str, bool] = {}
    for word in words:
        matching = [word] if word in names else [name for name in names if word == ALL or fnmatchcase(name, word)]
        if not matching:
            globbed = bool(set(word) & set("*?["))
            if option == "datasets" and not globbed:
                check_dataset_name(word)
            own = "" if option == "models" or globbed else f"; for data of your own, {how_to_get(word)}"
            raise UserError(f"--{option} {word}: no such name, {nearest(word, [*names, ALL])}{own}")
        for name in matching:
            chosen[name] = chosen.get(name, False) or name == word
    return chosen


def _configs(dataset: str) -> list[str]:
    """Return the models that have a config file for the data set."""
    return [model_of(path.name) for path in sorted((ROOT / "experiments" / dataset).glob("*.py"))]


def _dataset(name: str, data: Path) -> Meta:
    meta = open_dataset(check_dataset_name(name), data)
    for split in SPLITS:
        load_split(data, meta, split, memmap=True)
    return meta


def _jobs(
    dataset: str, model: str, meta: Meta, request: Request, asked: dict[str, list[str]], idle: dict[str, Idle]
) -> list[Job]:
    """Return the jobs of one model on one data set, and the base runs that they adapt.

    A setting that would change nothing in a job isn't given to it. ``asked`` takes in the models that use each
    setting, ``idle`` why others don't.
    """
    path, config = config_or_default(dataset, model)
    settings = settings_for(config, request.settings)
    options = RunOptions(request.data, compiled=request.compiled, cuda_graphs=request.cuda_graphs)
    jobs: list[Job] = []
    useful: set[str] = set()

    def cases(chosen: Mapping[str, Any]) -> list[Experiment]:
        return variants(config.override(chosen), request.protocols, request.arms)

    for index, exp in enumerate(cases(settings)):
        without = without_effect(exp, config, settings)
        idle.update(without)
        useful |= settings.keys() - without.keys()
        if without:
            used = {key: value for key, value in settings.items() if key not in without}
            for setting in without.values():
                used.update(setting.instead)
            exp = cases(used)[index]
        host_config(exp, meta, None, options)
        build_model(exp, meta, request.data)
        own = jobs_of(exp, config, path, meta, compiled=request.compiled, extra=request.extra)
        jobs += own
        if any(job.needs is not None for job in own):
            jobs += jobs_of(
                exp.trained(), config, path, meta, compiled=request.compiled, extra=request.extra, added=True
            )
    for key in useful & asked.keys():
        asked[key].append(model)
    return jobs
