"""resift's native engine."""

from resift.bench.peers import Job, Loaded, Precision


def load(job: Job, *, precision: Precision) -> Loaded:
    """Load the model; a quantised folder must be of this precision."""
    from resift import Reranker

    reranker = Reranker(
        job.folder, backend="native", precision=precision, threads=job.threads, max_length=job.max_length
    )
    return Loaded(reranker.score, lambda: reranker.info.kernel)


def peak(job: Job, loaded: Loaded, seconds: float, *, precision: Precision) -> float:
    """Return the operations per second that the cores do from registers, with the kernel that was loaded."""
    from resift import _native

    return _native.peak(precision, kernel=loaded.kernel(), threads=job.threads, seconds=seconds)
