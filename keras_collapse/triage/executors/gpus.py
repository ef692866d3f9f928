"""The NVIDIA GPUs of this machine, and MIG slices of them, that trials may use."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

BUSY = 0.5
"""Share of a GPU's memory in use by other processes from which it is not chosen."""
USABLE = 0.9
"""Share of a GPU's free memory that trials may use; the rest is for the driver and libraries."""
GPU_SHARE = "KERAS_COLLAPSE_GPU_SHARE"
"""The environment variable with a trial's share of its GPU's memory, where trials share it."""
GPU_MIB = "KERAS_COLLAPSE_GPU_MIB"
"""The environment variable with the memory that a trial may use, in MiB, where it is known."""
NEW_FRACTION, OLD_FRACTION = "XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION"


@dataclass(frozen=True)
class Gpu:
    """A GPU, or a MIG slice of one.

    Args:
        device: as ``CUDA_VISIBLE_DEVICES`` names it.
        name: in words, such as ``GPU 0``.
        uuid: its UUID; ``device`` where nvidia-smi does not list it.
        index: of the GPU, or of that of the slice, as nvidia-smi counts.
        mib: its memory in MiB; None if unknown.
        used: MiB of it that processes use; 0 if unknown.
    """

    device: str
    name: str
    uuid: str
    index: int = -1
    mib: int | None = None
    used: int = 0

    @property
    def busy(self) -> bool:
        """Whether other processes use most of its memory."""
        return self.mib is not None and self.used > BUSY * self.mib

    @property
    def is_slice(self) -> bool:
        """Whether it is a MIG slice."""
        return self.uuid.startswith("MIG-")

    def variables(self, trials: int, given: Mapping[str, str]) -> dict[str, str]:
        """Return the environment variables that keep a trial on it, within its share of memory.

        Args:
            trials: that share its memory.
            given: the environment so far.
        """
        free = USABLE * (1 - self.used / self.mib if self.mib else 1.0)
        # JAX refuses both names of its variable at once; older releases know only the old one.
        fraction = NEW_FRACTION if NEW_FRACTION in given else OLD_FRACTION
        found = {"CUDA_VISIBLE_DEVICES": self.device}
        if trials > 1 or fraction not in given:
            found[fraction] = f"{free / trials:.3f}"
        if trials > 1:
            found[GPU_SHARE] = f"{free / trials:.3f}"
        if self.mib:
            found[GPU_MIB] = str(int(free / trials * self.mib))
        return found


def visible(environment: Mapping[str, str]) -> list[Gpu]:
    """Return the GPUs that ``CUDA_VISIBLE_DEVICES`` allows; all where it is not set.

    As for CUDA, a name that fits none hides those after it, and an index of a GPU in MIG mode is
    its first slice. Without nvidia-smi, names are taken as they are.
    """
    known = _machine()
    asked = environment.get("CUDA_VISIBLE_DEVICES")
    if asked is None:
        return known
    found: dict[str, Gpu] = {}
    for word in asked.split(","):
        gpu = _named(word.strip(), known)
        if gpu is None:
            break
        found.setdefault(gpu.uuid, gpu)
    return list(found.values())


def left_out(gpus: Sequence[Gpu]) -> str:
    """Return in words which GPUs are not chosen and why; empty if all are.

    >>> left_out([Gpu("0", "GPU 0", "0", mib=40960, used=38912), Gpu("1", "GPU 1", "1")])
    ' (not GPU 0: other processes use 38 of its 40 GiB)'
    """
    words = [
        f"not {gpu.name}: other processes use {gpu.used / 1024:.0f} of its {gpu.mib / 1024:.0f} GiB"
        for gpu in gpus
        if gpu.busy and gpu.mib
    ]
    return f" ({'; '.join(words)})" if words else ""


def is_there(gpu: Gpu) -> bool:
    """Whether nvidia-smi still lists it; True where that cannot be known."""
    listed = _nvidia_smi("-L") if gpu.index >= 0 else None
    return listed is None or gpu.uuid in listed


def _named(word: str, known: Sequence[Gpu]) -> Gpu | None:
    """The GPU with this name in ``CUDA_VISIBLE_DEVICES``: an index, or the beginning of a UUID."""
    is_index, is_uuid = word.isdigit(), word.startswith(("GPU-", "MIG-"))
    if not known:
        return Gpu(word, f"GPU {word}", word) if is_index or is_uuid else None
    fits = (
        gpu
        for gpu in known
        if (is_index and gpu.index == int(word)) or (is_uuid and gpu.uuid.startswith(word))
    )
    gpu = next(fits, None)
    return replace(gpu, device=word) if gpu is not None else None


def _machine() -> list[Gpu]:
    """All GPUs that nvidia-smi lists; of one in MIG mode, its slices."""
    listed = _nvidia_smi("-L")
    if not listed:
        return []
    query = ("--query-gpu=uuid,memory.total,memory.used", "--format=csv,noheader,nounits")
    rows = [
        [word.strip() for word in line.split(",")]
        for line in (_nvidia_smi(*query) or "").splitlines()
    ]
    # Where memory is not the GPU's own, nvidia-smi prints [N/A].
    memory = {row[0]: (int(row[1]), int(row[2])) for row in rows if "".join(row[1:3]).isdigit()}
    found: list[Gpu] = []
    for gpu in _listed(listed):
        if gpu.is_slice and found[-1:] and not found[-1].is_slice:
            found.pop()  # only the slices of a GPU in MIG mode can be used
        total, used = memory.get(gpu.uuid, (gpu.mib, 0))
        found.append(replace(gpu, mib=total, used=used))
    return found


def _listed(text: str) -> Iterator[Gpu]:
    """The lines of ``nvidia-smi -L``; slices follow their GPU.

    >>> [gpu.name for gpu in _listed("GPU 0: A100 (UUID: GPU-1)\\n  MIG 1g.5gb Device 0: "
    ...                              "(UUID: MIG-2)")]
    ['GPU 0', 'MIG 1g.5gb 0 of GPU 0']
    """
    index = 0
    for line in text.splitlines():
        if whole := re.match(r"GPU (\d+): .*\(UUID: (GPU-[^)]+)\)", line):
            index = int(whole[1])
            yield Gpu(whole[2], f"GPU {index}", whole[2], index)
        elif part := re.match(r"\s+MIG (\S+)\s+Device\s+(\d+): \(UUID: (MIG-[^)]+)\)", line):
            size = re.search(r"\.(\d+)gb", part[1])
            mib = int(size[1]) * 1024 if size else None
            yield Gpu(part[3], f"MIG {part[1]} {part[2]} of GPU {index}", part[3], index, mib)


def _nvidia_smi(*arguments: str) -> str | None:
    """What it prints, also where it fails, as for a lost GPU; None if it cannot be run."""
    try:
        return subprocess.run(
            ["nvidia-smi", *arguments], capture_output=True, text=True, check=False, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
