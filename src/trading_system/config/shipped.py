"""Files that come with the code: in a checkout beside the roots, else in the wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_CHECKOUT = _PACKAGE.parents[1]


def shipped(name: str) -> Path:
    """Return where `config/...` or `migrations/...` lies, never asking the cwd."""
    if (_CHECKOUT / "pyproject.toml").is_file():
        return _CHECKOUT / name
    return _PACKAGE / "_shipped" / name
