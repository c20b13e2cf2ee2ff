"""The models of this server as the front process knows them: tokenizer, spec, settings; the weights are elsewhere."""

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import cast, get_args

import tokenizers

from resift import __version__
from resift.calibration.conditions import Conditions, conditions
from resift.calibration.conditions import fingerprint as files_fingerprint
from resift.calibration.maps import Curve
from resift.calibration.records import FILE, Calibration
from resift.errors import InputError
from resift.loading.checkpoint import TextSide
from resift.loading.source import ModelSource
from resift.server.cache import Keys
from resift.server.calibrated import Calibrated
from resift.server.errors import UnknownModel, Unprocessable
from resift.server.records import ModelCard, Work
from resift.server.settings import ModelSettings
from resift.text.encode import PairEncoder
from resift.text.features import load_features
from resift.text.inputs import one_of
from resift.text.template import Template
from resift.text.truncation import Limits
from resift.types import Aggregate, Precision, Scale, ScoreInfo, Truncation, Windows

_DEFAULT_MAX_LENGTH = 512
_LONGEST_TEMPLATE = 10_000
_PROGRAMS = (__version__, tokenizers.__version__)
"""What makes scores of texts, beside the model: a cache on disk outlives an upgrade, and its scores must not."""
_POLICIES = 256
"""Policies that are kept for the next request with the same options."""


