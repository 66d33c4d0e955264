"""The graph and the positions of a series: from the options, beside the readings, or inside them."""

import argparse
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np

from stlora_ext.data.plain_arrays import load_npy
from stlora_ext.data.prepared import POSITIONS
from stlora_ext.errors import UserError
from stlora_ext.preparation.basicts_folder import graph_beside
from stlora_ext.preparation.distances import read_distances
from stlora_ext.preparation.graph import Graph, align
from stlora_ext.preparation.graph_files import read_graph
from stlora_ext.preparation.links import refuse_distances
from stlora_ext.preparation.positions import are_degrees, neighbor_graph, read_positions
from stlora_ext.preparation.recipe import Recipe
from stlora_ext.preparation.series import Series


def add_graph(series: Series, args: argparse.Namespace, recipe: Recipe) -> list[Path]:
    """Attach the graph and the positions; return the files that they are from.

    The graph is that of ``--graph``, ``--distances`` or ``--neighbors``, else the one beside or inside the raw data.

    Raises:
        UserError: If options contradict each other, or a file can't be read or does not fit the series.
    """
    neighbors = recipe.neighbors if args.neighbors is None else args.neighbors
    _check_options(args)
    if neighbors is not None:
        files = _add_positions(series, args)
        series.graph = _nearest(series, args, neighbors)
    else:
        series.graph, files = _chosen(series, args)
    if series.graph is not None:
        series.graph = align(series.graph, series.sensor_ids, args.raw.name)
        series.sensor_ids = series.sensor_ids or series.graph.sensor_ids
        series.notes.extend(series.graph.notes)
    return files if neighbors is not None else files + _add_positions(series, args)


def _check_options(args: argparse.Namespace) -> None:
    graphs = {"--graph": args.graph, "--distances": args.distances, "--neighbors": args.neighbors}
    given = [f"{option} {value}" for option, value in graphs.items() if value is not None]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)} each make a graph: expected one of them; leave out the others")
    for option, value in (("--sigma", args.sigma), ("--threshold", args.threshold)):
        if value is not None and args.distances is None:
            raise UserError(
                f"{option} {value} is of the kernel of --distances, which was not given: add --distances FILE"
            )
    if args.graph_key is not None and args.graph is None and args.distances is None:
        raise UserError(f"--graph-key {args.graph_key} chooses an array of --graph, which was not given: add --graph")
    if args.subset and args.graph is None and args.distances is None and args.positions is None:
        raise UserError(
            "--subset leaves out sensors of --graph, --distances or --positions, none of which was given: leave it out"
        )


def _add_positions(series: Series, args: argparse.Namespace) -> list[Path]:
    """Attach the positions of ``--positions``, else those of the raw data."""
    if args.positions is not None:
        num_nodes = series.values.shape[1]
        read = read_positions(args.positions, num_nodes, series.sensor_ids, args.subset)
        if series.sensor_ids is None and read.sensor_ids is not None:
            series.sensor_ids = read.sensor_ids
            series.notes.append(f"the data name no sensors: they take the names of {args.positions.name}, in its order")
        series.positions = read.places
        series.notes.extend(read.notes)
        return [args.positions]
    num_nodes, beside = series.values.shape[1], args.raw / POSITIONS
    if args.raw.is_dir() and beside.is_file():
        try:
            series.positions = load_npy(beside)
        except (OSError, ValueError) as error:
            raise UserError(f"{beside} cannot be read ({error}): give --positions FILE, or move it away") from None
    if series.positions is not None:
        places, origin = series.positions, args.raw.name
        if are_degrees(places, num_nodes):
            series.positions = places.astype(np.float64)
            series.notes.append(f"positions of {origin} are kept: latitude and longitude in degrees")
        else:
            series.positions = None
            series.notes.append(f"positions of {origin} are not used: no latitude and longitude per sensor")
    return []


def _nearest(series: Series, args: argparse.Namespace, neighbors: int) -> Graph:
    """Return the graph of each sensor's nearest."""
    if series.positions is None:
        raise UserError(
            f"--neighbors {neighbors} takes each sensor's latitude and longitude, which {args.raw.name} does not have: "
            "add --positions FILE"
        )
    origin = args.raw.name if args.positions is None else args.positions.name
    return neighbor_graph(series.positions, neighbors, origin)


def _chosen(series: Series, args: argparse.Namespace) -> tuple[Graph | None, list[Path]]:
    """Return the graph of the options, else the one beside or inside the raw data; and its file."""
    num_nodes, ids = series.values.shape[1], series.sensor_ids
    if args.distances is not None:
        graph = read_distances(
            args.distances, num_nodes, ids, args.name, args.graph_key, args.subset, args.sigma, args.threshold
        )
        return graph, [args.distances]
    path = args.graph if args.graph is not None else graph_beside(args.raw)
    if path is not None:
        graph = read_graph(path, num_nodes, ids, args.name, args.graph_key, args.subset)
        if args.graph is None:
            graph = replace(graph, notes=(f"the graph is {path.name} of the raw folder", *graph.notes))
        return graph, [path]
    inside = series.graph
    if inside is None or args.raw.suffix.lower() != ".npz":
        return inside, []
    origin = f"'adj' in {args.raw.name}"
    option = f"--distances {shlex.quote(str(args.raw))} --graph-key adj"
    notes = refuse_distances(inside.source, inside.target, inside.weight, num_nodes, origin, option)
    return replace(inside, notes=(f"the graph is {origin}, read by position", *inside.notes, *notes)), []
