"""The forms that a table can take."""

from stlora_ext.tables import csv, html, latex, markdown

FORMATS = {"markdown": markdown.render, "latex": latex.render, "csv": csv.render, "html": html.render}
