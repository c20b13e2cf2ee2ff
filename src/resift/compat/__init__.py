"""Drop-in classes in the shape of other libraries: argument translation only."""

from resift.compat.cross_encoder import CrossEncoder
from resift.compat.flag import FlagReranker

__all__ = ["CrossEncoder", "FlagReranker"]
