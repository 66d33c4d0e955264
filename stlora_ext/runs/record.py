"""The record of a finished run, part by part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stlora_ext.runs.key import RunKey, checked_key
from stlora_ext.runs.record_check import NoRecordError, first_problem

Metrics = Mapping[str, float | None]  # by name; None where no target counts


@dataclass(frozen=True)
class Periods:
    """Errors on the test set per period, summed over steps and nodes; a window counts where its first target lies.

    Attributes:
        every: Steps of a period.
        absolute: Sum of the absolute errors of each.
        squared: Sum of the squared errors of each.
        count: Targets of each.
    """

    every: int
    absolute: Sequence[float]
    squared: Sequence[float]
    count: Sequence[int]


@dataclass(frozen=True)
class Scores:
    """Errors on the test set, on the original scale.

    Attributes:
        average: Pooled over all steps.
        horizons: Of each step.
        nodes: Per metric, the pooled error of each node; None where a record doesn't hold it.
        num_targets: Targets that count; None where a record doesn't hold it.
        periods: Error sums of each day, or of each period of a stream; None where a record doesn't hold them.
    """

    average: Metrics
    horizons: Sequence[Metrics]
    nodes: Mapping[str, Sequence[float | None]] | None = None
    num_targets: int | None = None
    periods: Periods | None = None

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Scores":
        """Return the scores that ``MetricSums.result`` gave, also as JSON has them."""
        periods = content.get("periods")
        return cls(
            content["average"],
            content["horizons"],
            content.get("nodes"),
            content.get("num_targets"),
            periods and Periods(**periods),
        )


@dataclass(frozen=True)
class DataPart:
    """The data set behind a run; None where a record doesn't hold a part.

    Attributes:
        fingerprint: Hash of arrays and graph.
        interval: Minutes per step, a fraction where they aren't whole.
        null_val: The reading that means missing; None: NaN.
        num_steps: Rows.
        num_nodes: Sensors.
        start: Time of the first row.
        windows: Windows of each split.
        given: The part as the record has it.
    """

    fingerprint: str
    interval: float
    null_val: float | None
    num_steps: int | None
    num_nodes: int
    start: str | None
    windows: Mapping[str, int]
    given: Mapping[str, Any]


@dataclass(frozen=True)
class Configuration:
    """Every setting of a run, as plain values.

    Attributes:
        training: By the names of ``TrainingSettings``.
        model: By the names of the backbone's config.
        adapter: By the names of ``STLoRAConfig``; empty without adapter.
        stream: By the names of ``StreamSettings``; empty but for protocol ``stream``.
        new_sensors: By the names of ``NewSensorsSettings``; empty but for protocol ``new-sensors``.
    """

    training: Mapping[str, Any]
    model: Mapping[str, Any]
    adapter: Mapping[str, Any]
    stream: Mapping[str, Any] = field(default_factory=dict)
    new_sensors: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Mapping[str, Any]]:
        """Return the settings by group."""
        groups = {"training": self.training, "model": self.model}
        more = {"adapter": self.adapter, "stream": self.stream, "new_sensors": self.new_sensors}
        return groups | {name: values for name, values in more.items() if values}


@dataclass(frozen=True)
class TrainingPart:
    """How training went.

    Attributes:
        epochs: Epochs that ran.
        best_epoch: The one whose weights were kept; None where a record doesn't hold it.
        seconds_per_epoch: Median.
        history: What each epoch's line holds: ``epoch``, ``loss``, ``lr``, ``seconds``, ``val``.
    """

    epochs: int
    best_epoch: int | None
    seconds_per_epoch: float | None
    history: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class StreamPart:
    """How a model was updated while its data went on.

    Attributes:
        every: Steps of a period.
        periods: Periods of the test set.
        updates: Updates that were made.
        seconds_per_update: Median; None without updates.
        loss: Mean training loss of each update; None where there was nothing to learn from.
        parameters_updated: How many parameters an update changes.
        service_bytes: Size of the file that the next update goes on from; None without adapter.
    """

    every: int
    periods: int
    updates: int
    seconds_per_update: float | None
    loss: Sequence[float | None]
    parameters_updated: int
    service_bytes: int | None = None


@dataclass(frozen=True)
class FittedDays:
    """Scores of new sensors whose weights were fitted on some days; without such weights there is one, of all days.

    Attributes:
        days: Last days of the training rows; None: all of them.
        ridge: Strength of the pull towards the known sensors' mean; None where nothing was fitted.
        scores: On the test windows of the new sensors.
        known_mae: MAE on the validation split of the known sensors that the ridge was chosen on, each set aside in
            turn; None without such weights, and in records of before.
    """

    days: float | None
    ridge: float | None
    scores: Scores
    known_mae: float | None = None


@dataclass(frozen=True)
class NewSensorsPart:
    """What became of the sensors that were set aside.

    Attributes:
        sensors: Their columns.
        fits: By days; the last one's scores are the record's.
    """

    sensors: Sequence[int]
    fits: tuple[FittedDays, ...]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "NewSensorsPart":
        """Take the part of a record, or what its run measured."""
        fits = (
            FittedDays(fit["days"], fit["ridge"], Scores.of(fit["test"]), fit.get("known_mae"))
            for fit in content["fits"]
        )
        return cls(content["sensors"], tuple(fits))


@dataclass(frozen=True)
class AdaptedBackbone:
    """The trained backbone that a run adapted; None where a record doesn't hold a part.

    Attributes:
        key: Of the run that trained it.
        weights: Hash of its weights.
        fingerprint: Of the data that they saw.
    """

    key: RunKey | None = None
    weights: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True)
class Parameters:
    """Parameter counts.

    Attributes:
        backbone: The backbone's.
        adapter: The adapter's.
        trainable: Those that were trained; None where a record doesn't hold it.
        adapter_percent: The adapter's, in percent of the backbone's; None where that has none.
        given: The part as the record has it.
    """

    backbone: int
    adapter: int
    trainable: int | None
    adapter_percent: float | None
    given: Mapping[str, Any]


@dataclass(frozen=True)
class Process:
    """A process that worked on a run; None where a record doesn't hold a part.

    Attributes:
        hardware: Kind of CPU or GPU.
        threads: Threads of the CPU.
        versions: Of Python and packages.
        git_commit: Of this project.
        numerics: NUMERICS of its arithmetic.
        deterministic: Whether only algorithms ran that repeat to the bit.
        varies: What isn't the same to the bit in a repetition.
        compiled: Whether the model ran through ``torch.compile``.
        cuda_graphs: Whether recorded training steps were replayed.
        data_parallel: How many processes trained the model together.
        parts: Parts of a training batch that ran one after the other.
    """

    hardware: str | None
    threads: int | None
    versions: Mapping[str, str]
    git_commit: str | None
    numerics: int
    deterministic: bool | None
    varies: Sequence[str] | None
    compiled: bool
    cuda_graphs: bool
    data_parallel: int = 1
    parts: int = 1

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Process":
        """Return a process from a record's provenance, or from an entry of its ``processes``."""
        return cls(
            content.get("hardware"),
            content.get("threads"),
            content.get("versions") or {},
            content.get("git_commit"),
            content.get("numerics", 0),
            content.get("deterministic"),
            content.get("varies"),
            bool(content.get("compiled")),
            bool(content.get("cuda_graphs")),
            content.get("data_parallel") or 1,
            content.get("parts") or 1,
        )


