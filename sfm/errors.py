"""Errors this package raises on purpose. Each message is one line: what is wrong and what to do."""


class SfmError(Exception):
    """Root of every error raised on purpose; `exit_code` is what the command line ends with."""

    exit_code = 1


class InputError(SfmError):
    """What the user gave cannot be used: a path, a file's content, options that contradict each other."""

    exit_code = 2


class WorkError(SfmError):
    """The input was fine but the work did not succeed, e.g. no map could be made from these images."""

    exit_code = 1
