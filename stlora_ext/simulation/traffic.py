"""Traffic on a network: demand times a deviation that persists, travels, and breaks down in incidents.

    z_t = p z_(t-1) + sum_k b_k z_(t - lag_k)[upstream_k] + noise        deviation, log scale
    z_t <= log(capacity left) during an incident, which then travels downstream like any deviation
    flow_t = round(demand_t exp(z_t + w_t) + counting noise), w_t common to all nodes (weather)

All nodes are advanced at once, step by step: memory is the result plus a few rows.
"""

from dataclasses import dataclass

import numpy as np

from stlora_ext.preparation.graph import Graph
from stlora_ext.simulation.law import draw_law, weekly_demand
from stlora_ext.simulation.network import make_network

_MISSING = 0.01  # share of readings
_OUTAGE = 60.0  # mean minutes that a detector is out
_INCIDENTS = 0.05  # per node and day
_NOISE = 0.08  # standard deviation of a deviation's innovation per 5 minutes
_WEATHER = 0.07  # standard deviation of the common deviation


@dataclass(frozen=True)
class Traffic:
    """A simulated series.

    Attributes:
        flow: Vehicles per step, whole numbers from 1 on, 0 where missing, float32 ``[T, N]``.
        graph: The network, with positions and distances.
    """

    flow: np.ndarray
    graph: Graph


def simulate(
    num_nodes: int, num_steps: int, interval: int, heterogeneity: float, seed: int, first_day: int = 0
) -> Traffic:
    """Simulate flow readings from midnight on.

    Args:
        num_nodes: N, at least 3.
        num_steps: T.
        interval: Minutes per step, dividing a day.
        heterogeneity: Strength H of node-level differences, 0 (one law for all) to 1.
        seed: Same arguments, same result.
        first_day: Weekday of the first row, Monday 0.

    Returns:
        Readings and network.
    """
    rng = np.random.default_rng([seed, num_nodes, interval])
    network = make_network(num_nodes, heterogeneity, rng)
    law = draw_law(network.distance, heterogeneity, interval, rng)
    demand = weekly_demand(law, interval)
    steps_per_day = 1440 // interval
    first = first_day * steps_per_day
    scale = np.float32((interval / 5) ** 0.5)
    ceiling = np.float32(500 * interval / 5)
    depth = int(law.lag.max()) + 1
    deviation = np.zeros((depth, num_nodes), dtype=np.float32)
    clear_at = np.zeros(num_nodes, dtype=np.int32)  # step at which an incident ends
    back_at = np.zeros(num_nodes, dtype=np.int32)  # step at which a detector reports again
    room = np.zeros(num_nodes, dtype=np.float32)  # log of the capacity that an incident leaves
    weather, keep = 0.0, 0.995 ** (interval / 5)
    outage = 1 / (_OUTAGE / interval)
    flow = np.empty((num_steps, num_nodes), dtype=np.float32)
    spin_up = steps_per_day
    for step in range(-spin_up, num_steps):
        weather = keep * weather + _WEATHER * (1 - keep**2) ** 0.5 * rng.standard_normal()
        current = law.persistence * deviation[(step - 1) % depth]
        arriving = deviation[(step - law.lag) % depth, network.upstream]
        current += (law.reaction * arriving).sum(axis=1)
        current += _NOISE * scale * rng.standard_normal(num_nodes, dtype=np.float32)
        _start_incidents(step, interval, clear_at, room, rng)
        np.minimum(current, room, out=current, where=clear_at > step)
        np.clip(current, -2.5, 1.0, out=current)
        deviation[step % depth] = current
        if step < 0:
            continue
        expected = demand[(first + step) % len(demand)] * np.exp(current + np.float32(weather))
        counted = expected + 0.7 * np.sqrt(expected) * rng.standard_normal(num_nodes, dtype=np.float32)
        row = flow[step]
        np.clip(np.rint(counted), 1, ceiling, out=row)
        broken = np.flatnonzero(rng.random(num_nodes, dtype=np.float32) < _MISSING * outage / (1 - _MISSING))
        back_at[broken] = np.maximum(back_at[broken], step + rng.geometric(outage, len(broken)))
        row[back_at > step] = 0
    return Traffic(flow, network.graph())


def _start_incidents(
    step: int, interval: int, clear_at: np.ndarray, room: np.ndarray, rng: np.random.Generator
) -> None:
    hit = np.flatnonzero(rng.random(len(room), dtype=np.float32) < _INCIDENTS * interval / 1440)
    clear_at[hit] = step + np.maximum(1, np.rint(rng.uniform(20, 75, len(hit)) / interval))
    room[hit] = np.log(rng.uniform(0.2, 0.6, len(hit)))
