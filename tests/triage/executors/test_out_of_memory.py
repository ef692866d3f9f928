"""Out of memory is told from other ends by the messages of each backend, as they stand in logs."""

from __future__ import annotations

import pytest

from keras_collapse.triage.executors.out_of_memory import out_of_memory

JAX = [
    "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to "
    "allocate 4770354232 bytes.",
    "jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate "
    "2.00GiB. [tf-allocator-allocation-error='']",
    "XlaRuntimeError: RESOURCE_EXHAUSTED: Failed to allocate request for 176.00MiB (184549376B) on "
    "device ordinal 0",
    "RESOURCE_EXHAUSTED: Out of memory allocating 6291456 bytes.",
    "INTERNAL: RET_CHECK failure: CUDA_ERROR_OUT_OF_MEMORY: out of memory",
]
TORCH = [
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total "
    "capacity of 39.39 GiB of which 12.19 MiB is free.",
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 10.01 GiB (GPU 0; 14.75 "
    "GiB total capacity; 10.12 GiB already allocated)",
    "RuntimeError: CUDA error: out of memory",
    "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "RuntimeError: [enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate "
    "memory: you tried to allocate 80000000000 bytes. Error code 12 (Cannot allocate memory)",
]
TENSORFLOW = [
    "tensorflow.python.framework.errors_impl.ResourceExhaustedError: {{function_node __wrapped__}} "
    "OOM when allocating tensor with shape[1024,64,28,28] and type float on "
    "/job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc [Op:Conv2D]",
    # As the runner's own line has it: of a long message only the beginning.
    "keras-collapse: gan.py:train failed at gan.py:9 (ResourceExhaustedError: Graph execution "
    "error: Detected at node gan_1/discriminator_1/conv2d_1/convolution defined at (most recent",
]
HOST = [
    "keras-collapse: gan.py:train failed at gan.py:9 (MemoryError: cannot allocate 80 GiB).",
    "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 80.0 GiB for an array",
    "terminate called after throwing an instance of 'std::bad_alloc'",
    "keras-collapse: out of memory",
]


@pytest.mark.parametrize("line", [*JAX, *TORCH, *TENSORFLOW, *HOST])
def test_each_backends_message_is_recognised(line: str) -> None:
    log = f"Epoch 1/3\nTraceback (most recent call last):\n  File ...\n{line}\n"
    assert out_of_memory(log) == line


@pytest.mark.parametrize(
    "line",
    [
        # Tried again, with less memory or another algorithm: what ended the trial came later.
        "2025-05-18 21:59:55.086788: W external/xla/xla/tsl/framework/bfc_allocator.cc:310] "
        "Allocator (GPU_0_bfc) ran out of memory trying to allocate 3.37GiB with freed_by_count=0. "
        "The caller indicates that this is not a failure, but this may mean that there could be "
        "performance gains if more memory were available.",
        "2025-05-18 21:59:55.086788: I external/xla/xla/stream_executor/cuda/cuda_executor.cc:1] "
        "failed to allocate 30.00GiB from device: RESOURCE_EXHAUSTED: CUDA_ERROR_OUT_OF_MEMORY: "
        "out of memory",
        "E0000 00:00:1715724095.239233 cuda_executor.cc:1] CUDA_ERROR_OUT_OF_MEMORY: out of memory",
        "RESOURCE_EXHAUSTED: Received message larger than max (5 vs. 4)",
        # These have other causes as well, such as a driver that does not fit.
        "RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate`",
        "RuntimeError: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
        "ValueError: the shop has run out of memory sticks",
    ],
)
def test_what_only_sounds_like_it_is_not(line: str) -> None:
    assert out_of_memory(f"{line}\nValueError: no such data\n") == ""
