"""Search: recall from each store -> fusion -> reranking -> what is asked for, with scores, places and times."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from resift.explanation import Explanation
from resift.pipeline.fusing import fuse
from resift.pipeline.filters import Where
from resift.pipeline.passages import Row, Truth, read_fields
from resift.pipeline.records import FoundPassage, SearchResult, Stage
from resift.pipeline.reranking import Ranking
from resift.pipeline.shelves import Shelves
from resift.retrieval.protocols import Hit
