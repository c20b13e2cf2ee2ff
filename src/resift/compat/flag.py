"""`FlagReranker` in the shape of FlagEmbedding, on our engine: argument translation only."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from resift.closing import Closing
from resift.compat.devices import Devices, tell_absent
from resift.compat.pairs import Pairs, as_list
from resift.errors import InputError, ResiftWarning
from resift.reranker import Reranker

_MAX_BATCH_TOKENS = 8192
_MAX_LENGTH = 512


class FlagReranker(Closing):
    """A drop-in for FlagEmbedding's `FlagReranker` with encoder-only models.

    Same calls, same truncation, same scores. What differs: one pair gives a float, as in version 1.2 of
    FlagEmbedding and its tutorials (`single_pair_as_list=True` gives the list of newer versions), no input gives
    no scores, and a misspelt argument raises.

    >>> reranker = FlagReranker()
    >>> isinstance(reranker.compute_score(["what is a panda?", "The giant panda is a bear."]), float)
    True
    """

    def __init__(
        self,
        model_name_or_path: str | Path | None = None,
        use_fp16: bool = False,
        *,
        use_int8: bool = False,
        device: str | int | None = None,
        devices: Devices | None = None,
        batch_size: int = 128,
        max_length: int | None = None,
        query_max_length: int | None = None,
        normalize: bool = False,
        query_instruction_for_rerank: str | None = None,
        query_instruction_format: str = "{}{}",
        passage_instruction_for_rerank: str | None = None,
        passage_instruction_format: str = "{}{}",
        trust_remote_code: bool = False,
        cache_dir: str | Path | None = None,
        single_pair_as_list: bool = False,
        backend: str | None = None,
    ) -> None:
        """Load a model; None is the embedded one.

        What this machine or version does not have (`use_fp16`, a GPU) is replaced by the nearest thing that it has,
        with a ResiftWarning. `use_int8` rounds the weights while they are loaded; `resift quantize` makes a folder
        that is more exact, verified, and loads at once. `trust_remote_code` is accepted and ignored: resift never
        runs code that comes with a model. `max_length` None is 512, or the model's own limit where that is
        lower; `query_max_length` None is 3/4 of it. `backend` is that of `Reranker`.
        """
        also = ["use_fp16 needs a GPU"] if use_fp16 and not use_int8 else []
        tell_absent(devices if devices is not None else device, also=also, stacklevel=3)
        if trust_remote_code:
            warnings.warn("trust_remote_code: resift runs no code from models", ResiftWarning, stacklevel=2)
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}, expected at least 1")
        self._normalize = normalize
        self._query_max_length = query_max_length
        self._single_pair_as_list = single_pair_as_list
        self._query = (query_instruction_format, query_instruction_for_rerank)
        self._passage = (passage_instruction_format, passage_instruction_for_rerank)
        self._reranker = Reranker(
            model_name_or_path,
            max_length=max_length,
            query_max_length=query_max_length,
            max_batch_tokens=min(batch_size * (max_length or _MAX_LENGTH), _MAX_BATCH_TOKENS),
            truncation="flag",
            precision="int8" if use_int8 else None,
            backend=backend,
            cache_dir=cache_dir,
        )

    def compute_score(
        self,
        sentence_pairs: Pairs,
        batch_size: int | None = None,  # noqa: ARG002 - scores do not depend on it, and memory is bounded anyway
        *,
        max_length: int | None = None,
        query_max_length: int | None = None,
        normalize: bool | None = None,
    ) -> float | list[float]:
        """Return the score of one pair `[query, passage]`, or a list of scores for a list of pairs.

        Raw logits, or their sigmoid with `normalize`. Raises PairError when an item is not a pair of texts.
        """
        pairs, single = as_list(sentence_pairs)
        asked = self._normalize if normalize is None else normalize
        view = self._reranker.with_options(
            max_length=max_length,
            query_max_length=self._query_max_length if query_max_length is None else query_max_length,
            scores="sigmoid" if asked else "raw",
        )
        scores = [float(score) for score in view.score([self._instructed(pair) for pair in pairs])]
        return scores[0] if single and not self._single_pair_as_list else scores

    def close(self) -> None:
        """Release the model's memory."""
        self._reranker.close()

    def _instructed(self, pair: Sequence[str]) -> Sequence[str]:
        """Put the instructions before the texts; anything that is no pair of texts is left for `score` to name."""
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            return pair
        if not all(isinstance(text, str) for text in pair):
            return pair
        return [_with_instruction(*self._query, pair[0]), _with_instruction(*self._passage, pair[1])]


def _with_instruction(form: str, instruction: str | None, text: str) -> str:
    r"""Fill a format such as `"{}\nQuery: {}"`; a backslash with an n stands for a line's end, as in FlagEmbedding."""
    return text if instruction is None else form.replace("\\n", "\n").format(instruction, text)
