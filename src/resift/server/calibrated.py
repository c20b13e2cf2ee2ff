"""The calibration of a served model: what it takes the settings to say, and which requests may have its scores."""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

from resift.calibration import choosing
from resift.calibration.conditions import Conditions
from resift.calibration.maps import Curve
from resift.calibration.records import SHARED, Calibration
from resift.errors import InputError
from resift.server.records import CalibrationCard
from resift.server.settings import AUTO, ModelSettings
from resift.types import Windows

_logger = logging.getLogger("resift.server")
_SHOWN = 60


def find_calibration(settings: ModelSettings, folder: Path) -> Calibration | None:
    """Return the calibration that the settings name; raises InputError when they need one and name none."""
    named = settings.calibration
    found = choosing.choose(choosing.AUTO if named == AUTO else named, folder)
    if found is None and settings.scores == "calibrated":
        where = "there is no calibration.json beside the model" if named is not None else "no calibration is named"
        raise InputError(
            f"the model {settings.name!r} is to give calibrated scores, and {where}",
            hint="--calibration FILE names what `resift calibrate` wrote",
        )
    return found


def settled(settings: ModelSettings, calibration: Calibration | None) -> ModelSettings:
    """Return the settings with what they leave open as the calibration has it: its scores are wanted as they were."""
    if calibration is None:
        return settings
    own = calibration.conditions
    return replace(
        settings,
        precision=own.precision if settings.precision is None else settings.precision,
        max_length=own.max_length if settings.max_length is None else settings.max_length,
        truncation=own.truncation if settings.truncation is None else settings.truncation,
    )


@dataclass(slots=True)
class Calibrated:
    """A calibration in use: it belongs to the model, and no request gets a probability that it does not hold for."""

    model: str
    calibration: Calibration
    _told: bool = field(default=False, init=False)
    """That there are requests with unknown groups; subtle: two threads may both tell it."""

    @property
    def card(self) -> CalibrationCard:
        """What `/v1/models` says of it."""
        return CalibrationCard(name=self.calibration.name, groups=tuple(self.calibration.groups))

    @property
    def windows(self) -> Windows | None:
        """The windows that its pairs were read in."""
        own = self.calibration.conditions.windows
        return None if own is None else Windows(**own)

    def query_max_length(self, max_length: int) -> int:
        """Return where a query is cut: as when it was fitted, for pairs of that length."""
        own = self.calibration.conditions
        return own.query_max_length if max_length == own.max_length else max_length * 3 // 4

    def check_model(self, found: Conditions) -> None:
        """Raise InputError for a calibration of another model, or of scores that the settings make otherwise."""
        own = self.calibration.conditions
        if own.fingerprint != found.fingerprint:
            self.calibration.check(found)  # its own words
        if differences := own.differences(found):
            raise InputError(
                f"the calibration of the model {self.model!r} was fitted for other scores than the settings make: "
                f"{'; '.join(differences)}",
                hint="leave these settings out, they are the calibration's then, or fit one for them: resift calibrate",
            )

    def check_request(self, found: Conditions, cut: list[str]) -> None:
        """Raise InputError where a request's options make other scores; `cut` says what else it cuts."""
        if differences := self.calibration.conditions.differences(found) + cut:
            raise InputError(
                f"the calibration was fitted for other scores than this request asks for: {'; '.join(differences)}",
                hint="leave these options out, or ask for scores: sigmoid or raw",
            )

    def group(self, asked: str | None) -> str | None:
        """Return the group whose curve is used: None, the shared one, where the calibration does not know it."""
        if asked is None or asked == SHARED or asked in self.calibration.groups:
            return None if asked == SHARED else asked
        if not self._told:
            self._told = True
            there = ", ".join(self.calibration.groups) or "none"
            _logger.warning(
                "%s: requests ask for groups that its calibration does not know, such as %r (there are: %s): "
                "the shared curve is used",
                self.model,
                asked[:_SHOWN],
                there,
            )
        return None

    def curve(self, group: str | None) -> Curve:
        """Return the curve of a group that `group` gave."""
        return self.calibration.curve(group)
