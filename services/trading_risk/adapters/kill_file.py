"""The kill switch as a file: `KILL` in the data directory."""

from pathlib import Path

NAME = "KILL"


class KillFile:
    """Pulled while the file is there, whatever is in it."""

    def __init__(self, data_directory: Path) -> None:
        self.path = data_directory / NAME

    def is_pulled(self) -> bool:
        """Say whether the file is there; when that cannot be told, say yes."""
        try:
            self.path.lstat()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True
