"""A smaller vocabulary: the tokens that some languages or texts need, and a tokenizer of these.

A text whose tokens all stay is cut into the same tokens as before. Unigram (Kudo 2018): the best path through the text
is still there, and no other path became better, since the lowest score, which the penalty of an unknown character
follows from, stays too. WordPiece: the longest match at each place is still the longest. A text with removed tokens is
cut into smaller ones or, where a character itself is gone, unknown ones.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from resift.errors import UnsupportedModel
from resift.loading.checkpoint import Checkpoint
from resift.loading.pieces import assemble
from resift.quantize.languages import SCRIPTS, check_languages, listed_pieces, scripts_of
from resift.quantize.texts import built_in_texts


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens that stay.

    Attributes:
        kept: their ids in the original, ascending: the new id of each is its place.
        tokenizer: the tokenizer of the new ids.
    """

    kept: np.ndarray
    tokenizer: Tokenizer


def trim(checkpoint: Checkpoint, languages: Sequence[str] | None, texts: Sequence[str] | None) -> Vocabulary:
    """Return the tokens that `languages` and `texts` need; all when neither is given.

    Raises InputError for unknown languages, UnsupportedModel for a tokenizer that cannot be cut.
    """
    tokenizer = checkpoint.tokenizer
    if languages is None and texts is None:
        return Vocabulary(np.arange(checkpoint.spec.vocab), tokenizer)
    ours = checkpoint.config.get("resift")
    if isinstance(ours, Mapping) and "matching" in ours:
        raise UnsupportedModel("the model's match features need its whole vocabulary", hint="leave --languages out")
    settings = json.loads(tokenizer.to_str())
    pieces, scores = _pieces(settings)
    used = _used(tokenizer, languages, texts)
    keep = used | _special(settings)
    if scores is not None:
        keep |= {int(np.argmin(scores))}
    keep |= _needed(pieces, languages, texts)
    kept = np.array(sorted(keep))
    return Vocabulary(kept, _rewritten(settings, pieces, scores, kept))


def _pieces(settings: Mapping[str, Any]) -> tuple[list[str], list[float] | None]:
    """Return the pieces by id and, of a unigram model, their scores."""
    model = settings["model"]
    if model["type"] == "Unigram":
        return [piece for piece, _ in model["vocab"]], [score for _, score in model["vocab"]]
    if model["type"] == "WordPiece" and sorted(model["vocab"].values()) == list(range(len(model["vocab"]))):
        return sorted(model["vocab"], key=model["vocab"].__getitem__), None
    raise UnsupportedModel(
        f"the vocabulary of a {model['type']} tokenizer cannot be cut: its tokens are made of one another",
        hint="leave --languages and --vocabulary-from out",
    )


def _used(tokenizer: Tokenizer, languages: Sequence[str] | None, texts: Sequence[str] | None) -> set[int]:
    """Return the tokens of the given texts and of the built-in ones in the languages."""
    read = [*(texts or ()), *(built_in_texts(languages) if languages is not None else ())]
    used: set[int] = set()
    for text in read:
        used.update(tokenizer.encode(text, add_special_tokens=False).ids)
    return used


def _special(settings: Mapping[str, Any]) -> set[int]:
    special = {token["id"] for token in settings["added_tokens"]}
    model = settings["model"]
    unknown = model["unk_id"] if model["type"] == "Unigram" else model["vocab"].get(model["unk_token"])
    return special if unknown is None else special | {unknown}


def _needed(pieces: Sequence[str], languages: Sequence[str] | None, texts: Sequence[str] | None) -> set[int]:
    """Return what stays without being used: signs, digits, single letters of the scripts, the languages' lists."""
    scripts: set[str] = set()
    whole: set[str] = set()
    needed: set[int] = set()
    for text in texts or ():
        scripts |= scripts_of(text)
    if languages is not None:
        check_languages(languages)
        for code in languages:
            scripts.update(SCRIPTS[code])
            listed = listed_pieces(code, pieces)
            if listed is None:
                whole.update(SCRIPTS[code])
            else:
                needed.update(listed.tolist())
    for number, piece in enumerate(pieces):
        text = piece.removeprefix("▁").removeprefix("##")
        single = len(text) == 1
        if single and text.isascii():  # names, codes and addresses are everywhere
            needed.add(number)
            continue
        own = scripts_of(text)
        if not own or own <= whole or (single and own <= scripts):
            needed.add(number)
    return needed


def _rewritten(
    settings: dict[str, Any], pieces: Sequence[str], scores: Sequence[float] | None, kept: np.ndarray
) -> Tokenizer:
    """Return the tokenizer with the kept pieces under their new ids."""
    places = {int(old): new for new, old in enumerate(kept)}
    model = settings["model"]
    for token in settings["added_tokens"]:
        token["id"] = places[token["id"]]
    vocab = {pieces[old]: new for old, new in places.items()}
    settings["post_processor"] = _renumbered(settings["post_processor"], vocab)
    if scores is None:
        model["vocab"] = vocab
        return Tokenizer.from_str(json.dumps(settings, ensure_ascii=False))
    if model["unk_id"] is not None:
        model["unk_id"] = places[model["unk_id"]]
    model.pop("vocab")
    return assemble(settings, [(pieces[old], scores[old]) for old in kept])


def _renumbered(node: Any, ids: Mapping[str, int]) -> Any:
    """Replace the ids of a post-processor's special tokens, in whichever of its forms they are."""
    if isinstance(node, dict):
        if set(node) == {"id", "ids", "tokens"}:
            return {**node, "ids": [ids[token] for token in node["tokens"]]}
        return {key: _renumbered(value, ids) for key, value in node.items()}
    if isinstance(node, list):
        if len(node) == 2 and isinstance(node[0], str) and type(node[1]) is int:
            return [node[0], ids[node[0]]]
        return [_renumbered(item, ids) for item in node]
    return node
