"""`calibration.json`: written in one step, checked when it is read."""

import json
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from resift.calibration.conditions import Conditions
from resift.calibration.conformal import LEVELS
from resift.calibration.maps import Curve, Isotonic, Platt
from resift.calibration.records import SHARED, Calibration, Part
from resift.errors import InputError

FORMAT = "resift-calibration/1"


def as_json(calibration: Calibration) -> dict[str, Any]:
    """Return what the file holds: no texts, no scores but cut-offs and knots. A cut-off of null keeps everything."""
    return {
        "format": FORMAT,
        "method": calibration.method,
        "conditions": asdict(calibration.conditions),
        SHARED: _part(calibration.shared),
        "groups": {name: _part(part) for name, part in calibration.groups.items()},
    }


def write(calibration: Calibration, path: Path) -> None:
    """Write the file; whoever reads it meanwhile sees the old one or the new one."""
    text = json.dumps(as_json(calibration), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        made = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            made.chmod(0o644)
            made.replace(path)
        finally:
            made.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", hint="name another place: --out FILE") from error


def read(path: Path) -> Calibration:
    """Read a file; raises InputError, which names it, when it is not there or is no such file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror or error}", hint=f"fit one: resift calibrate PAIRS --out {path}"
        ) from error
    except ValueError as error:
        raise InputError(f"{path} is no calibration: {error}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError(f'{path} is no calibration of this version: expected "format": {json.dumps(FORMAT)}')
    try:
        groups = {str(name): _read_part(part) for name, part in data["groups"].items()}
        return Calibration(data["method"], _read_conditions(data["conditions"]), _read_part(data[SHARED]), groups)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path} is a broken calibration: {reason}", hint="fit it again: resift calibrate") from error


def _part(part: Part) -> dict[str, Any]:
    return {
        "queries": part.queries,
        "pairs": part.pairs,
        "relevant": part.relevant,
        "curve": None if part.curve is None else _curve(part.curve),
        "keep": {f"{level:g}": None if s == -math.inf else s for level, s in zip(LEVELS, part.cutoffs, strict=True)},
    }


def _curve(curve: Curve) -> dict[str, Any]:
    if isinstance(curve, Platt):
        return {"slope": curve.slope, "intercept": curve.intercept}
    return {"scores": list(curve.scores), "probabilities": list(curve.probabilities)}


def _read_part(data: Mapping[str, Any]) -> Part:
    cutoffs = tuple(-math.inf if data["keep"][f"{a:g}"] is None else float(data["keep"][f"{a:g}"]) for a in LEVELS)
    # json reads NaN and Infinity, which no file of ours holds.
    if any(math.isnan(one) or one == math.inf for one in cutoffs) or list(cutoffs) != sorted(cutoffs, reverse=True):
        raise ValueError("the cut-offs have to be numbers that fall while the share to keep rises")
    counts = [int(data[name]) for name in ("queries", "pairs", "relevant")]
    return Part(counts[0], counts[1], counts[2], _read_curve(data["curve"]), cutoffs)


def _read_curve(data: Mapping[str, Any] | None) -> Curve | None:
    if data is None:
        return None
    if "slope" in data:
        return Platt(float(data["slope"]), float(data["intercept"]))
    return Isotonic(tuple(map(float, data["scores"])), tuple(map(float, data["probabilities"])))


def _read_conditions(data: Mapping[str, Any]) -> Conditions:
    return Conditions(**{one.name: data[one.name] for one in fields(Conditions)})
