"""Keep secrets that a process was given out of what is written down: by their names and forms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

HIDDEN = "***"
_ALWAYS = frozenset({"password", "passwd", "pwd", "passphrase", "secret", "secrets", "credential",
                     "credentials", "apikey"})  # fmt: skip
_LAST = frozenset({"token", "authorization", "auth", "pat"})
_BEFORE_KEY = frozenset({"api", "access", "private", "signing", "encryption", "auth", "account",
                         "license", "ssh"})  # fmt: skip
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}://)[^\s/?#'\"]{1,1000}@")
_FORMS = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|sk-[\w-]{20,}|xox[abeoprs]-[\w-]{10,}|A(?:KIA|SIA)[0-9A-Z]{16}|AIza[\w-]{30,}"
    r"|dapi[0-9a-f]{32}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*)"
    r"|(?<=Bearer )[\w.~+/=-]{8,}|(?<=Basic )[\w+/=]{8,}"
)
_NAMED = re.compile(
    r"(?<![\w.-])([A-Za-z][\w.-]{0,100})(['\"]?\s{0,3}[=:](?!//)\s{0,3}['\"]?)([^\s'\"&,;]+)"
)


def is_secret(name: str) -> bool:
    """Return whether a setting of this name is likely to hold a secret.

    >>> [is_secret(name) for name in ("gan.api_key", "hfToken", "--db-password", "AWS_SECRET_KEY")]
    [True, True, True, True]
    >>> [is_secret(name) for name in ("max_tokens", "tokenizer", "key", "token_count", "author")]
    [False, False, False, False, False]
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words:
        return False
    pair = words[-1] in ("key", "keys") and len(words) > 1 and words[-2] in _BEFORE_KEY
    return not _ALWAYS.isdisjoint(words) or words[-1] in _LAST or pair


def redact(text: str) -> str:
    """Return a text without the secrets in it: in addresses, by name, by form.

    >>> redact("cannot reach postgresql://me:hunter2@db/mlflow?password=hunter2")
    'cannot reach postgresql://***@db/mlflow?password=***'
    """
    text = _FORMS.sub(HIDDEN, _USER.sub(rf"\1{HIDDEN}@", text))
    return _NAMED.sub(lambda m: m[1] + m[2] + HIDDEN if is_secret(m[1]) else m[0], text)


def redact_words(words: Sequence[str]) -> list[str]:
    """Return the words of a command line without the secrets in them.

    >>> redact_words(["python", "gan.py", "--hf-token", "abc", "--api_key=abc", "--steps", "5"])
    ['python', 'gan.py', '--hf-token', '***', '--api_key=***', '--steps', '5']
    """
    found = []
    for before, word in zip(["", *words], words, strict=False):
        name = before.startswith("-") and "=" not in before and is_secret(before)
        if word.startswith("-"):  # an option's own name
            option, equal, value = word.partition("=")
            hidden = HIDDEN if is_secret(option) else redact(value)
            found.append(option + equal + (hidden if equal else ""))
        else:
            found.append(HIDDEN if name else redact(word))
    return found


def redacted(value: Any, name: str = "") -> Any:
    """Return a value without the secrets in it; names, numbers and the structure stay.

    >>> redacted({"gan.api_key": "abc", "epochs": 3, "notes": ["at http://me:abc@host"]})
    {'gan.api_key': '***', 'epochs': 3, 'notes': ['at http://***@host']}
    """
    if isinstance(value, Mapping):
        return {key: redacted(one, str(key)) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(one, name) for one in value]
    if value and isinstance(value, str):
        return HIDDEN if is_secret(name) else redact(value)
    return value
