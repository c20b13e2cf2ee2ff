"""Fine-tuning of rerankers; the extra `train`."""

from resift.training.examples import Example, read_examples, write_examples
from resift.training.report import Report, describe
from resift.training.run import train
from resift.training.settings import Settings

__all__ = ["Example", "Report", "Settings", "describe", "read_examples", "train", "write_examples"]
