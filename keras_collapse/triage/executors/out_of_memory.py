"""Whether a trial ran out of memory, from the messages of each backend."""

from __future__ import annotations

import re

NOT_AN_ERROR = re.compile(r"^(\d{4}-\d\d-\d\d [\d:.]+: [IWE] |[IWE]\d{4} [\d:.]+ )")
"""Lines that TensorFlow and XLA log of allocations that failed and are tried again, smaller."""
MESSAGES = re.compile(
    "|".join(
        (
            # JAX: XlaRuntimeError, JaxRuntimeError. Other limits are RESOURCE_EXHAUSTED as well.
            r"RESOURCE_EXHAUSTED: .*(out of memory|failed to allocate|allocat\w+ \d+ bytes)",
            r"CUDA_ERROR_OUT_OF_MEMORY",
            # PyTorch: OutOfMemoryError, and RuntimeError from outside of its allocator.
            r"(CUDA|HIP|MPS backend|XPU) out of memory",
            r"(CUDA|HIP) error: out of memory",
            r"DefaultCPUAllocator: (can't allocate|not enough) memory",
            # TensorFlow
            r"ResourceExhaustedError",
            r"OOM when allocating tensor",
            # cuBLAS and cuDNN. Their NOT_INITIALIZED has other causes too, so it does not count.
            r"(CUBLAS|CUDNN|CUSOLVER)_STATUS_ALLOC_FAILED",
            r"CUDNN_STATUS_INTERNAL_ERROR_(HOST|DEVICE)_ALLOCATION_FAILED",
            # Python, NumPy and C++
            r"MemoryError\b",
            r"std::bad_alloc",
            r"^keras-collapse: out of memory$",
        )
    ),
    re.IGNORECASE,
)


def out_of_memory(log: str) -> str:
    """Return the line of a trial's log that says that memory ran out; empty if none does.

    >>> out_of_memory("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.")
    'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.'
    >>> out_of_memory("RESOURCE_EXHAUSTED: Received message larger than max")
    ''
    """
    lines = [line.strip() for line in log.splitlines() if not NOT_AN_ERROR.match(line)]
    return next((line for line in reversed(lines) if MESSAGES.search(line)), "")