@dataclass(frozen=True)
class Record:
    """What is known of a finished run.

    Attributes:
        key: Its key.
        status: ``finished``.
        scores: On the test set.
        data: The data set.
        configuration: The settings.
        training: How training went.
        parameters: Parameter counts.
        provenance: The process that finished it.
        processes: All that worked on it.
        fitted_backbone: Whether its backbone is fitted, not trained.
        weights: Hash of its weights; None where a record doesn't hold it.
        adapted: The backbone that it adapted; None where it adapted none, or a record doesn't say.
        adapter_bytes: Size of its adapter file; None without one.
        stream: How it was updated; None but for protocol ``stream``.
        new_sensors: What became of new sensors; None but for protocol ``new-sensors``.
        content: The record as JSON has it.
    """

    key: RunKey
    status: str
    scores: Scores
    data: DataPart
    configuration: Configuration
    training: TrainingPart
    parameters: Parameters
    provenance: Process
    processes: tuple[Process, ...]
    fitted_backbone: bool
    weights: str | None
    adapted: AdaptedBackbone | None
    adapter_bytes: int | None
    stream: StreamPart | None
    new_sensors: NewSensorsPart | None
    content: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def adapted_key(self) -> RunKey | None:
        """The key of the run whose backbone it adapted; None where it adapted none, or a record doesn't say."""
        return None if self.adapted is None else self.adapted.key

    @property
    def adapted_weights(self) -> str | None:
        """Hash of the weights that it adapted; None where it adapted none, or a record doesn't say."""
        return None if self.adapted is None else self.adapted.weights

    @classmethod
    def of(cls, content: Any) -> "Record":
        """Check a record's content, part by part, and return the record.

        Args:
            content: What JSON gave.

        Raises:
            NoRecordError: If a part is absent or isn't what it must be, with the part and what was expected.
        """
        problem = first_problem(content)
        if problem is not None:
            raise NoRecordError(problem)
        data, training, parameters = content["data"], content["training"], content["parameters"]
        settings, provenance, adapted = content["configuration"], content["provenance"], content.get("trained_backbone")
        return cls(
            checked_key(content["key"]),
            content["status"],
            Scores.of(content["test"]),
            DataPart(
                data["fingerprint"],
                data["interval"],
                data.get("null_val"),
                data.get("num_steps"),
                data["num_nodes"],
                data.get("start"),
                data["windows"],
                data,
            ),
            Configuration(
                settings["training"],
                settings["model"],
                settings.get("adapter") or {},
                settings.get("stream") or {},
                settings.get("new_sensors") or {},
            ),
            TrainingPart(
                training["epochs"], training.get("best_epoch"), training.get("seconds_per_epoch"), training["history"]
            ),
            Parameters(
                parameters["backbone"],
                parameters["adapter"],
                parameters.get("trainable"),
                parameters["adapter_percent"],
                parameters,
            ),
            Process.of(provenance),
            tuple(map(Process.of, provenance.get("processes") or [provenance])),
            bool(content.get("fitted_backbone")),
            content.get("weights"),
            adapted and _adapted(adapted),
            content.get("adapter_bytes"),
            StreamPart(**content["stream"]) if content.get("stream") else None,
            NewSensorsPart.of(content["new_sensors"]) if content.get("new_sensors") else None,
            content,
        )


def _adapted(content: Mapping[str, Any]) -> AdaptedBackbone:
    key = content.get("key")
    return AdaptedBackbone(key and checked_key(key), content.get("weights"), content.get("fingerprint"))