@dataclass(frozen=True, slots=True)
class _Options:
    """What a request may ask for of a model: None for the model's own."""

    max_length: int | None = None
    truncation: Truncation | None = None
    windows: Windows | None = None
    template: str | None = None
    query_tokens: int | None = None
    document_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """How the pairs of a request become sequences: what every pair's score depends on beside its texts.

    Attributes:
        encoder, windows, template: make the sequences.
        keys: makes the cache's keys.
        info: what the answer says of its scores.
        unknown_id: the token to warn of, because the vocabulary was cut.
        special_tokens: in each sequence.
        curve: from raw to calibrated scores, where these are asked for.
    """

    encoder: PairEncoder
    windows: Windows | None
    template: Template | None
    keys: Keys
    info: ScoreInfo
    unknown_id: int | None
    special_tokens: int
    curve: Curve | None = None

    def most_tokens(self, query: int, document: int) -> int:
        """Return about how many tokens a pair of so many query and document tokens makes."""
        if self.windows is None:
            return min(query + document + self.special_tokens, self.info.max_length)
        query = min(query, self.info.max_length * 3 // 4)
        room = max(self.info.max_length - self.special_tokens - query, 1)
        size = room if self.windows.size is None else min(self.windows.size, room)
        if size <= self.windows.overlap:  # the encoder will refuse it
            return self.info.max_length
        count = 1 + math.ceil(max(document - size, 0) / (size - self.windows.overlap))
        return count * (min(size, document) + query + self.special_tokens)


class ServedModel:
    """A model with the settings that it is served with. Nothing changes after construction."""

    def __init__(
        self,
        settings: ModelSettings,
        text: TextSide,
        *,
        backend: tuple[str, Precision, str | None],
        calibration: Calibration | None = None,
    ) -> None:
        """Check the settings; `backend` is (name, precision, kernel).

        Raises InputError for settings that do not fit the model or the calibration, ModelLayoutError for broken match
        features.
        """
        name, precision, kernel = backend
        self.name = settings.name
        self._text = text
        self._features = load_features(text.config, text.source.folder, text.tokenizer)
        self._settings = settings
        self._policy = lru_cache(_POLICIES)(self._make_policy)
        self._calibrated_policy = lru_cache(_POLICIES)(self._make_calibrated)
        self._calibrated = None if calibration is None else Calibrated(settings.name, calibration)
        default = min(_DEFAULT_MAX_LENGTH, text.spec.max_length)
        self._info = ScoreInfo(
            model=text.source.name,
            revision=text.source.revision,
            device="cpu",
            backend=name,
            precision=precision,
            kernel=kernel,
            scores="sigmoid",
            truncation="longest_first",
            max_length=default if settings.max_length is None else settings.max_length,
        )
        self._weights = fingerprint(text.source)
        self._files = "" if calibration is None else files_fingerprint(text.source.folder)
        plain = self._policy(self._options(Work(pairs=())))
        if self._calibrated is not None:
            self._calibrated.check_model(self._conditions(plain))
        info = self.policy(Work(pairs=(), scores=cast("Scale", settings.scores))).info
        self.card = ModelCard(
            name=settings.name,
            info=info,
            max_length=text.spec.max_length,
            created=int(time.time()),
            calibration=None if self._calibrated is None else self._calibrated.card,
        )

    def policy(self, work: Work) -> Policy:
        """Return how this request's pairs are scored. Raises Unprocessable for options that do not fit the model."""
        try:
            one_of("scores", work.scores, get_args(Scale))
            options = self._options(work)
            if work.scores == "calibrated":
                asked = self._settings.group if work.group is None else work.group
                return self._calibrated_policy(options, self._known_calibration().group(asked))
            policy = self._policy(options)
        except InputError as error:
            raise Unprocessable(error.message, hint=error.hint) from error
        if work.scores == policy.info.scores:
            return policy
        return replace(policy, info=replace(policy.info, scores=work.scores))

    def _options(self, work: Work) -> _Options:
        _check_windows(work.windows)
        if work.truncation is not None:
            one_of("truncation", work.truncation, get_args(Truncation))
        windows = work.windows
        if windows is None and self._calibrated is not None:
            windows = self._calibrated.windows
        return _Options(
            max_length=_whole("max_length", work.max_length),
            truncation=work.truncation,
            windows=windows,
            template=work.template,
            query_tokens=_whole("query_tokens", work.query_tokens),
            document_tokens=_whole("document_tokens", work.document_tokens),
        )

    def _known_calibration(self) -> Calibrated:
        if self._calibrated is None:
            raise InputError(
                f"the model {self.name!r} has no calibrated scores: it was started without a calibration",
                hint="resift serve --calibration FILE, with what `resift calibrate` wrote; or ask for scores: sigmoid",
            )
        return self._calibrated

    def _make_calibrated(self, options: _Options, group: str | None) -> Policy:
        policy, known = self._policy(options), self._known_calibration()
        cuts = (("queries", options.query_tokens), ("documents", options.document_tokens))
        cut = [
            f"{what} cut to {most} tokens" for what, most in cuts if most is not None and most < self._info.max_length
        ]
        known.check_request(self._conditions(policy), cut)
        info = replace(policy.info, scores="calibrated", calibration=known.calibration.named(group))
        return replace(policy, info=info, curve=known.curve(group))

    def _conditions(self, policy: Policy) -> Conditions:
        limit = self._query_max_length(policy.info.max_length)
        return conditions(policy.info, self._files, query_max_length=limit, windows=policy.windows)

    def _query_max_length(self, max_length: int) -> int:
        return max_length * 3 // 4 if self._calibrated is None else self._calibrated.query_max_length(max_length)

    def _make_policy(self, options: _Options) -> Policy:
        spec = self._text.spec
        own = "longest_first" if self._settings.truncation is None else self._settings.truncation
        kind = own if options.truncation is None else options.truncation
        one_of("truncation", kind, get_args(Truncation))  # the settings' own, too
        length = self._info.max_length if options.max_length is None else options.max_length
        if not spec.special_tokens + 2 <= length <= spec.max_length:
            raise InputError(
                f"max_length is {length}, expected {spec.special_tokens + 2} to {spec.max_length} (this model's limit)"
            )
        fields = self._settings.template if options.template is None else options.template
        if fields is not None and len(fields) > _LONGEST_TEMPLATE:
            raise InputError(f"the template has {len(fields)} characters, expected at most {_LONGEST_TEMPLATE}")
        limits = Limits(
            max_length=length,
            query_max_length=self._query_max_length(length),
            policy=cast("Truncation", kind),
            query_tokens=options.query_tokens,
            document_tokens=options.document_tokens,
        )
        info = replace(self._info, truncation=limits.policy, max_length=length)
        return Policy(
            encoder=PairEncoder(self._text.tokenizer, spec, limits=limits, features=self._features),
            windows=options.windows,
            template=Template(fields) if fields is not None else None,
            keys=Keys(repr((_PROGRAMS, self._weights, replace(info, scores="raw"), limits, options.windows)).encode()),
            info=info,
            unknown_id=self._text.unknown_id,
            special_tokens=spec.special_tokens,
        )


class ServedModels:
    """The models of the server by their names; what else requests may call them is the routes' matter."""

    def __init__(self, models: Sequence[ServedModel]) -> None:
        self._models: Mapping[str, ServedModel] = {model.name: model for model in models}

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """What the models are, the default one first."""
        return tuple(model.card for model in self._models.values())

    def find(self, name: str | None) -> ServedModel:
        """Return the model of that name, the default one for None. Raises UnknownModel."""
        if name is None:
            return next(iter(self._models.values()))
        found = self._models.get(name)
        if found is None:
            raise UnknownModel(f"there is no model {_short(name)!r}, expected one of: {', '.join(self._models)}")
        return found


def fingerprint(source: ModelSource) -> str:
    """Return a text that changes when the model's files do: their names, sizes and times of change.

    A calibration beside them is none of them: raw scores do not depend on it.
    """
    state = blake2b(digest_size=16)
    for file in sorted(path for path in Path(source.folder).iterdir() if path.is_file() and path.name != FILE):
        status = file.stat()
        state.update(f"{file.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return state.hexdigest()


def _check_windows(windows: Windows | None) -> None:
    if windows is None:
        return
    one_of("windows.aggregate", windows.aggregate, get_args(Aggregate))
    _whole("windows.size", windows.size)
    for name, value, least in (("top_k", windows.top_k, 1), ("overlap", windows.overlap, 0)):
        if _whole(f"windows.{name}", value, least=least) is None:
            raise InputError(f"windows.{name} is None, expected a whole number of at least {least}")


def _whole(name: str, value: int | None, *, least: int = 1) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
        raise InputError(f"{name} is {_short(repr(value))}, expected a whole number of at least {least}")
    return value


def _short(text: str) -> str:
    return re.sub(r"\s+", " ", text if len(text) <= 80 else text[:77] + "...")
