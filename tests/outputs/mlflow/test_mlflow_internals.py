"""MLflow's tries and names draw nothing from the generator that the training draws from."""

from __future__ import annotations

import random

from keras_collapse.outputs.mlflow.mlflow_internals import isolate_random


def test_what_mlflow_draws_leaves_the_global_generator_alone() -> None:
    isolate_random()
    import urllib3
    from mlflow.utils.name_utils import _generate_random_name

    random.seed(1)
    before = random.getstate()
    tried = urllib3.Retry(total=9, backoff_factor=1, backoff_jitter=1.0)
    for _ in range(3):
        tried = tried.increment("GET", "/", error=ConnectionError())
    assert tried.get_backoff_time() > 0
    assert _generate_random_name()
    assert random.getstate() == before
