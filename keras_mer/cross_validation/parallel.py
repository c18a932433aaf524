"""Independent jobs on this machine's cores, or on a cluster, by joblib's backends."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import joblib

from keras_mer.errors import UserError, nearest

#: Of joblib; dask and ray need a cluster, see the README.
BACKENDS = ("loky", "dask", "ray")

T = TypeVar("T")
R = TypeVar("R")


@contextlib.contextmanager
def cluster(backend: str, address: str | None) -> Iterator[None]:
    """Connect to the cluster at `address` for the time of the block, for the backends dask and ray.

    Raises:
        UserError: for an unknown backend, one that is not installed or a cluster that is not there.
    """
    if backend not in BACKENDS:
        raise UserError(f"unknown backend '{backend}'{nearest(backend, BACKENDS)}")
    close = _connect(backend, address)
    try:
        yield
    finally:
        close()


def _connect(backend: str, address: str | None) -> Callable[[], object]:
    if backend == "loky":
        return lambda: None
    try:
        if backend == "dask":
            from distributed import Client

            return Client(address, timeout=20).close
        import ray
        from ray.util.joblib import register_ray

        ray.init(address)
        register_ray()
        return ray.shutdown
    except ImportError as error:
        package = {"dask": "dask[distributed]", "ray": "ray"}[backend]
        raise UserError(f"backend {backend}: {error}; pip install '{package}'") from None
    except (OSError, ConnectionError) as error:
        raise UserError(f"backend {backend}: no cluster at {address} ({error})") from None


def results(
    function: Callable[[T], R], work: Sequence[T], *, jobs: int = 0, backend: str = "loky"
) -> Iterator[tuple[int, R]]:
    """Yield (position in `work`, `function` of it) as they come, each once.

    Args:
        function: of a module, so that other processes can import it.
        work: what it is called with.
        jobs: how many at a time on this machine, the cores shared out among them; 0: one a core.
        backend: one of `BACKENDS`; a cluster says itself how many. A call whose worker died runs
            again elsewhere on dask and ray; on loky that is an error.
    """
    cores = os.cpu_count() or 1
    jobs = min(jobs or cores, len(work))
    options: dict = {}
    if backend == "loky":
        options["n_jobs"] = jobs
        threads = options["inner_max_num_threads"] = max(1, cores // jobs)
        # joblib tells OpenMP and BLAS; TensorFlow reads its own two when it is first imported.
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
            os.environ[name] = str(threads)
    with joblib.parallel_config(backend, **options):
        yield from joblib.Parallel(
            return_as="generator_unordered", batch_size=1, pre_dispatch="all"
        )(joblib.delayed(_numbered)(index, function, job) for index, job in enumerate(work))


def _numbered(index: int, function: Callable[[T], R], item: T) -> tuple[int, R]:
    return index, function(item)
