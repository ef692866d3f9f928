"""The errors raised for unusable input."""


class InputError(ValueError):
    """Raised if an argument, a file or a setting cannot be used.

    The message is one line: what is wrong, what was received, what to do. The command line prints
    it to stderr without a traceback and exits with status 2.
    """


class OtherSchema(ValueError):
    """Raised if a journal is not as this version writes it."""
