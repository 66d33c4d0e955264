"""Tables inside Markdown documents: a marked block is what the command in its mark prints.

<!-- table: --dataset PEMS08-TAIL --results results/published -->
...
<!-- end of table -->
"""

import re
import shlex
from collections.abc import Callable, Sequence

from stlora_ext.errors import UserError

_BLOCK = re.compile(r"(<!-- table: (?P<arguments>.*?) -->\n)(?P<body>.*?)(<!-- end of table -->)", re.DOTALL)


def update_tables(text: str, print_table: Callable[[Sequence[str]], str]) -> str:
    """Return ``text`` with every marked block replaced by ``print_table(arguments)``.

    Raises:
        UserError: If the text holds no marked block, or one whose arguments can't be told apart.
    """
    if not _BLOCK.search(text):
        raise UserError("no marked table: expected <!-- table: --dataset NAME ... --> and <!-- end of table -->")
    return _BLOCK.sub(lambda m: f"{m[1]}{print_table(_arguments(m['arguments']))}{m[4]}", text)


def _arguments(mark: str) -> list[str]:
    try:
        return shlex.split(mark)
    except ValueError as error:
        raise UserError(
            f"the options of the marked table '{mark}' can't be read ({error}): write them as on a command line"
        ) from None
