"""The one error a person's mistake raises: a clear line, never our traceback."""


class InputError(ValueError):
    """What was given cannot be used.

    The message is one line: what was wrong, what was received, what to do. The command line
    prints it to stderr and ends with status 2.
    """
