"""An interactive figure of the page: plotly's, with a caption and drop-downs of HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from stlora_ext.report.escape import markup, script, script_json


@dataclass(frozen=True)
class Choice:
    """A drop-down.

    Attributes:
        title: What it chooses.
        options: What can be chosen; the first one is at first.
    """

    title: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """A figure.

    A trace whose ``meta`` is a list belongs to one option of each drop-down, in their order; None: to every option.

    Attributes:
        name: Unique in the page, letters, digits and dashes.
        title: What it shows, for who can't see it.
        caption: How to read it.
        traces: What is drawn.
        layout: Axes, legend and the like.
        choices: Drop-downs.
        changes: Per option of the first drop-down, what it changes in the layout; empty: nothing.
    """

    name: str
    title: str
    caption: str
    traces: Sequence[Any]
    layout: Mapping[str, Any]
    choices: tuple[Choice, ...] = ()
    changes: tuple[Mapping[str, Any], ...] = ()

    def html(self) -> str:
        """Return the figure's element, with its data beside it."""
        figure = go.Figure(list(self.traces), {"template": "none", **_USUAL, **self.layout})
        for trace in figure.data:
            trace.visible = all(place in (None, 0) for place in trace.meta or ())
        lines = ["<figure>"]
        if self.choices:
            lines.append('<div class="choices">')
            lines += [_select(self.name, place, choice) for place, choice in enumerate(self.choices)]
            lines.append("</div>")
        parts = {"data": script(figure.to_json(engine="json")), "changes": script_json(list(self.changes))}
        height = self.layout.get("height", _USUAL["height"])
        lines += [
            f'<div class="plot" id="{self.name}" role="img" aria-label="{markup(self.title)}" '
            f'style="min-height: {height}px"></div>',
            f"<figcaption>{markup(self.caption)}</figcaption>",
            *(
                f'<script type="application/json" id="{self.name}-{part}">{content}</script>'
                for part, content in parts.items()
            ),
            "</figure>",
        ]
        return "\n".join(lines)


_USUAL = {
    "height": 420,
    "margin": {"l": 64, "r": 16, "t": 16, "b": 56},
    "hovermode": "closest",
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "maxheight": 0.3},
}


def _select(name: str, place: int, choice: Choice) -> str:
    options = "".join(
        f'<option value="{number}">{markup(option)}</option>' for number, option in enumerate(choice.options)
    )
    return (
        f'<label>{markup(choice.title)} <select data-figure="{name}" data-place="{place}" '
        f'autocomplete="off">{options}</select></label>'
    )
