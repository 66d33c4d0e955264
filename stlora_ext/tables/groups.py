"""The records under a results folder in groups that a table may hold: one data set, one version of its data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stlora_ext.config.registry import models
from stlora_ext.data.names import is_reserved
from stlora_ext.errors import UserError, nearest
from stlora_ext.folders import ROOT
from stlora_ext.runs.record import Record
from stlora_ext.runs.store import PUBLISHED, read_records
from stlora_ext.tables.layout import layout
from stlora_ext.tables.missing import Missing
from stlora_ext.tables.new_sensors_settings import new_sensors_settings_tables
from stlora_ext.tables.published import read_printed
from stlora_ext.tables.rows import APART, Row, by_data, table_rows
from stlora_ext.tables.settings import Settings, by_setting, settings_tables
from stlora_ext.tables.stream_settings import stream_settings_tables
from stlora_ext.tables.table import Table

PRINTED = ROOT / "experiments" / "published"


def tables(
    datasets: Sequence[str],
    results: Path,
    compare: bool = False,
    shown: Path | None = None,
    horizons: Sequence[int] | None = None,
    short: bool = False,
) -> list[Table]:
    """Return the tables of ``datasets`` from the records under ``results``, one per version of the data.

    Args:
        datasets: Names of data sets.
        results: Folder of the records.
        compare: Add published scores of the same data set.
        shown: That folder as the user wrote it, for the commands that fill missing cells.
        horizons: Steps whose scores are shown; None: the usual ones.
        short: Show the average MAE alone.

    Raises:
        UserError: If there are no records, or a forecast has no such step.
    """
    return [group_table(group, shown or results, compare, horizons, short) for group in data_groups(datasets, results)]


@dataclass(frozen=True)
class DataGroup:
    """The records of one version of a data set.

    Attributes:
        dataset: Its name.
        heading: Which version, where there are several; else empty.
        rows: The records, in rows.
    """

    dataset: str
    heading: str
    rows: list[Row]


def data_groups(datasets: Sequence[str], results: Path) -> list[DataGroup]:
    """Return the records of ``datasets`` under ``results``, one group per version of the data.

    Raises:
        UserError: If there are no records.
    """
    collected = []
    for dataset in datasets:
        groups = by_data(dataset_records(dataset, results))
        for data, group in sorted(groups.items()):
            fingerprint, _, null = data.partition(" with ")
            heading = (
                (
                    f"Data {fingerprint[:19]}{f' with {null}' if null else ''} (one of {len(groups)} versions of "
                    f"{dataset}, never mixed)"
                )
                if len(groups) > 1
                else ""
            )
            collected.append(DataGroup(dataset, heading, table_rows(group, models())))
    return collected


def group_table(
    group: DataGroup, shown: Path, compare: bool = False, horizons: Sequence[int] | None = None, short: bool = False
) -> Table:
    """Return the table of a group.

    Args:
        group: The group.
        shown: Folder of the records as the user wrote it, for the commands that fill missing cells.
        compare: Add published scores of the same data set.
        horizons: Steps whose scores are shown; None: the usual ones.
        short: Show the average MAE alone.

    Raises:
        UserError: If the forecasts have no such step.
    """

    def fill(cell: Missing) -> str:
        from stlora_ext.tables.fill import fill_command  # it needs torch, for the settings that a backbone has

        return fill_command(cell, shown, one_of_several=bool(group.heading))

    return layout(
        group.dataset,
        group.rows,
        heading=group.heading,
        fill=fill,
        printed=read_printed(PRINTED, group.dataset) if compare else None,
        horizons=horizons,
        short=short,
    )


def dataset_records(dataset: str, results: Path) -> list[Record]:
    """Return all records of ``dataset`` under ``results``.

    Raises:
        UserError: If there are none, saying where there are.
    """
    records = read_records(results, dataset)
    if not records:
        raise UserError(f"no records of '{dataset}' under {results}; {_elsewhere(dataset, results)}")
    others = sorted({record.key.dataset for record in records} - {dataset})
    if others:
        raise UserError(
            f"{results / dataset} holds records of {', '.join(others)}: move them to the folder of their data set"
        )
    return records


def of_one_version(records: Sequence[Record], results: Path) -> list[Record]:
    """Return the records of a data set, all of one version of it.

    Raises:
        UserError: If they are of several.
    """
    groups = by_data(records)
    if len(groups) > 1:
        raise UserError(
            f"the records under {results} are of {len(groups)} versions of {records[0].key.dataset}; keep them apart "
            "with --results DIR"
        )
    return list(records)


def settings_of(model: str, dataset: str, results: Path) -> list[Settings]:
    """Return the adapter settings that ran with ``model`` on one version of ``dataset``.

    Raises:
        UserError: If there are none, or the records are of several versions of the data.
    """
    return _static_settings(of_one_version(dataset_records(dataset, results), results), model, dataset, results)


def all_settings(model: str, dataset: str, results: Path) -> list[Table]:
    """Return the tables of a model's adapter settings: those of static tests, then those of protocol ``new-sensors``.

    Raises:
        UserError: If there are none, or the records are of several versions of the data.
    """
    records = of_one_version(dataset_records(dataset, results), results)
    apart = new_sensors_settings_tables(table_rows(records, models()), model)
    if apart and all(record.key.protocol in APART for record in records if record.key.model == model):
        return apart
    return settings_tables(_static_settings(records, model, dataset, results)) + apart


def _static_settings(records: Sequence[Record], model: str, dataset: str, results: Path) -> list[Settings]:
    settings = by_setting(records, model)
    protocols = " and ".join(sorted({record.key.protocol for record in records if record.key.model == model}))
    if not settings and protocols == "stream":
        raise UserError(
            f"--settings {model}: its records under {results} are of protocol stream: sort them by their error before "
            "a date of the test, with --before DATE"
        )
    if not settings and protocols:
        raise UserError(
            f"--settings {model}: its records under {results} are of protocol {protocols}, which has no validation "
            f"error of all sensors to sort by; python experiments/table.py --dataset {dataset} names what their "
            "settings differ in"
        )
    if not settings:
        ran = sorted({record.key.model for record in records if record.key.model.endswith("+")})
        none = "no model with '+' ran there; those of experiments/screen.py lie in a folder of their own, --results DIR"
        meant = nearest(model, ran) if ran else none
        raise UserError(f"--settings {model}: no records of it on {dataset} under {results}: {meant}")
    return settings


def updates_of(model: str, date: str, dataset: str, results: Path) -> list[Table]:
    """Return the tables of the settings with which ``model`` was updated under protocol ``stream``.

    Raises:
        UserError: If there are none, or ``date`` parts no period from the others.
    """
    groups = data_groups([dataset], results)
    made = [table for group in groups for table in stream_settings_tables(group.rows, model, date, group.heading)]
    if not made:
        ran = sorted({row.model for group in groups for row in group.rows if row.protocol == "stream"})
        meant = nearest(model, ran) if ran else "no model ran under it there"
        raise UserError(
            f"--settings {model}: no records of it of protocol stream on {dataset} under {results}: {meant}"
        )
    return made


def recorded_datasets(results: Path) -> list[str]:
    """Return the names of the data sets that have records under ``results``.

    Raises:
        UserError: If there are none.
    """
    datasets = _with_records(results)
    if not datasets:
        published = f"; published ones: --results {results / PUBLISHED}" if (results / PUBLISHED).is_dir() else ""
        raise UserError(
            f"no records under {results}{published}: run python experiments/run.py -c "
            "experiments/TINY/LSTM.py first, or name another folder with --results DIR"
        )
    return datasets


def _with_records(results: Path) -> list[str]:
    names = {path.parents[1].name for path in results.glob("*/*/*-*-*-*seed*.json")}
    return sorted(name for name in names if not is_reserved(name))


def _elsewhere(dataset: str, results: Path) -> str:
    if (results / PUBLISHED / dataset).is_dir():
        return f"published ones: --results {results / PUBLISHED}"
    if inside := _with_records(results / dataset):
        return (
            f"{results / dataset} is a folder of data sets: name one of them, such as {results / dataset / inside[0]}"
        )
    datasets = _with_records(results)
    if datasets and dataset not in datasets:
        return nearest(dataset, datasets)
    return f"run one first: python experiments/run.py -c experiments/{dataset}/LSTM.py"
