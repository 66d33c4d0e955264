"""Models of BasicTS 1.1.0 that depart from their papers, or can't run as they are; each file says what it mends."""

from .duet import DUET
from .fits import FITS
from .hi import HI
from .informer import Informer
from .koopa import Koopa, KoopaSpectrum
from .softs import SOFTS
from .tide import TiDE
from .timekan import TimeKAN
from .timer import Timer

__all__ = ["DUET", "FITS", "HI", "Informer", "Koopa", "KoopaSpectrum", "SOFTS", "TiDE", "TimeKAN", "Timer"]
