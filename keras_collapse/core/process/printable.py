"""Text without control characters: a name in a log must not move the cursor or reorder a line."""

from __future__ import annotations

import re

_LINES = "\n\t"
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 and C1, with ESC and CSI
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # bidi, Cf
    "\ud800-\udfff"  # bytes of names that are not UTF-8
    "\U000e0000-\U000e007f]"  # tags
)


def printable(text: str, keep: str = "") -> str:
    r"""The text with control characters, bidi overrides and broken bytes as visible escapes.

    Args:
        text: to show.
        keep: characters that are left as they are, such as a line break.

    >>> printable("d_loss\x1b[2J\u202e"), printable("caf\udce9"), printable("naïve 😀")
    ('d_loss\\x1b[2J\\u202e', 'caf\\xe9', 'naïve 😀')
    """
    return _INVISIBLE.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def printable_lines(text: str) -> str:
    """As `printable`, with line breaks and tabs kept."""
    return printable(text, _LINES)


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # an undecodable byte, as Python keeps it
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
