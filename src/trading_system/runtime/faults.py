"""Why a command ended: exit codes, and the one sentence with its remedy."""

from enum import IntEnum

from trading_system.errors import TradingError


class ExitCode(IntEnum):
    """What a shell learns from `trading`; documented in docs/operations.md."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    CONFIGURATION = 3
    DEPENDENCY_DOWN = 4
    REFUSED_BY_RISK = 5
    PARTIAL = 6
    NOT_FOUND = 7
    CONFLICT = 8
    CHECK_FAILED = 9
    PORT_IN_USE = 10
    DISK_FULL = 11
    PACKAGE_MISSING = 12
    DATABASE_TOO_NEW = 13
    OTHER_INSTALLATION = 14
    TIMEOUT = 124
    INTERRUPTED = 130


class Fault(TradingError):
    """An anticipated failure: what happened, what to do, and the exit code it has."""

    exit_code = ExitCode.UNEXPECTED


class WrongConfiguration(Fault):
    """A setting or credential is missing, malformed or refused."""

    exit_code = ExitCode.CONFIGURATION


class DependencyDown(Fault):
    """A server that we need does not answer or does not become healthy."""

    exit_code = ExitCode.DEPENDENCY_DOWN


class AlreadyRunning(Fault):
    """The data directory is in use by a running stack."""

    exit_code = ExitCode.CONFLICT


class NotRunning(Fault):
    """The command needs a running stack and there is none."""

    exit_code = ExitCode.DEPENDENCY_DOWN


class PortInUse(Fault):
    """Another program listens on a port that we need."""

    exit_code = ExitCode.PORT_IN_USE


class DiskFull(Fault):
    """The disk of the data directory has no room left."""

    exit_code = ExitCode.DISK_FULL


class PackageMissing(Fault):
    """A package that brings a program is not installed, or not for this platform."""

    exit_code = ExitCode.PACKAGE_MISSING


class DatabaseTooNew(Fault):
    """The database was migrated by a newer version of this code."""

    exit_code = ExitCode.DATABASE_TOO_NEW


class OtherInstallation(Fault):
    """A data directory or database belongs to another mode, account or source."""

    exit_code = ExitCode.OTHER_INSTALLATION


class NotInTime(Fault):
    """A command was not done in the time that it was given."""

    exit_code = ExitCode.TIMEOUT


def to_json(fault: Fault) -> dict[str, object]:
    """Return a fault as a short process reports it to the supervisor."""
    return {
        "problem": fault.detail,
        "remedy": fault.remedy,
        "exit_code": int(fault.exit_code),
    }


def from_json(report: dict[str, object]) -> Fault:
    """Return the fault that a short process reported."""
    classes = {kind.exit_code: kind for kind in Fault.__subclasses__()}
    kind = classes.get(ExitCode(int(str(report["exit_code"]))), Fault)
    return kind(str(report["problem"]), remedy=str(report["remedy"]))
