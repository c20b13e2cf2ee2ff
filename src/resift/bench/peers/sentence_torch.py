"""sentence-transformers' CrossEncoder on torch, batches of 32 (its default)."""

from resift.bench.peers import Job, Loaded
from resift.bench.peers.sentence import cross_encoder


def load(job: Job) -> Loaded:
    """Load the model in fp32."""
    return cross_encoder(job, backend="torch", model_options={"torch_dtype": "float32"})
