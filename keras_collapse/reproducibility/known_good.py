"""``known_good.toml``: the seeds, batch-size cap and settings that worked in a triage."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keras_collapse.core.atomic_files import open_regular
from keras_collapse.core.errors import InputError
from keras_collapse.reproducibility.seeded_process import LARGEST_SEED

FILE_NAME = "known_good.toml"
HEADER = "# Written by keras-collapse triage: the settings that trained a healthy GAN.\n"

Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Settings = dict[str, bool | int | float | str]


class KnownGood(BaseModel):
    """Settings that trained a healthy GAN.

    Args:
        seeds: seeds whose training was healthy at ``batch_size``, at least one.
        batch_size: the batch size they were trained with.
        batch_size_cap: the largest batch size at which no trial failed; None if unknown.
        changes: changes that triage made to the GAN (see ``triage.plans.TrialConfig``).
        params: parameters that were passed to the experiment.
        experiment: the experiment, as ``FILE.py:train``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    seeds: list[Seed] = Field(min_length=1)
    batch_size: int = Field(ge=1)
    batch_size_cap: int | None = Field(default=None, ge=1)
    changes: Settings = Field(default_factory=dict)
    params: Settings = Field(default_factory=dict)
    experiment: str = ""

    def to_toml(self) -> str:
        """Return the settings as TOML."""
        return HEADER + tomli_w.dumps(self.model_dump(exclude_none=True))


def read_known_good(path: str | Path) -> KnownGood:
    """Read ``known_good.toml``.

    Raises:
        InputError: the file is missing, is not TOML, or does not hold what is expected.
    """
    try:
        with open_regular(Path(path)) as file:
            return KnownGood(**tomllib.load(file))
    except InputError:
        raise
    except OSError as error:
        raise InputError(
            f"cannot read {str(path)!r} ({error.strerror}). Give the {FILE_NAME} of a triage."
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{str(path)!r} is not a valid {FILE_NAME}: {where}: {first['msg']}. "
            f"Received: {first['input']!r}."
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{str(path)!r} is not valid TOML ({error}).") from None
