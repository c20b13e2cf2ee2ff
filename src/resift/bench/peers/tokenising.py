"""Only what resift does before the network runs: texts to token ids and match features. No peer, but a yardstick."""

import numpy as np

from resift.bench.peers import Job, Loaded, Pairs


def load(job: Job) -> Loaded:
    """Load tokenizer and match features; the "scores" are tokens a pair."""
    from resift.loading.checkpoint import load_checkpoint
    from resift.loading.source import locate
    from resift.text.encode import PairEncoder
    from resift.text.features import load_features
    from resift.text.truncation import Limits

    checkpoint = load_checkpoint(locate(job.folder))
    encoder = PairEncoder(
        checkpoint.tokenizer,
        checkpoint.spec,
        limits=Limits(job.max_length, job.max_length * 3 // 4, "flag"),
        features=load_features(checkpoint.config, job.folder, checkpoint.tokenizer),
    )

    def count(pairs: Pairs) -> np.ndarray:
        return np.array([sum(len(s.ids) for s in pair.sequences) for pair in encoder.encode(pairs)], dtype=np.float32)

    return Loaded(count)
