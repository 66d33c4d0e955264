"""Tables in LaTeX, with the packages booktabs and, for wide ones, graphicx."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from stlora_ext.tables.table import Cell, Column, Grid, Table

_ESCAPED = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"$<$",
        ">": r"$>$",
        "|": r"$|$",
        '"': "''",
        "[": "{[}",
        "]": "{]}",
        "±": r"$\pm$",
        "Δ": r"$\Delta$",
        "†": r"$^\dagger$",
        "‡": r"$^\ddagger$",
        "§": r"\S{}",
        "–": r"\textendash{}",
        "\n": " ",
        "\r": " ",
    }
)


def render(tables: Sequence[Table]) -> str:
    """Return the tables, a ``table*`` per block; the first line says which packages they need."""
    return "% needs \\usepackage{booktabs,graphicx}\n" + "\n".join(map(_table, tables))


def _table(table: Table) -> str:
    caption = ", ".join(
        filter(None, (f"\\textbf{{{escape(table.dataset)}}}" * bool(table.dataset), escape(table.caption)))
    )
    if table.heading:
        caption = f"{escape(table.heading)}. {caption}"
    parts = [_grid(grid, "; ".join(filter(None, (caption, escape(grid.title))))) for grid in table.grids]
    if table.notes:
        parts.append("{\\footnotesize\n" + "".join(f"{escape(note)}\\par\n" for note in table.notes) + "}\n")
    parts += ["".join(f"% missing: {_one_line(title)}: {_one_line(command)}\n" for title, command in table.missing)]
    return "\n".join(filter(None, parts))


def _grid(grid: Grid, caption: str) -> str:
    alignment = "".join("r" if column.kind == "number" else "l" for column in grid.columns)
    wide = any(column.group for column in grid.columns)
    lines = [
        "\\begin{table*}[t]",
        "\\centering",
        *[f"\\caption{{{caption}}}"] * bool(caption),
        "\\small\\setlength{\\tabcolsep}{3pt}",
        "\\resizebox{\\textwidth}{!}{" * wide + f"\\begin{{tabular}}{{{alignment}}}",
        "\\toprule",
    ]
    if wide:
        lines += _groups(grid.columns)
    lines += [_line(escape(column.title) for column in grid.columns), "\\midrule"]
    lines += [_line(map(_cell, row)) for row in grid.rows]
    lines += ["\\bottomrule", "\\end{tabular}" + "}" * wide, "\\end{table*}"]
    return "\n".join(lines) + "\n"


def _groups(columns: Sequence[Column]) -> list[str]:
    cells, rules, first = [], [], 1
    for group, members in groupby(columns, key=lambda column: column.group):
        last = first + len(list(members)) - 1
        if group:
            cells.append(f"\\multicolumn{{{last - first + 1}}}{{c}}{{{escape(group)}}}")
            rules.append(f"\\cmidrule(lr){{{first}-{last}}}")
        else:
            cells += [""] * (last - first + 1)
        first = last + 1
    return [_line(cells), " ".join(rules)]


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + " \\\\"


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.kind == "number":
        text = text.replace("-", "$-$")
    return (f"\\textbf{{{text}}}" if cell.bold else text) + f" {escape(cell.sign)}" * bool(cell.sign)


def escape(text: str) -> str:
    """Return ``text`` so that LaTeX prints it."""
    return text.translate(_ESCAPED)


def _one_line(text: str) -> str:
    return " ".join(text.split())
