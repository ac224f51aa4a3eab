"""What can go wrong outside the code: every message says what, where, how much and what to do."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class NeurosimError(Exception):
    """Bad input or usage; the command line prints it and leaves with *exit_code*."""

    exit_code = 2


class InvalidError(NeurosimError):
    """Something read or built is wrong; *problems* lists everything that is, one sentence each. *count*: how many there are,
    where not all are listed."""

    def __init__(self, subject: str, problems: Sequence[str], count: int | None = None):
        self.subject = subject
        self.problems = tuple(problems)
        self.count = len(self.problems) if count is None else count
        lines = self.problems if len(self.problems) == 1 else tuple(f"  - {p}" for p in self.problems)
        separator = ": " if len(self.problems) == 1 else f": {self.count:,} problems\n"
        super().__init__(f"{subject}{separator}" + "\n".join(lines))


class NetworkError(InvalidError):
    """A network that cannot be computed."""


class InputsError(InvalidError):
    """Inputs that are malformed or do not suit the network."""


class ChipError(InvalidError):
    """A chip description that is not one."""


class FileError(InvalidError):
    """A file that cannot be read or written; *subject* is its path."""


class TraceError(InvalidError):
    """A spike trace that does not belong to what it is used with."""


class PluginError(NeurosimError):
    """What a package, or something handed in, brings does not work."""


@contextmanager
def about(path: object) -> Iterator[None]:
    """Problems with inputs and traces name the file they came from."""
    try:
        yield
    except (InputsError, TraceError) as error:
        raise type(error)(str(path), error.problems, error.count) from error
