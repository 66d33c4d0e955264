"""What a table's reader has to know besides its scores."""

from collections import defaultdict
from collections.abc import Sequence

from stlora_ext.tables.alike import notes_on, title_of
from stlora_ext.tables.over_time import BLOCK_DAYS
from stlora_ext.tables.pairs import Block, Comparison, name
from stlora_ext.tables.rows import Row, differences, static_rows


def notes(rows: Sequence[Row], arranged: Sequence[Block], per_node: Sequence[Comparison]) -> list[str]:
    """Return the notes of one table; those on protocols of ``APART`` stand with their grids."""
    texts = []
    static = static_rows(rows)
    if any(row.deterministic for row in rows):
        texts.append("† deterministic: no seed changes it.")
    if any(len(block.rows) > 1 for block in arranged) or len(rows) - len(static) > 1:
        texts.append("Bold: the best mean of its column and block.")
    texts += _on_differences(arranged)
    if per_node:
        texts.append(
            'Per-node weights against none: "+" minus the arm that trained alike without per-node weights '
            "(control: the same adapter; wide: one with as many parameters); Holm's correction over this "
            "comparison's own tests."
        )
    compared = [*(comparison for block in arranged for comparison in block.comparisons), *per_node]
    texts += on_over_time(compared)
    texts += notes_on(compared)
    texts += _on_pairing(arranged)
    texts += _on_epochs(static)
    adapters = {
        (name(row), row.records[0].parameters.adapter, row.records[0].parameters.adapter_percent)
        for row in static
        if row.arm != "base"
    }
    if adapters:
        texts.append(
            "Parameters added: "
            + ", ".join(
                f"{label} {count:,}" + (f" ({percent:.1f} %)" if percent else "")
                for label, count, percent in sorted(adapters, key=lambda a: (*a[:2], a[2] or 0))
            )
            + "."
        )
    return texts + on_configurations([row for row in rows if row.protocol != "new-sensors"])


def short_notes(rows: Sequence[Row], arranged: Sequence[Block]) -> list[str]:
    """Return what a table of the average MAE alone can't do without."""
    comparisons = [comparison for block in arranged for comparison in block.comparisons]
    texts = ["† deterministic: no seed changes it."] if any(row.deterministic for row in rows) else []
    return texts + _on_differences(arranged)[:1] + notes_on(comparisons) + _on_pairing(arranged)


def _on_differences(arranged: Sequence[Block]) -> list[str]:
    comparisons = [comparison for block in arranged for comparison in block.comparisons]
    if not comparisons:
        return []
    tests = sum(comparison.test.p is not None for comparison in comparisons)
    texts = [
        'Δ: "+" minus base with the same seed, mean ± standard deviation of the paired differences; below 0 the '
        "adapter helps."
    ]
    if tests:
        texts.append(
            "Average MAE: two-sided paired t-test and the 95 % confidence interval of the mean difference; "
            f'Holm\'s correction over the {f"{tests} tests" if tests > 1 else "one test"} of "+" minus base '
            "in this table."
        )
    if any(comparison.test.p is None for comparison in comparisons):
        texts.append("p n/a: one pair, or differences without any spread, can't be tested.")
    if any(comparison.test.wilcoxon is not None for comparison in comparisons):
        texts.append("Wilcoxon: two-sided signed rank test, from six pairs on, not corrected.")
    return texts


def _on_pairing(arranged: Sequence[Block]) -> list[str]:
    texts = []
    for block in arranged:
        paired = [comparison.plus for comparison in block.comparisons]
        texts += [
            f"{name(row)} [{row.config_hash}], {block.title}: no base of the same settings and seeds is here, so "
            "there is no Δ."
            for row in block.rows
            if row.arm != "base" and not any(row is other for other in paired)
        ]
        for row in paired:
            keys = [record.adapted_key for record in row.records]
            if any(key and key.seed != record.key.seed for key, record in zip(keys, row.records, strict=True)):
                texts.append(f"{name(row)}, {block.title}: Δ is against the adapted backbone, of another seed.")
            elif row.protocol == "adapt" and not row.records[0].fitted_backbone and None in keys:
                texts.append(
                    f"{name(row)}, {block.title}: its records don't tell the backbone's run; Δ is against the "
                    "base of the same architecture and seed."
                )
    return texts


def _on_epochs(rows: Sequence[Row]) -> list[str]:
    trained = [row for row in rows if row.protocol != "fitted"]
    protocols: dict[str, set[str]] = defaultdict(set)
    ran: dict[str, set[int]] = defaultdict(set)
    for row in trained:
        protocols[name(row)].add(row.protocol)
    for row in trained:
        label = name(row) + (f" {row.protocol}" if len(protocols[name(row)]) > 1 else "")
        ran[label] |= {record.training.epochs for record in row.records}
    ranges = (
        f"{label} {min(counts)}" + (f" to {max(counts)}" if len(counts) > 1 else "")
        for label, counts in sorted(ran.items())
    )
    texts = ["Epochs run: " + ", ".join(ranges) + "."] if ran else []
    budgets = defaultdict(set)
    for row in trained:
        budgets[row.records[0].configuration.training.get("num_epochs")].add(name(row))
    if len(budgets) > 1:
        texts.append(
            "Budgets differ, which alone changes errors: "
            + "; ".join(
                f"{epochs} epochs at most {', '.join(sorted(labels))}"
                for epochs, labels in sorted(budgets.items(), key=lambda item: item[0] or 0)
            )
            + "."
        )
    return texts


def on_over_time(comparisons: Sequence[Comparison]) -> list[str]:
    """Return what the intervals over time of ``comparisons`` mean, and why there are none."""
    reasons: dict[str, list[str]] = {}
    for comparison in comparisons:
        if comparison.over_time.reason:
            reasons.setdefault(comparison.over_time.reason, []).append(title_of(comparison))
    named = "; ".join(f"{', '.join(dict.fromkeys(titles))}: {reason}" for reason, titles in reasons.items())
    if not comparisons:
        return []
    if all(comparison.over_time.reason for comparison in comparisons):
        return [f"No interval over time: {next(iter(reasons)) if len(reasons) == 1 else named}."]
    meaning = (
        f"Over time: moving-block bootstrap over the periods of the test, {BLOCK_DAYS} days a block: what other weeks "
        "of these runs could change, not what other seeds could; too narrow where days depend on each other for longer."
    )
    return [meaning + (f" n/a: {named}." if named else "")]


def on_configurations(rows: Sequence[Row]) -> list[str]:
    """Return the settings in which rows of one name and protocol differ."""
    same_name = defaultdict(list)
    for row in rows:
        same_name[name(row), row.protocol].append(row)
    return [text for (label, _), group in same_name.items() for text in _on_configurations(label, group)]


def _on_configurations(label: str, group: Sequence[Row]) -> list[str]:
    if len(group) == 1:
        return []
    hashes = [row.config_hash for row in group]
    settings = differences(group)
    if not settings:
        shown = ", ".join(f"[{config_hash}]" for config_hash in hashes)
        return [f"{label}: {shown} differ in something that their records don't hold."]
    return [
        f"{label}: {setting} = "
        + ", ".join(f"{value} [{config_hash}]" for value, config_hash in zip(values, hashes, strict=True))
        + "."
        for setting, values in settings.items()
    ]
