"""An interactive figure of the page: plotly's, with a caption and drop-downs of HTML."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup

from stlora_ext.templates import filled


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

    def html(self) -> Markup:
        """Return the figure's element, with its data beside it."""
        drawn = go.Figure(list(self.traces), {"template": "none", **_USUAL, **self.layout})
        for trace in drawn.data:
            trace.visible = all(place in (None, 0) for place in trace.meta or ())
        return filled(
            "report/figure.html",
            figure=self,
            height=self.layout.get("height", _USUAL["height"]),
            drawn=json.loads(drawn.to_json(engine="json")),
        )


_USUAL = {
    "height": 420,
    "margin": {"l": 64, "r": 16, "t": 16, "b": 56},
    "hovermode": "closest",
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "maxheight": 0.3},
}


def label(text: Any) -> str:
    """Return ``text`` for a label of plotly, which reads some HTML, and ``%{...}`` in hover texts."""
    return escape(str(text), quote=False).replace("%{", "%&#123;")
