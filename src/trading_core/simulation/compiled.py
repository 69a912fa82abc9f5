"""Compilation of the fast passes; importing this module loads Numba."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function to machine code, which is kept on disk for the next process.

    Other threads run while it runs. Divisions follow NumPy: by zero gives infinity. A
    change of a module compiles its own functions again and no others, so a compiled
    function calls only those of its module, and takes other modules' numbers as
    arguments.
    """
    compile_ = numba.njit(cache=True, nogil=True, error_model="numpy")
    return cast(F, compile_(function))
