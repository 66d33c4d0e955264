"""What each node's traffic obeys: demand profile, reaction to upstream, persistence."""

from dataclasses import dataclass

import numpy as np

_SPEED = 30.0  # km/h, what the travel times come from


@dataclass(frozen=True)
class NodeLaw:
    """Coefficients of every node, float32 ``[N]`` unless said otherwise; all equal at heterogeneity 0.

    Attributes:
        level: Flow at full demand, vehicles per 5 minutes.
        morning: Height of the morning peak, share of the level.
        evening: Height of the evening peak, share of the level.
        morning_time: Time of the morning peak, hours.
        evening_time: Time of the evening peak, hours.
        width: Standard deviation of a peak, hours.
        night: Flow at night, share of the level.
        weekend: Demand peaks at the weekend, share of a working day's.
        persistence: Share of a deviation that stays from one step to the next.
        reaction: Share of upstream deviations that arrive, ``[N, k]``.
        lag: Travel time, steps, int64 ``[N, k]``.
    """

    level: np.ndarray
    morning: np.ndarray
    evening: np.ndarray
    morning_time: np.ndarray
    evening_time: np.ndarray
    width: np.ndarray
    night: np.ndarray
    weekend: np.ndarray
    persistence: np.ndarray
    reaction: np.ndarray
    lag: np.ndarray


def draw_law(distance: np.ndarray, heterogeneity: float, interval: int, rng: np.random.Generator) -> NodeLaw:
    """Draw every node's coefficients around one common law.

    Args:
        distance: Road lengths ``[N, k]``, km.
        heterogeneity: Strength H of the differences, 0 to 1.
        interval: Minutes per step.
        rng: Source of randomness.
    """
    num_nodes, degree = distance.shape

    def around(centre: float, spread: float, low: float, high: float, shape: tuple = (num_nodes,)) -> np.ndarray:
        return np.clip(centre + heterogeneity * spread * rng.standard_normal(shape), low, high).astype(np.float32)

    # coefficients are stated per 5 minutes; a longer step forgets more
    persistence = around(0.7, 0.12, 0.3, 0.92) ** np.float32(interval / 5)
    arrives = around(0.85, 0.3, 0.1, 0.95)
    shares = np.exp(heterogeneity * rng.standard_normal((num_nodes, degree)))
    shares /= shares.sum(axis=1, keepdims=True)
    reaction = ((1 - persistence) * arrives)[:, None] * shares
    minutes = distance / _SPEED * 60
    return NodeLaw(
        level=np.clip(260 * np.exp(heterogeneity * 0.6 * rng.standard_normal(num_nodes)), 50, 420).astype(np.float32),
        morning=around(0.55, 0.35, 0.0, 1.0),
        evening=around(0.6, 0.35, 0.0, 1.0),
        morning_time=around(7.75, 1.2, 5.5, 10.5),
        evening_time=around(17.25, 1.5, 14.0, 20.5),
        width=around(1.4, 0.5, 0.6, 2.5),
        night=around(0.12, 0.06, 0.05, 0.3),
        weekend=around(0.35, 0.3, 0.05, 1.0),
        persistence=persistence,
        reaction=reaction.astype(np.float32),
        lag=np.maximum(1, np.rint(minutes / interval)).astype(np.int64),
    )


def weekly_demand(law: NodeLaw, interval: int) -> np.ndarray:
    """Return the expected flow of every step of a week that begins on Monday.

    Args:
        law: Of N nodes.
        interval: Minutes per step.

    Returns:
        Vehicles per step, float32 ``[steps per week, N]``.
    """
    hours = np.arange(0, 24, interval / 60, dtype=np.float32)[:, None]

    def bump(centre: np.ndarray | np.floating, width: np.ndarray | np.floating) -> np.ndarray:
        apart = (hours - centre + 12) % 24 - 12
        return np.exp(-0.5 * (apart / width) ** 2)

    morning = law.morning * bump(law.morning_time, law.width)
    evening = law.evening * bump(law.evening_time, law.width * 1.3)
    midday = 0.45 * bump(np.float32(13.5), np.float32(4.5))
    working = law.night + midday + morning + evening
    weekend = law.night + 1.1 * midday + law.weekend * (morning + evening)
    days = [working] * 5 + [weekend] * 2
    return (np.concatenate(days) * law.level * (interval / 5)).astype(np.float32)
